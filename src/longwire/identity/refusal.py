"""Why a token is not accepted: for those who run the server, never for who sent it."""

from __future__ import annotations

from enum import Enum

from longwire.base.errors import LongwireError
from longwire.streams.errors import StreamError

__all__ = ["KeysUnavailableError", "Reason", "TokenRefused"]


class Reason(Enum):
    """What is wrong with a token; the values stand in the log and the metrics."""

    TOO_LONG = "too_long"
    MALFORMED = "malformed"
    HEADER = "header"
    ALGORITHM = "algorithm"
    KEY = "key"
    SIGNATURE = "signature"
    CLAIMS = "claims"
    EXPIRED = "expired"
    NOT_YET = "not_yet"
    LIFETIME = "lifetime"
    ISSUER = "issuer"
    AUDIENCE = "audience"
    USER = "user"
    PERMISSIONS = "permissions"


class TokenRefused(LongwireError):
    """A token is not accepted.

    The message may tell what the token says, so it is for ``longwire token explain`` and tests;
    the log gets ``reason`` and ``setting`` only, and the client neither. ``setting`` is the one
    that decides, empty where none does.
    """

    def __init__(self, reason: Reason, message: str, setting: str = "") -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.setting = f"identity.{setting}" if setting else ""


class KeysUnavailableError(StreamError):
    """The keys that tokens are checked with could not be read yet."""

    code = "identity_unavailable"
    is_retryable = True

    def __init__(self) -> None:
        super().__init__("tokens cannot be checked now; try again later")
