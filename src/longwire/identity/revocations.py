"""Users whose earlier tokens are good no longer.

A token cannot be taken back; what can be kept is since when a user has to show a newer one.
"""

from __future__ import annotations

from longwire.identity.principal import Principal

__all__ = ["Revocations"]


class Revocations:
    """Since when, for each user. At most ``users_max``: the oldest make room."""

    def __init__(self, users_max: int) -> None:
        self._users_max = users_max
        self._since_s: dict[str, float] = {}

    def __len__(self) -> int:
        return len(self._since_s)

    def note(self, user: str, since_s: float) -> bool:
        """Take nothing of ``user`` that was issued until ``since_s``, Unix time; tell whether that
        is new."""
        known_s = self._since_s.get(user)
        if known_s is not None and known_s >= since_s:
            return False
        self._since_s.pop(user, None)
        self._since_s[user] = since_s
        if len(self._since_s) > self._users_max:
            del self._since_s[next(iter(self._since_s))]
        return True

    def is_revoked(self, principal: Principal) -> bool:
        """Whether what this one showed is good no longer.

        What does not say when it was issued may be from before.
        """
        since_s = self._since_s.get(principal.name)
        if since_s is None:
            return False
        issued_s = principal.issued_at_s
        return issued_s is None or issued_s <= since_s
