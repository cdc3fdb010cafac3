"""Close codes of the native protocol (docs/protocol.md, 10.2)."""

from __future__ import annotations

from enum import IntEnum

__all__ = ["NativeCloseCode", "may_reconnect"]


class NativeCloseCode(IntEnum):
    """Codes of longwire's own. 4000 to 4499 ask to reconnect, 4500 to 4999 not to."""

    CONNECT_TIMEOUT = 4000
    HEARTBEAT_TIMEOUT = 4001
    TOKEN_EXPIRED = 4002
    TOO_SLOW = 4003
    TOO_MANY_CONNECTIONS = 4004
    RESPONSE_OVER = 4005
    BAD_MESSAGES = 4500
    NOT_CONNECTED = 4501
    BAD_VERSION = 4502
    UNAUTHORIZED = 4503
    ENDED = 4504


_RECONNECT_REGISTERED = frozenset({1001, 1005, 1006, 1011, 1012, 1013, 1014})


def may_reconnect(code: int) -> bool:
    """Tell whether a client shall connect again after this close code."""
    if code < 3000:
        return code in _RECONNECT_REGISTERED
    return code % 1000 < 500
