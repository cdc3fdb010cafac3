"""Who a client is, as far as the rest of longwire cares: a name, or nobody in particular."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from longwire.identity.grants import NO_GRANTS, Grants

__all__ = ["ANONYMOUS", "KEY_PREFIX", "Principal"]

KEY_PREFIX = "key:"
"""What the names of backends with an API key begin with, and those of users never do."""

_NO_CLAIMS: Mapping[str, Any] = {}


@dataclass(frozen=True, slots=True)
class Principal:
    """Someone who may be allowed things. ``name`` is empty for a client that did not say."""

    name: str = ""
    expires_at_s: float | None = None
    """Until when that is so, Unix time; ``None``: for ever."""
    grants: Grants = NO_GRANTS
    """What it may do beyond what anybody may, where no rule of the application decides."""
    issued_at_s: float | None = None
    """When what it showed was issued, Unix time; ``None``: it does not say."""
    is_operator: bool = False
    """Whether it may do what those do who run the server."""
    session: str = ""
    """The session in which it signed in; empty for who shows a token."""
    claims: Mapping[str, Any] = field(default_factory=lambda: _NO_CLAIMS, compare=False, repr=False)
    """All that its token says, for rules of the application; empty without one."""

    @property
    def is_anonymous(self) -> bool:
        """Whether the client did not say who it is."""
        return not self.name

    def has_expired(self, now_s: float) -> bool:
        """Whether it is so no longer at ``now_s``, Unix time."""
        return self.expires_at_s is not None and now_s >= self.expires_at_s


ANONYMOUS = Principal()
