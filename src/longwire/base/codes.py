"""Close codes of WebSocket (RFC 6455 section 7.4 and the IANA registry)."""

from __future__ import annotations

from enum import IntEnum

__all__ = ["CloseCode", "close_code_name", "is_sendable_close_code"]


class CloseCode(IntEnum):
    """The registered close codes, named as the IANA registry names them."""

    NORMAL_CLOSURE = 1000
    GOING_AWAY = 1001
    PROTOCOL_ERROR = 1002
    UNSUPPORTED_DATA = 1003
    NO_STATUS_RECEIVED = 1005
    ABNORMAL_CLOSURE = 1006
    INVALID_FRAME_PAYLOAD_DATA = 1007
    POLICY_VIOLATION = 1008
    MESSAGE_TOO_BIG = 1009
    MANDATORY_EXTENSION = 1010
    INTERNAL_ERROR = 1011
    SERVICE_RESTART = 1012
    TRY_AGAIN_LATER = 1013
    BAD_GATEWAY = 1014
    TLS_HANDSHAKE = 1015


# RFC 6455 section 7.4.1: 1005, 1006 and 1015 are names for what happened, and MUST NOT be set
# as a status code in a Close frame. 1004 is reserved without a meaning.
_SENDABLE_REGISTERED = frozenset(range(1000, 1015)) - {1004, 1005, 1006}


def is_sendable_close_code(code: int) -> bool:
    """Tell whether ``code`` may stand in a Close frame (RFC 6455 section 7.4.2)."""
    return code in _SENDABLE_REGISTERED or 3000 <= code <= 4999


def close_code_name(code: int) -> str:
    """Return what a close code means, for people."""
    try:
        return CloseCode(code).name.lower().replace("_", " ")
    except ValueError:
        pass
    if 3000 <= code <= 3999:
        return "registered by a library or framework"
    if 4000 <= code <= 4999:
        return "private use"
    return "not a close code"
