# cython: annotation_typing=False, auto_pickle=False
"""Pages of other origins: what they may ask for, and what they may see of the answer.

One setting, ``origins.allowed``, decides for WebSocket, for server-sent events and for everything
else. Read the CORS protocol (Fetch, section 3.2) first: a browser sends what a page asks for, and
keeps the answer from it unless the answer names the page's origin; before what no form could send
it asks with OPTIONS.

That a page cannot see the answer does not undo what the request did, and browsers add cookies to
it. So a request that may change something is refused when a browser says that it comes from a page
that is not allowed (cross-site request forgery). Programs that are no browsers say nothing of the
kind, and no cookie of somebody else's is added to what they send.
"""

from __future__ import annotations

from longwire.base.headers import Headers, HeadersLike
from longwire.identity.origins import OriginPolicy
from longwire.server.errors import HttpError
from longwire.server.exchange import Exchange, ExchangeWrapper
from longwire.server.request import Request
from longwire.server.response import Response

__all__ = ["CrossOrigin"]

PREFLIGHT_AGE_S = 600

# RFC 9110 section 9.2.1. TRACE is not spoken here.
_SAFE_METHODS = ("GET", "HEAD", "OPTIONS")

# What a page may see beyond what every page may (Fetch 3.2.3); a wildcard does not go with cookies.
_EXPOSED = (
    "ETag, Location, Producer-Epoch, Producer-Expected-Seq, Producer-Received-Seq, Producer-Seq, "
    "Retry-After, Stream-Closed, Stream-Cursor, Stream-Expires-At, Stream-Next-Offset, "
    "Stream-SSE-Data-Encoding, Stream-TTL, Stream-Up-To-Date, WWW-Authenticate, X-Request-Id"
)


class CrossOrigin:
    """Applies the allow-list of origins to HTTP requests."""

    def __init__(self, origins: OriginPolicy) -> None:
        self._origins = origins

    def may_use(self, request: Request) -> bool:
        """Whether the page that a request comes from, if it is one, is allowed."""
        return self._origins.is_allowed(
            request.headers.get("Origin"),
            scheme=request.scheme,
            host=request.authority or None,
        )

    def check(self, request: Request) -> None:
        """Raise an ``HttpError`` (403) for what a foreign page must not do."""
        if request.method in _SAFE_METHODS:
            return
        if "Origin" in request.headers:
            is_forged = not self.may_use(request)
        else:
            # Fetch Metadata: "same-site" is another origin, "none" is the user himself. Who does
            # not send it is no browser of these years.
            site = request.headers.get("Sec-Fetch-Site", "none")
            is_forged = site not in ("same-origin", "none")
        if is_forged:
            raise HttpError(
                403,
                f"Pages of other origins may not send {request.method} here; those that the "
                "setting origins.allowed names may.",
            )

    def preflight(self, request: Request, allow: str) -> Response | None:
        """Answer the question that a browser asks before a page's request; ``None``: it is none.

        ``allow`` are the methods that are answered there.
        """
        asked = request.headers.get("Access-Control-Request-Method")
        if asked is None or request.headers.get("Origin") is None:
            return None
        answer = Response(204, {"Allow": allow, "Access-Control-Allow-Methods": allow})
        # A page may send what it likes once its origin is allowed, and not before, whatever stands
        # here (``dress``); a wildcard would not stand for Authorization.
        fields = request.headers.joined("Access-Control-Request-Headers")
        if fields is not None:
            answer.headers.add("Access-Control-Allow-Headers", fields)
        answer.headers.add("Access-Control-Max-Age", str(PREFLIGHT_AGE_S))
        answer.headers.add("Vary", "Access-Control-Request-Method, Access-Control-Request-Headers")
        return answer

    def dress(self, request: Request, exchange: Exchange) -> Exchange:
        """Return the exchange, with the fields in its answer that let an allowed page see it."""
        origin = request.headers.get("Origin")
        if origin is None:
            # An answer that a cache keeps is given to pages later.
            is_for_others = self._origins.allows_others
            return _Dressed(exchange, [("Vary", "Origin")]) if is_for_others else exchange
        fields = [("Vary", "Origin")]
        if self.may_use(request):
            fields += [
                ("Access-Control-Allow-Origin", origin),
                ("Access-Control-Expose-Headers", _EXPOSED),
            ]
            if not self._origins.allows_any:
                fields.append(("Access-Control-Allow-Credentials", "true"))
        return _Dressed(exchange, fields)


class _Dressed(ExchangeWrapper):
    """An exchange whose answer has some header fields more."""

    def __init__(self, exchange: Exchange, fields: list[tuple[str, str]]) -> None:
        super().__init__(exchange)
        self._fields = fields

    async def respond(self, status: int, headers: HeadersLike = (), body: bytes = b"") -> None:
        await super().respond(status, self._with_fields(headers), body)

    def respond_at_once(self, status: int, headers: HeadersLike = (), body: bytes = b"") -> bool:
        return super().respond_at_once(status, self._with_fields(headers), body)

    def start(self, status: int, headers: HeadersLike = ()) -> None:
        super().start(status, self._with_fields(headers))

    def _with_fields(self, headers: HeadersLike) -> Headers:
        """What the handler says itself stays as it is; ``Vary`` may stand several times."""
        dressed = Headers(headers)
        for name, value in self._fields:
            if name == "Vary" or name not in dressed:
                dressed.add(name, value)
        return dressed
