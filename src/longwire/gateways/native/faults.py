"""Refusals of the native protocol itself (docs/protocol.md, 9)."""

from __future__ import annotations

from longwire.streams.errors import StreamError

__all__ = [
    "AlreadyConnectedError",
    "AlreadyConsumingError",
    "BadVersionError",
    "CallFlightError",
    "CallTimeoutError",
    "ConnectionsLimitError",
    "ConsumersLimitError",
    "ForeignTokenError",
    "InternalError",
    "NotConnectedError",
    "NotConsumingError",
    "NotWatchingError",
    "UnauthorizedError",
]


class NotConnectedError(StreamError):
    """The first message was another one than connect."""

    code = "not_connected"

    def __init__(self, op: str) -> None:
        super().__init__(f"{op} came first; the first message of a connection is connect")


class AlreadyConnectedError(StreamError):
    """A second connect."""

    code = "already_connected"

    def __init__(self) -> None:
        super().__init__("this connection is connected already")


class BadVersionError(StreamError):
    """A protocol version that is not spoken here."""

    code = "bad_version"

    def __init__(self, version: int, versions: list[int]) -> None:
        super().__init__(
            f"version {version} is not spoken here; spoken are {versions}", versions=versions
        )


class UnauthorizedError(StreamError):
    """The token is not accepted, or there is none."""

    code = "unauthorized"

    def __init__(self, has_token: bool) -> None:
        super().__init__(
            "this token is not accepted here" if has_token else "this server asks for a token"
        )


class ForeignTokenError(StreamError):
    """A new token that is another user's."""

    code = "foreign_token"

    def __init__(self) -> None:
        super().__init__(
            "this token is of another user than the one that this connection began with; a new "
            "user takes a new connection"
        )


class ConnectionsLimitError(StreamError):
    """One connection too many, of a user or from an address."""

    code = "too_many_connections"
    is_retryable = True

    def __init__(self, whose: str, limit: int) -> None:
        super().__init__(f"{whose} has {limit} connections, which is the limit", limit=limit)


class CallFlightError(StreamError):
    """Too many calls without an answer."""

    code = "too_many_in_flight"
    is_retryable = True

    def __init__(self, limit: int) -> None:
        super().__init__(
            f"this connection has {limit} calls without an answer, which is the limit", limit=limit
        )


class CallTimeoutError(StreamError):
    """No result in time."""

    code = "call_timeout"
    is_retryable = True

    def __init__(self, method: str, timeout_s: float) -> None:
        super().__init__(
            f"{method} had no result within {timeout_s:g} s; whether it took effect is not known"
        )


class NotWatchingError(StreamError):
    """``unwatch`` without ``watch``."""

    code = "not_watching"

    def __init__(self, stream: str) -> None:
        super().__init__(f'this connection does not watch the members of "{stream}"')


class AlreadyConsumingError(StreamError):
    """One connection is one worker."""

    code = "already_consuming"

    def __init__(self, stream: str, consumer: str) -> None:
        super().__init__(
            f'this connection works for the consumer "{consumer}" of "{stream}" already'
        )


class NotConsumingError(StreamError):
    """This connection does not work for that consumer."""

    code = "not_consuming"

    def __init__(self, stream: str, consumer: str) -> None:
        super().__init__(
            f'this connection does not work for the consumer "{consumer}" of "{stream}"'
        )


class ConsumersLimitError(StreamError):
    """One consumer too many."""

    code = "too_many_consumers"

    def __init__(self, limit: int) -> None:
        super().__init__(
            f"this connection works for {limit} consumers, which is the limit", limit=limit
        )


class InternalError(StreamError):
    """A fault of this server, logged there."""

    code = "internal"
    is_retryable = True

    def __init__(self, connection: str) -> None:
        super().__init__(f"something failed here; the log has more, under connection {connection}")
