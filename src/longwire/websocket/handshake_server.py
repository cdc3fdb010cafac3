"""The server's side of the opening handshake (RFC 6455 section 4.2)."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from longwire.base.headers import Headers, HeadersLike
from longwire.websocket.deflate import DeflateOptions, DeflateParameters
from longwire.websocket.deflate_negotiation import accept_offer
from longwire.websocket.extensions import (
    HeaderValueError,
    format_extensions,
    has_token,
    parse_extensions,
    parse_protocols,
    parse_tokens,
)
from longwire.websocket.head import REASONS, HandshakeError, RequestHead, ResponseHead

__all__ = ["Accepted", "accept_extended_connect", "accept_request", "accept_value"]

# RFC 6455 section 1.3.
_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

_VERSION = "13"

# What a server answers itself; extra headers may not replace it.
_OWN_HEADERS = frozenset(
    {
        "upgrade",
        "connection",
        "sec-websocket-accept",
        "sec-websocket-extensions",
        "sec-websocket-protocol",
        "content-length",
        "transfer-encoding",
    }
)


@dataclass(slots=True)
class Accepted:
    """A finished handshake: the response, and what was agreed."""

    response: ResponseHead
    subprotocol: str | None
    deflate: DeflateParameters | None


def accept_value(key: str) -> str:
    """Return ``Sec-WebSocket-Accept`` for a ``Sec-WebSocket-Key`` (RFC 6455 section 4.2.2)."""
    digest = hashlib.sha1((key + _GUID).encode("latin-1"), usedforsecurity=False).digest()
    return base64.b64encode(digest).decode("ascii")


def accept_request(
    request: RequestHead,
    *,
    subprotocols: Sequence[str] = (),
    select_subprotocol: Callable[[Sequence[str]], str | None] | None = None,
    is_origin_allowed: Callable[[str | None], bool] | None = None,
    deflate: DeflateOptions | None = None,
    headers: HeadersLike = (),
) -> Accepted:
    """Check an opening request and return the 101 that accepts it.

    ``subprotocols`` are ours, best first; the best one that the client offers is chosen, and none
    if it offers none of them. ``select_subprotocol`` chooses instead, from what the client
    offers. ``is_origin_allowed`` is asked with the Origin, or ``None`` without one.
    ``headers`` are added to the response.

    Raises :exc:`HandshakeError`: 400 for a malformed request, 403 for an Origin that is not
    allowed, 405 for another method than GET, 426 if it asks for no WebSocket or for another
    version of it.
    """
    try:
        key = _check_request(request)
    except HeaderValueError as error:
        raise HandshakeError(400, str(error)) from None
    answer = Headers()
    answer.add("Upgrade", "websocket")
    answer.add("Connection", "Upgrade")
    answer.add("Sec-WebSocket-Accept", accept_value(key))
    response = ResponseHead(101, REASONS[101], answer)
    return _agree(
        request, response, subprotocols, select_subprotocol, is_origin_allowed, deflate, headers
    )


def accept_extended_connect(
    request: RequestHead,
    *,
    subprotocols: Sequence[str] = (),
    select_subprotocol: Callable[[Sequence[str]], str | None] | None = None,
    is_origin_allowed: Callable[[str | None], bool] | None = None,
    deflate: DeflateOptions | None = None,
    headers: HeadersLike = (),
) -> Accepted:
    """Check an opening request that came as an extended CONNECT; return the 200 that accepts it.

    RFC 8441 section 5: over HTTP/2 and 3 the stream itself is upgraded, so there are no Upgrade,
    Connection, Sec-WebSocket-Key and -Accept; everything else is as in :func:`accept_request`.
    """
    try:
        _check_version(request.headers)
    except HeaderValueError as error:
        raise HandshakeError(400, str(error)) from None
    response = ResponseHead(200, REASONS[200], Headers())
    return _agree(
        request, response, subprotocols, select_subprotocol, is_origin_allowed, deflate, headers
    )


def _agree(
    request: RequestHead,
    response: ResponseHead,
    subprotocols: Sequence[str],
    select_subprotocol: Callable[[Sequence[str]], str | None] | None,
    is_origin_allowed: Callable[[str | None], bool] | None,
    deflate: DeflateOptions | None,
    headers: HeadersLike,
) -> Accepted:
    """Add to the response what is agreed on: the part that all versions of HTTP share."""
    try:
        offered = _offered_subprotocols(request.headers)
        offers = parse_extensions(request.headers.get_all("Sec-WebSocket-Extensions"))
    except HeaderValueError as error:
        raise HandshakeError(400, str(error)) from None
    _check_origin(request.headers, is_origin_allowed)
    if select_subprotocol is not None:
        subprotocol = select_subprotocol(offered)
        if subprotocol is not None and subprotocol not in offered:
            raise ValueError(
                f"select_subprotocol chose {subprotocol!r}, which is not one of {list(offered)}"
            )
    else:
        subprotocol = next((ours for ours in subprotocols if ours in offered), None)
    answer = response.headers
    if subprotocol is not None:
        answer.add("Sec-WebSocket-Protocol", subprotocol)
    agreed = None if deflate is None else accept_offer(offers, deflate)
    if agreed is not None:
        answer.add("Sec-WebSocket-Extensions", format_extensions([agreed[0]]))
    for name, value in Headers(headers):
        if name.lower() in _OWN_HEADERS:
            raise ValueError(f"the header {name} belongs to the handshake and cannot be added")
        answer.add(name, value)
    return Accepted(response, subprotocol, None if agreed is None else agreed[1])


def _check_request(request: RequestHead) -> str:
    """Check everything of section 4.2.1 that is not optional; return the key."""
    # RFC 6455 section 4.2.1, item 1: a GET in HTTP/1.1 or higher.
    if request.method != "GET":
        raise HandshakeError(
            405,
            f"a WebSocket handshake is a GET request, not {request.method}",
            [("Allow", "GET")],
        )
    version = request.version.removeprefix("HTTP/")
    if version in ("0.9", "1.0"):
        raise HandshakeError(400, f"a WebSocket handshake needs HTTP/1.1, not HTTP/{version}")
    headers = request.headers
    # Item 2, and RFC 9112 section 3.2: exactly one Host.
    hosts = headers.get_all("Host")
    if len(hosts) != 1:
        raise HandshakeError(400, f"there must be one Host header, not {len(hosts)}")
    _check_upgrade(headers)
    _check_no_body(headers)
    _check_version(headers)
    # Item 5: base64 that decodes to 16 bytes.
    keys = headers.get_all("Sec-WebSocket-Key")
    if len(keys) != 1:
        raise HandshakeError(400, f"there must be one Sec-WebSocket-Key header, not {len(keys)}")
    try:
        size = len(base64.b64decode(keys[0].encode("latin-1"), validate=True))
    except (binascii.Error, UnicodeEncodeError):
        size = -1
    if size != 16:
        found = "not base64" if size < 0 else f"{size} bytes"
        raise HandshakeError(400, f"Sec-WebSocket-Key must be 16 bytes in base64; it is {found}")
    return keys[0]


def _check_upgrade(headers: Headers) -> None:
    # Items 3 and 4: "websocket" among the Upgrade tokens, "upgrade" among the Connection tokens.
    upgrades = parse_protocols(headers.get_all("Upgrade"))
    if "websocket" not in (upgrade.lower() for upgrade in upgrades):
        raise HandshakeError(
            426,
            "this is a WebSocket endpoint and the request has no 'Upgrade: websocket'; "
            "a proxy on the way must pass Upgrade and Connection on",
            [("Upgrade", "websocket"), ("Connection", "Upgrade")],
        )
    if not has_token(headers, "Connection", "upgrade"):
        raise HandshakeError(
            400,
            "the request has 'Upgrade: websocket' but not 'Connection: Upgrade'; "
            "a proxy on the way must pass both on",
        )


def _check_no_body(headers: Headers) -> None:
    # After the head the peer speaks WebSocket; a body would make two readers disagree where.
    lengths = headers.get_all("Content-Length")
    if "Transfer-Encoding" in headers or any(length.strip() != "0" for length in lengths):
        raise HandshakeError(400, "a WebSocket handshake has no body")


def _check_version(headers: Headers) -> None:
    # Item 6; RFC 6455 section 4.4: another version is answered with those we speak.
    versions = headers.get_all("Sec-WebSocket-Version")
    if len(versions) > 1:
        raise HandshakeError(
            400, f"there must be one Sec-WebSocket-Version header, not {len(versions)}"
        )
    if versions != [_VERSION]:
        found = f"version {versions[0]}" if versions else "no version"
        raise HandshakeError(
            426,
            f"the request names {found} of the WebSocket protocol; {_VERSION} is spoken here",
            [
                ("Sec-WebSocket-Version", _VERSION),
                ("Upgrade", "websocket"),
                ("Connection", "Upgrade"),
            ],
        )


def _check_origin(headers: Headers, is_origin_allowed: Callable[[str | None], bool] | None) -> None:
    # RFC 6455 section 10.2 and item 7 of section 4.2.1.
    origins = headers.get_all("Origin")
    if len(origins) > 1:
        raise HandshakeError(400, "there must be one Origin header at most")
    origin = origins[0] if origins else None
    if is_origin_allowed is not None and not is_origin_allowed(origin):
        who = "without an Origin" if origin is None else f"from the origin {origin!r}"
        raise HandshakeError(403, f"connections {who} are not allowed here")


def _offered_subprotocols(headers: Headers) -> list[str]:
    offered = parse_tokens("Sec-WebSocket-Protocol", headers.get_all("Sec-WebSocket-Protocol"))
    # RFC 6455 section 4.1, item 10: the elements MUST all be unique.
    if len(set(offered)) != len(offered):
        raise HandshakeError(400, "Sec-WebSocket-Protocol names a subprotocol twice")
    return offered
