"""Errors that are answers."""

from __future__ import annotations

from longwire.base.errors import LongwireError
from longwire.base.headers import Headers, HeadersLike

__all__ = ["HttpError", "LimitHitError"]


class HttpError(LongwireError):
    """Ends the handling of a request with this status; ``message`` is a sentence for the client.

    A handler may raise it. The page that is sent is HTML, JSON or text, as the client prefers.
    """

    def __init__(self, status: int, message: str, headers: HeadersLike = ()) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.headers = Headers(headers)


class LimitHitError(HttpError):
    """A request was refused past a limit; ``limit_name`` is the setting, for the metrics."""

    def __init__(
        self, limit_name: str, status: int, message: str, headers: HeadersLike = ()
    ) -> None:
        super().__init__(status, message, headers)
        self.limit_name = limit_name
