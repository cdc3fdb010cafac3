"""The client's side of the opening handshake (RFC 6455 section 4.1)."""

from __future__ import annotations

import base64
from collections.abc import Sequence

from longwire.base.entropy import Entropy
from longwire.base.headers import Headers, HeadersLike
from longwire.websocket.deflate import DeflateOptions, DeflateParameters
from longwire.websocket.deflate_negotiation import EXTENSION_NAME, check_accepted, make_offers
from longwire.websocket.extensions import (
    HeaderValueError,
    format_extensions,
    has_token,
    parse_extensions,
    parse_protocols,
    parse_tokens,
)
from longwire.websocket.handshake_server import Accepted, accept_value
from longwire.websocket.head import HandshakeError, RequestHead, ResponseHead, serialize_head
from longwire.websocket.uri import parse_uri

__all__ = ["ClientHandshake"]

# What a client sends itself; extra headers may not replace it.
_OWN_HEADERS = frozenset(
    {
        "upgrade",
        "connection",
        "sec-websocket-key",
        "sec-websocket-version",
        "sec-websocket-extensions",
        "sec-websocket-protocol",
        "content-length",
        "transfer-encoding",
    }
)


class ClientHandshake:
    """Writes the opening request and checks the response.

    ``headers`` are added to the request; a ``Host``, ``Origin``, ``User-Agent`` or
    ``Authorization`` among them replaces ours. Raises
    :exc:`~longwire.websocket.uri.UriError` for a bad ``uri`` and :exc:`ValueError` for
    subprotocols or headers that cannot be sent.
    """

    def __init__(
        self,
        uri: str,
        *,
        entropy: Entropy,
        origin: str | None = None,
        subprotocols: Sequence[str] = (),
        headers: HeadersLike = (),
        deflate: DeflateOptions | None = None,
        user_agent: str | None = "longwire",
    ) -> None:
        if isinstance(subprotocols, str):
            raise TypeError("subprotocols is a sequence of names, not one name")
        # RFC 6455 section 4.1, item 10: unique, and each a token.
        if parse_tokens("subprotocols", subprotocols) != list(subprotocols) or len(
            set(subprotocols)
        ) != len(subprotocols):
            raise ValueError(f"subprotocols must be different tokens: {list(subprotocols)}")
        self.uri = parse_uri(uri)
        self._subprotocols = tuple(subprotocols)
        self._deflate = deflate
        # RFC 6455 section 4.1, item 7: 16 random bytes, new for each connection.
        self._key = base64.b64encode(entropy(16)).decode("ascii")
        self.request = RequestHead(
            "GET", self.uri.target, "1.1", self._make_headers(origin, user_agent, Headers(headers))
        )

    def _make_headers(self, origin: str | None, user_agent: str | None, extra: Headers) -> Headers:
        headers = Headers()
        headers.add("Host", self.uri.authority)
        headers.add("Upgrade", "websocket")
        headers.add("Connection", "Upgrade")
        headers.add("Sec-WebSocket-Key", self._key)
        headers.add("Sec-WebSocket-Version", "13")
        if self._deflate is not None:
            offers = make_offers(self._deflate)
            headers.add("Sec-WebSocket-Extensions", format_extensions(offers))
        if self._subprotocols:
            headers.add("Sec-WebSocket-Protocol", ", ".join(self._subprotocols))
        if origin is not None:
            headers.add("Origin", origin)
        if user_agent is not None:
            headers.add("User-Agent", user_agent)
        if self.uri.username is not None:
            credentials = f"{self.uri.username}:{self.uri.password or ''}".encode()
            headers.add("Authorization", "Basic " + base64.b64encode(credentials).decode("ascii"))
        for name in {name.lower() for name, _ in extra}:
            if name in _OWN_HEADERS:
                raise ValueError(f"the header {name} belongs to the handshake and cannot be set")
            if name in ("host", "origin", "user-agent", "authorization"):
                headers.remove(name)
        for name, value in extra:
            headers.add(name, value)
        return headers

    def request_bytes(self) -> bytes:
        """Return the request as it goes over the wire."""
        return serialize_head(self.request)

    def check_response(self, response: ResponseHead) -> Accepted:
        """Return what was agreed; raise :exc:`HandshakeError` if the server did not agree.

        The error's status is the response's, so a caller can follow a redirect or try again.
        """
        if response.status != 101:
            raise HandshakeError(
                response.status,
                f"the server answered {response.status} {response.reason}".rstrip()
                + " instead of 101 Switching Protocols",
                response.headers,
            )
        try:
            self._check_switch(response.headers)
            deflate = self._check_extensions(response.headers)
            subprotocol = self._check_subprotocol(response.headers)
        except HeaderValueError as error:
            raise HandshakeError(response.status, str(error), response.headers) from None
        return Accepted(response, subprotocol, deflate)

    def _check_switch(self, headers: Headers) -> None:
        # RFC 6455 section 4.1, client checks 2 to 4.
        upgrades = parse_protocols(headers.get_all("Upgrade"))
        if [upgrade.lower() for upgrade in upgrades] != ["websocket"]:
            found = ", ".join(upgrades) or "nothing"
            raise HeaderValueError(f"the server switched to {found}, not to websocket (Upgrade)")
        if not has_token(headers, "Connection", "upgrade"):
            raise HeaderValueError("the server's 101 has no 'Connection: Upgrade'")
        accepts = headers.get_all("Sec-WebSocket-Accept")
        if len(accepts) != 1:
            raise HeaderValueError(
                f"there must be one Sec-WebSocket-Accept header, not {len(accepts)}"
            )
        expected = accept_value(self._key)
        if accepts[0] != expected:
            raise HeaderValueError(
                f"Sec-WebSocket-Accept is {accepts[0]!r} and should be {expected!r}: "
                "the answer belongs to another request"
            )

    def _check_extensions(self, headers: Headers) -> DeflateParameters | None:
        # Client check 5: no extension that was not offered.
        deflate: DeflateParameters | None = None
        for extension in parse_extensions(headers.get_all("Sec-WebSocket-Extensions")):
            if self._deflate is None or extension.name.lower() != EXTENSION_NAME:
                raise HeaderValueError(
                    f"the server uses the extension {extension.name}, which was not offered"
                )
            # RFC 7692 section 7: a second one would want the same reserved bit.
            if deflate is not None:
                raise HeaderValueError(f"the server accepted {EXTENSION_NAME} twice")
            deflate = check_accepted(extension, self._deflate)
        return deflate

    def _check_subprotocol(self, headers: Headers) -> str | None:
        # Client check 6: none, or one of those offered.
        values = headers.get_all("Sec-WebSocket-Protocol")
        chosen = parse_tokens("Sec-WebSocket-Protocol", values)
        if not values:
            return None
        if len(chosen) != 1:
            raise HeaderValueError(
                f"the server chose {len(chosen)} subprotocols; it may choose one"
            )
        if chosen[0] not in self._subprotocols:
            raise HeaderValueError(
                f"the server chose the subprotocol {chosen[0]!r}, which was not offered"
            )
        return chosen[0]
