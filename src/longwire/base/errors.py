"""The errors of longwire.

* :exc:`LongwireError`

  * :exc:`ProtocolError`: a peer, or the caller, broke a protocol; knows its wire code
  * :exc:`LimitError`: something was larger, faster or more than a limit allows
  * :exc:`ConfigError`: a setting is wrong; says where and what would be right
  * :exc:`StoreError`: a store could not do what it was asked

Errors that belong to one layer derive from these and live in that layer: handshake errors in
``longwire.websocket.handshake``, closed connections in ``longwire.net.closed``.
"""

from __future__ import annotations

from typing import Literal

__all__ = ["ConfigError", "LimitError", "LongwireError", "ProtocolError", "Side", "StoreError"]

Side = Literal["local", "remote"]
"""Who is at fault: ``local`` is the caller of longwire, ``remote`` is the peer."""


class LongwireError(Exception):
    """Base of every error that longwire raises on purpose."""


class ProtocolError(LongwireError):
    """A rule of a protocol was broken.

    ``code`` is what goes over the wire: a WebSocket close code or an HTTP status.
    ``side`` says who broke the rule.
    """

    def __init__(self, code: int, message: str, *, side: Side = "remote") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.side = side


class LimitError(ProtocolError):
    """A limit was passed. ``limit_name`` is the setting that raises it."""

    def __init__(
        self,
        code: int,
        limit_name: str,
        value: float,
        maximum: float,
        *,
        side: Side = "remote",
    ) -> None:
        super().__init__(
            code, f"{limit_name}: {value:.15g} is over the limit of {maximum:.15g}", side=side
        )
        self.limit_name = limit_name
        self.value = value
        self.maximum = maximum


class ConfigError(LongwireError):
    """A setting is wrong.

    ``path`` is where it stands (``file:line`` or the name of a variable or flag), ``hint`` says
    what would be right.
    """

    def __init__(self, path: str, message: str, *, hint: str = "") -> None:
        super().__init__(f"{path}: {message}" + (f" ({hint})" if hint else ""))
        self.path = path
        self.message = message
        self.hint = hint


class StoreError(LongwireError):
    """A store failed. ``retryable`` says whether the same call may succeed later."""

    def __init__(self, message: str, *, retryable: bool) -> None:
        super().__init__(message)
        self.retryable = retryable
