"""Since when a user has to show something newer."""

from __future__ import annotations

from longwire.identity.principal import Principal
from longwire.identity.revocations import Revocations


def issued(moment_s: float | None, name: str = "ann") -> Principal:
    return Principal(name, issued_at_s=moment_s)


def test_what_was_issued_before_is_revoked() -> None:
    revocations = Revocations(10)
    assert revocations.note("ann", 100.5)
    for moment_s in (None, 0, 100, 100.5):
        assert revocations.is_revoked(issued(moment_s))
    assert not revocations.is_revoked(issued(101))
    assert not revocations.is_revoked(issued(None, "bob"))


def test_older_revocation_takes_nothing_back() -> None:
    revocations = Revocations(10)
    assert revocations.note("ann", 100)
    assert not revocations.note("ann", 50)
    assert not revocations.note("ann", 100)
    assert revocations.is_revoked(issued(100))


def test_users_at_the_limit_and_one_past_it() -> None:
    revocations = Revocations(2)
    for moment, user in enumerate(["ann", "bob", "ann", "eve"]):
        revocations.note(user, moment)
    assert len(revocations) == 2
    assert not revocations.is_revoked(issued(None, "bob"))
    assert revocations.is_revoked(issued(None, "ann"))
    assert revocations.is_revoked(issued(None, "eve"))
