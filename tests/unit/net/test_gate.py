"""Which connections a listener takes: by address, and by how many have not begun."""

from __future__ import annotations

from typing import cast

from longwire.base.limits import ConnectionLimits
from longwire.net.gate import Gate
from longwire.net.link import Address, LinkHandler


class Handler:
    def __init__(self) -> None:
        self.is_opening = True


class Begun:
    """A handler that knows nothing of openings, as that of a WebSocket."""


class Guest:
    def __init__(self, address: Address = ("192.0.2.1", 1)) -> None:
        self.remote_address = address
        self.is_closing = False
        self.handler = cast(LinkHandler, Handler())

    def begin(self) -> None:
        self.handler = cast(LinkHandler, Begun())

    def abort(self) -> None:
        self.is_closing = True


class Entrance:
    """A gate, and the limits that were reached."""

    def __init__(self, **limits: int | None) -> None:
        self.reached: list[str] = []
        self.gate = Gate(ConnectionLimits(**limits), self.reached.append)  # type: ignore[arg-type]

    def guests(self, count: int) -> list[Guest]:
        guests = [Guest() for _ in range(count)]
        assert all(self.gate.admit(guest) for guest in guests)
        return guests


def test_as_many_openings_as_the_limit_are_left_alone() -> None:
    entrance = Entrance(opening_max=16)
    guests = entrance.guests(16)
    assert not any(guest.is_closing for guest in guests)
    assert entrance.reached == []


def test_with_one_more_the_oldest_go() -> None:
    entrance = Entrance(opening_max=16)
    guests = entrance.guests(17)
    assert [guest.is_closing for guest in guests] == [True, True] + [False] * 15
    assert entrance.reached == ["opening_max"]
    assert entrance.gate.cut == 2


def test_a_limit_of_one_keeps_the_newest() -> None:
    entrance = Entrance(opening_max=1)
    guests = entrance.guests(3)
    assert [guest.is_closing for guest in guests] == [True, True, False]


def test_connections_that_have_begun_or_ended_count_no_more() -> None:
    entrance = Entrance(opening_max=16)
    for guest in entrance.guests(8):
        guest.begin()
    for guest in entrance.guests(8):
        entrance.gate.left(guest)
    assert not any(guest.is_closing for guest in entrance.guests(16))
    assert entrance.gate.cut == 0


def test_without_a_limit_all_may_wait() -> None:
    entrance = Entrance(opening_max=None)
    assert not any(guest.is_closing for guest in entrance.guests(10_000))


def test_an_address_has_as_many_as_the_limit_and_no_more() -> None:
    entrance = Entrance(open_per_address_max=2)
    first, _ = entrance.guests(2)
    assert not entrance.gate.admit(Guest())
    assert entrance.gate.admit(Guest(("192.0.2.2", 1)))
    assert entrance.gate.admit(Guest("/a/unix/socket")), "which has no addresses"
    assert entrance.reached == ["open_per_address_max"]
    entrance.gate.left(first)
    assert entrance.gate.admit(Guest())
    assert not entrance.gate.admit(Guest())


def test_a_connection_that_was_refused_frees_nothing_when_it_ends() -> None:
    entrance = Entrance(open_per_address_max=1)
    entrance.guests(1)
    refused = Guest()
    assert not entrance.gate.admit(refused)
    entrance.gate.left(refused)
    assert not entrance.gate.admit(Guest())
