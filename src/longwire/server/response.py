# cython: annotation_typing=False, auto_pickle=False
"""What a handler answers."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterable, Callable
from typing import Any, TypeAlias
from urllib.parse import quote

from longwire.base.dates import http_date
from longwire.base.headers import Headers, HeadersLike

__all__ = ["Response", "ResponseBody", "StandingResponse", "make_response"]

_TEXT = "text/plain; charset=utf-8"

_TYPES_MAX = 64
"""Content types whose fields are made once; an application has few."""

_typed_fields: dict[str, Headers] = {}

_REDIRECTS = (301, 302, 303, 307, 308)

ResponseBody: TypeAlias = bytes | AsyncIterable[bytes]
"""All of it, or pieces that are sent at the pace of the client."""


class Response:
    """A status, headers and a body.

    ``body`` is bytes, or an asynchronous iterable of bytes that is sent piece by piece, at the
    pace of the client. Content-Length and Date are added when the response is sent.
    """

    __slots__ = ("__weakref__", "body", "headers", "status")

    def __init__(
        self,
        status: int = 200,
        headers: HeadersLike = (),
        body: ResponseBody = b"",
    ) -> None:
        if not 200 <= status <= 599:
            raise ValueError(f"a response has a status from 200 to 599, not {status}")
        self.status = status
        self.headers = Headers(headers)
        self.body = body

    @classmethod
    def bytes(
        cls,
        body: ResponseBody,
        content_type: str = "application/octet-stream",
        *,
        status: int = 200,
        headers: HeadersLike = (),
    ) -> Response:
        """A body of this type. Browsers are told to believe the type."""
        if not headers:
            return cls(status, _typed(content_type), body)
        response = cls(status, headers, body)
        if "Content-Type" not in response.headers:
            response.headers.set("Content-Type", content_type)
        if "X-Content-Type-Options" not in response.headers:
            response.headers.set("X-Content-Type-Options", "nosniff")
        return response

    @classmethod
    def text(cls, text: str, *, status: int = 200, headers: HeadersLike = ()) -> Response:
        """Plain text."""
        return cls.bytes(text.encode("utf-8"), _TEXT, status=status, headers=headers)

    @classmethod
    def html(cls, text: str, *, status: int = 200, headers: HeadersLike = ()) -> Response:
        """A page. Whatever came from outside must have been escaped (``html.escape``)."""
        kind = "text/html; charset=utf-8"
        return cls.bytes(text.encode("utf-8"), kind, status=status, headers=headers)

    @classmethod
    def json(cls, value: Any, *, status: int = 200, headers: HeadersLike = ()) -> Response:
        """A value as JSON; raises TypeError or ValueError for what JSON cannot hold."""
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        # A lone surrogate cannot be UTF-8, but JSON can escape it.
        body = text.encode("utf-8") if _is_utf8(text) else json.dumps(value).encode("ascii")
        return cls.bytes(body, "application/json", status=status, headers=headers)

    @classmethod
    def redirect(cls, location: str, *, status: int = 303) -> Response:
        """Send the client elsewhere (RFC 9110 section 15.4).

        303 makes it a GET, as after a form; 307 for now and 308 for good keep method and body; 301
        and 302 are those of old, with which clients may make a POST a GET. Raises ValueError for
        any other status.
        """
        if status not in _REDIRECTS:
            raise ValueError(f"a redirect has one of the statuses {_REDIRECTS}, not {status}")
        return cls(status, {"Location": _quote_location(location)})

    @classmethod
    def created(cls, location: str, value: Any = None) -> Response:
        """201: what the request made is at ``location`` (RFC 9110 section 15.3.2).

        ``value`` is sent as JSON, if there is one.
        """
        headers = {"Location": _quote_location(location)}
        if value is None:
            return cls(201, headers)
        return cls.json(value, status=201, headers=headers)

    def cached(
        self, seconds: int, *, is_public: bool = False, is_immutable: bool = False
    ) -> Response:
        """Let caches give this response for ``seconds`` without asking, and return it.

        By default only the client's own; ``is_public``: those on the way too, to anybody. What is
        ``is_immutable`` is not even asked about on reload. ``Expires`` says it to caches of
        HTTP/1.0.
        """
        if seconds < 0:
            raise ValueError(f"a response is fresh for 0 seconds or more, not {seconds}")
        words = ["public" if is_public else "private", f"max-age={seconds}"]
        if is_immutable:
            words.append("immutable")
        self.headers.set("Cache-Control", ", ".join(words))
        self.headers.set("Expires", http_date(time.time() + seconds))
        return self

    def __repr__(self) -> str:
        size = len(self.body) if isinstance(self.body, bytes) else "streamed"
        return f"<Response {self.status} {size}>"


class StandingResponse(Response):
    """A response that who sends the same request may be given again, without the handler.

    ``holds`` is asked each time, and says whether the handler would answer just this now. It must
    not raise for anything that a client does.
    """

    __slots__ = ("holds",)

    def __init__(
        self, status: int, headers: HeadersLike, body: bytes, holds: Callable[[], bool]
    ) -> None:
        super().__init__(status, headers, body)
        self.holds = holds


def _typed(content_type: str) -> Headers:
    """The fields of a body that has a type and nothing else to say."""
    fields = _typed_fields.get(content_type)
    if fields is None:
        fields = Headers([("Content-Type", content_type), ("X-Content-Type-Options", "nosniff")])
        if len(_typed_fields) < _TYPES_MAX:
            _typed_fields[content_type] = fields
    return fields


def _quote_location(location: str) -> str:
    return quote(location, safe="%/:?#[]@!$&'()*+,;=~")


def _is_utf8(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def make_response(value: object) -> Response:
    """Turn what a handler returned into a response.

    A ``Response`` as it is; ``str`` is plain text, ``bytes`` are bytes, ``dict`` and ``list`` are
    JSON, ``None`` is 204. Raises TypeError for anything else.
    """
    if isinstance(value, Response):
        return value
    if value is None:
        return Response(204)
    if isinstance(value, str):
        return Response(200, _typed(_TEXT), value.encode("utf-8"))
    if isinstance(value, (bytes, bytearray, memoryview)):
        return Response.bytes(bytes(value))
    if isinstance(value, (dict, list)):
        return Response.json(value)
    raise TypeError(
        f"a handler returned {type(value).__name__}; it may return Response, str, bytes, dict, "
        "list or None"
    )
