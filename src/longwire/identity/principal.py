"""Who a client is, as far as the rest of longwire cares: a name, or nobody in particular."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["ANONYMOUS", "Principal"]


@dataclass(frozen=True, slots=True)
class Principal:
    """Someone who may be allowed things. ``name`` is empty for a client that did not say."""

    name: str = ""
    expires_at_s: float | None = None
    """Until when that is so, Unix time; ``None``: for ever."""

    @property
    def is_anonymous(self) -> bool:
        """Whether the client did not say who it is."""
        return not self.name

    def has_expired(self, now_s: float) -> bool:
        """Whether it is so no longer at ``now_s``, Unix time."""
        return self.expires_at_s is not None and now_s >= self.expires_at_s


ANONYMOUS = Principal()
