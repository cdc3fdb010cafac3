"""A request's field block on HTTP/2, checked (RFC 9113 sections 8.2 and 8.3, RFC 8441).

What breaks a rule of HTTP/2 makes the message malformed, and the stream is reset (section 8.1.1).
What is a well-formed message that this server refuses gets a status, as on HTTP/1.1.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from longwire.base.errors import LimitError, ProtocolError
from longwire.base.headers import Headers
from longwire.base.limits import HttpLimits
from longwire.http.field_values import is_host, is_token, tokens

__all__ = ["MalformedMessage", "RequestHead", "read_head", "read_trailers"]

# RFC 9113 section 8.2.1: lower-case tokens, narrower than that: no control, space, upper case.
_NAME = re.compile(rb"[!#$%&'*+\-.^_`|~0-9a-z]+")

# RFC 9113 section 8.2.1 forbids NUL, CR and LF; RFC 9110 section 5.5 leaves no control but tab.
_BAD_IN_VALUE = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")

# RFC 9113 section 8.2.2.
_CONNECTION_SPECIFIC = frozenset(
    {b"connection", b"proxy-connection", b"keep-alive", b"transfer-encoding", b"upgrade"}
)

# RFC 9110 section 6.5.1: fields that frame or route a message have no place after it.
_FORBIDDEN_TRAILERS = frozenset({b"content-length", b"host"})

_PSEUDO = frozenset({b":method", b":scheme", b":authority", b":path", b":protocol"})

# RFC 7541 section 4.1, RFC 9113 section 10.5.1: what a field counts besides its octets.
_FIELD_OVERHEAD_BYTES = 32

# RFC 9113 section 8.3.1: path and query. As on HTTP/1.1 the characters that browsers leave as they
# are may stand there; "#" would begin a fragment, which is no part of it.
_TARGET = re.compile(r'/[!"$-~]*')


class MalformedMessage(Exception):
    """The message broke a rule of HTTP/2: the stream ends with PROTOCOL_ERROR."""


@dataclass(frozen=True, slots=True)
class RequestHead:
    """A request's pseudo-header fields and fields, as the vocabulary of events has them."""

    method: str
    target: str
    scheme: str
    authority: str
    headers: Headers
    protocol: str | None
    content_length: int | None
    expects_continue: bool

    def lacks(self, body_bytes: int) -> bool:
        """Whether a body of so many bytes is shorter than announced (RFC 9113 section 8.1.1)."""
        return self._announced is not None and body_bytes < self._announced

    def is_exceeded_by(self, body_bytes: int) -> bool:
        """Whether a body of so many bytes is longer than announced."""
        return self._announced is not None and body_bytes > self._announced

    @property
    def _announced(self) -> int | None:
        # RFC 9110 section 9.3.6: CONNECT has no content, and what a tunnel carries is none.
        return None if self.protocol is not None else self.content_length


def read_head(
    block: Iterable[tuple[bytes, bytes]], limits: HttpLimits
) -> tuple[RequestHead, ProtocolError | None]:
    """Return the request, and the error with which this server refuses it, if it does.

    Raises :exc:`MalformedMessage`.
    """
    pseudo, fields = _split(block)
    method, scheme, path, authority, protocol = _read_pseudo(pseudo)
    headers = Headers()
    # RFC 9110 section 7.2, RFC 9113 section 8.3.1: Host is what the authority says.
    if authority:
        headers.add("host", authority)
    cookies = []
    if sum(name == b"host" for name, _ in fields) > 1:
        raise MalformedMessage("Host stands there twice")
    for raw_name, raw_value in fields:
        name, value = raw_name.decode("ascii"), raw_value.decode("latin-1")
        if name == "host":
            authority = _merge_host(authority, value, headers)
        elif name == "cookie":
            # RFC 9113 section 8.2.3: crumbs are put together before anybody sees them.
            cookies.append(value)
        else:
            headers.add(name, value)
    if cookies:
        headers.add("cookie", "; ".join(cookies))
    if not authority:
        raise MalformedMessage("the request has neither :authority nor Host")
    head = RequestHead(
        method=method,
        target=path,
        scheme=scheme,
        authority=authority,
        headers=headers,
        protocol=protocol,
        content_length=_content_length(headers),
        expects_continue="100-continue" in tokens(headers.get_all("expect")),
    )
    return head, _refusal(head, fields, limits)


def read_trailers(block: Iterable[tuple[bytes, bytes]]) -> Headers:
    """Return the trailers. Raises :exc:`MalformedMessage`."""
    pseudo, fields = _split(block)
    if pseudo:
        raise MalformedMessage("a pseudo-header field stands in the trailers")
    if any(name in _FORBIDDEN_TRAILERS for name, _ in fields):
        raise MalformedMessage("a field that frames or routes the message stands in the trailers")
    return Headers([(name.decode("ascii"), value.decode("latin-1")) for name, value in fields])


def _split(
    block: Iterable[tuple[bytes, bytes]],
) -> tuple[dict[bytes, bytes], list[tuple[bytes, bytes]]]:
    """Part pseudo-header fields from fields, having checked each."""
    pseudo: dict[bytes, bytes] = {}
    fields: list[tuple[bytes, bytes]] = []
    for name, value in block:
        if _BAD_IN_VALUE.search(value) or value != value.strip(b" \t"):
            raise MalformedMessage(
                f"the value of {name!r} holds a control character, or space at an end"
            )
        if name.startswith(b":"):
            if fields:
                raise MalformedMessage(f"{name!r} stands behind a field that is no pseudo-header")
            if name not in _PSEUDO:
                raise MalformedMessage(f"{name!r} is no pseudo-header field of a request")
            if name in pseudo:
                raise MalformedMessage(f"{name!r} stands there twice")
            pseudo[name] = value
            continue
        if _NAME.fullmatch(name) is None:
            raise MalformedMessage(f"{name!r} is not a lower-case field name")
        if name in _CONNECTION_SPECIFIC:
            raise MalformedMessage(f"{name!r} is about the connection and not for HTTP/2")
        if name == b"te" and value.lower() != b"trailers":
            raise MalformedMessage("te may say nothing but trailers")
        fields.append((name, value))
    return pseudo, fields


def _read_pseudo(pseudo: dict[bytes, bytes]) -> tuple[str, str, str, str, str | None]:
    """Return method, scheme, path, authority and protocol."""
    text = {name: value.decode("latin-1") for name, value in pseudo.items()}
    method, protocol = text.get(b":method", ""), text.get(b":protocol")
    if not is_token(method):
        raise MalformedMessage(":method is missing or no token")
    if method == "CONNECT" and protocol is None:
        # RFC 9113 section 8.5
        if b":scheme" in text or b":path" in text or not text.get(b":authority"):
            raise MalformedMessage("CONNECT has :authority and neither :scheme nor :path")
        return method, "", "", text[b":authority"], None
    if protocol is not None and method != "CONNECT":
        raise MalformedMessage(":protocol is for CONNECT only (RFC 8441 section 4)")
    if protocol is not None and not text.get(b":authority"):
        raise MalformedMessage("an extended CONNECT needs :authority")
    if b":scheme" not in text or not text.get(b":path"):
        raise MalformedMessage(":scheme or :path is missing or empty")
    path = text[b":path"]
    if path == "*":
        if method != "OPTIONS":
            raise MalformedMessage("the path * is for OPTIONS only")
    elif _TARGET.fullmatch(path) is None:
        raise MalformedMessage(":path is not an absolute path")
    return method, text[b":scheme"], path, text.get(b":authority", ""), protocol


def _merge_host(authority: str, host: str, headers: Headers) -> str:
    """Return the authority, which a Host beside it may only repeat."""
    if not authority:
        headers.add("host", host)
        return host
    if host.lower() != authority.lower():
        raise MalformedMessage(":authority and Host name different hosts")
    return authority


def _content_length(headers: Headers) -> int | None:
    values = headers.get_all("content-length")
    if not values:
        return None
    # As on HTTP/1.1, no second one, though it be the same: who hands the request on may not agree.
    (value, *others) = values
    if others or not (value.isascii() and value.isdigit()) or len(value) > 18:
        raise MalformedMessage("content-length is not one decimal number")
    return int(value)


def _refusal(
    head: RequestHead, fields: list[tuple[bytes, bytes]], limits: HttpLimits
) -> ProtocolError | None:
    size = sum(len(name) + len(value) + _FIELD_OVERHEAD_BYTES for name, value in fields)
    if size > limits.header_bytes_max:
        return LimitError(431, "header_bytes_max", size, limits.header_bytes_max)
    if len(fields) > limits.headers_max:
        return LimitError(431, "headers_max", len(fields), limits.headers_max)
    line = len(head.method) + len(head.target)
    if line > limits.request_line_bytes_max:
        return LimitError(414, "request_line_bytes_max", line, limits.request_line_bytes_max)
    if head.method == "CONNECT" and head.protocol is None:
        return ProtocolError(501, "CONNECT is not implemented: this server is no proxy")
    if head.protocol not in (None, "websocket"):
        return ProtocolError(
            501, "of the protocols that a stream may carry only websocket is spoken"
        )
    if head.scheme not in ("http", "https") or not is_host(head.authority):
        return ProtocolError(400, "the target is not an http or https URI with a host")
    expectations = tokens(head.headers.get_all("expect"))
    if expectations - {"100-continue"}:
        return ProtocolError(417, "of expectations only 100-continue is known")
    maximum = limits.body_bytes_max
    if maximum is not None and (head.content_length or 0) > maximum:
        return LimitError(413, "body_bytes_max", head.content_length or 0, maximum)
    return None
