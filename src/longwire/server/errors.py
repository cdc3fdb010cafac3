"""Errors that are answers."""

from __future__ import annotations

from longwire.base.errors import LongwireError
from longwire.base.headers import Headers, HeadersLike

__all__ = ["HttpError"]


class HttpError(LongwireError):
    """Ends the handling of a request with this status; ``message`` is a sentence for the client.

    A handler may raise it. The page that is sent is HTML, JSON or text, as the client prefers.
    """

    def __init__(self, status: int, message: str, headers: HeadersLike = ()) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.headers = Headers(headers)
