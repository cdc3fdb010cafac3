"""Patterns over stream names as an application and its configuration give them."""

from __future__ import annotations

from longwire.base.errors import ConfigError
from longwire.streams import pattern

__all__ = ["StreamPattern"]


class StreamPattern(pattern.StreamPattern):
    """A stream name with wildcards: see :class:`longwire.streams.pattern.StreamPattern`.

    Raises :exc:`~longwire.base.errors.ConfigError` for text that is no pattern, and for one that no
    stream can match.
    """

    __slots__ = ()

    def __init__(self, text: str, *, is_reserved_allowed: bool = False) -> None:
        try:
            super().__init__(text, is_reserved_allowed=is_reserved_allowed)
        except pattern.PatternError as error:
            problem, _, hint = error.message.partition("; ")
            raise ConfigError("pattern", problem, hint=hint) from None
