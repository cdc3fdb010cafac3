"""Who may do what: rules first, then the configuration."""

from __future__ import annotations

import inspect

import pytest

from longwire.identity.principal import ANONYMOUS, Principal
from longwire.server.permissions import Access, Permissions
from longwire.server.settings import AnonymousSettings


async def decide(permissions: Permissions, principal: Principal, action: str, stream: str) -> bool:
    answer = permissions.may(principal, action, stream)  # type: ignore[arg-type]
    return await answer if inspect.isawaitable(answer) else bool(answer)


async def test_nothing_is_allowed_by_default() -> None:
    assert not await decide(Permissions(), ANONYMOUS, "read", "a")
    assert not await decide(Permissions(), Principal("ann"), "publish", "a")


async def test_configuration_allows_anybody_by_pattern_and_action() -> None:
    permissions = Permissions()
    permissions.allow_anonymous(AnonymousSettings(read=("public/**",), publish=("public/wall",)))
    for principal in (ANONYMOUS, Principal("ann")):
        assert await decide(permissions, principal, "read", "public/a/b")
        assert not await decide(permissions, principal, "publish", "public/a/b")
        assert await decide(permissions, principal, "publish", "public/wall")
        assert not await decide(permissions, principal, "read", "private")


async def test_first_rule_that_fits_has_the_last_word() -> None:
    permissions = Permissions()
    permissions.allow_anonymous(AnonymousSettings(read=("**",), publish=("**",)))
    permissions.add_rule("rooms/secret", ["read"], lambda access: access.principal.name == "ann")
    permissions.add_rule("rooms/*", ["read", "publish"], lambda access: True)

    async def by_hour(access: Access) -> bool:
        return access.stream.endswith("open")

    permissions.add_rule("shop/*", ["publish"], by_hour)
    assert await decide(permissions, Principal("ann"), "read", "rooms/secret")
    assert not await decide(permissions, Principal("bob"), "read", "rooms/secret")
    assert await decide(permissions, Principal("bob"), "publish", "rooms/secret")
    assert await decide(permissions, ANONYMOUS, "publish", "shop/open")
    assert not await decide(permissions, ANONYMOUS, "publish", "shop/shut")
    assert await decide(permissions, ANONYMOUS, "read", "shop/shut")


@pytest.mark.parametrize("actions", [[], ["write"], ["read", "fly"]])
def test_unknown_actions_are_refused(actions: list[str]) -> None:
    with pytest.raises(ValueError, match="actions are any of read, publish"):
        Permissions().add_rule("a", actions, lambda access: True)  # type: ignore[arg-type]
