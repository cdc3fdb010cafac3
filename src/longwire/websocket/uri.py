"""WebSocket URIs (RFC 6455 section 3)."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import quote, unquote, urljoin, urlsplit

from longwire.base.errors import LongwireError

__all__ = ["UriError", "WebSocketUri", "parse_uri"]

# http and https are taken for ws and wss, as browsers do.
_SECURE = {"ws": False, "wss": True, "http": False, "https": True}

# Visible ASCII stays as it is (percent signs too: they begin an escape); the rest is escaped.
_SAFE = "".join(chr(code) for code in range(0x21, 0x7F) if chr(code) not in '"<>\\^`{|}')

# A registered name of RFC 3986 section 3.2.2 as DNS has them, after IDNA; underscores occur.
_HOST = re.compile(r"[A-Za-z0-9_.\-]+")


class UriError(LongwireError, ValueError):
    """A URI is no WebSocket URI; says which and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WebSocketUri:
    """The parts of a WebSocket URI, ready for use.

    ``host`` has no brackets and is ASCII; ``target`` is the path and the query;
    ``authority`` is what belongs into ``Host``.
    """

    secure: bool
    host: str
    port: int
    target: str
    authority: str
    username: str | None = None
    password: str | None = None

    def __str__(self) -> str:
        return f"{'wss' if self.secure else 'ws'}://{self.authority}{self.target}"

    def resolve(self, reference: str) -> WebSocketUri:
        """Return the URI that ``reference`` (a ``Location``, say) means from here."""
        base = ("https" if self.secure else "http") + str(self)[
            len("wss" if self.secure else "ws") :
        ]
        return parse_uri(urljoin(base, reference))


def parse_uri(uri: str) -> WebSocketUri:
    """Return the parts of ``uri``; raise :exc:`UriError` if it is no WebSocket URI."""
    if not isinstance(uri, str):
        raise UriError(f"a URI is text, not {type(uri).__name__}")
    if any(character <= " " or character == "\x7f" for character in uri):
        raise UriError(f"{uri!r} has white space or control characters in it")
    try:
        parts = urlsplit(uri)
        port = parts.port
    except ValueError as error:
        raise UriError(f"{uri!r} is not a URI: {error}") from None
    secure = _SECURE.get(parts.scheme)
    if secure is None:
        raise UriError(f"{uri!r} begins with neither ws:// nor wss://")
    if not uri[len(parts.scheme) :].startswith("://"):
        raise UriError(f"{uri!r} has no // after {parts.scheme}:")
    # RFC 6455 section 3: fragment identifiers MUST NOT be used.
    if "#" in uri:
        raise UriError(f"{uri!r} has a fragment (#), which a WebSocket URI may not have")
    if not parts.hostname:
        raise UriError(f"{uri!r} names no host")
    host = _ascii_host(parts.hostname, is_literal="[" in parts.netloc, uri=uri)
    default_port = 443 if secure else 80
    if port == 0:
        raise UriError(f"{uri!r} has port 0")
    bracketed = f"[{host}]" if ":" in host else host
    target = quote(parts.path, safe=_SAFE) or "/"
    if parts.query:
        target += "?" + quote(parts.query, safe=_SAFE)
    return WebSocketUri(
        secure=secure,
        host=host,
        port=default_port if port is None else port,
        target=target,
        authority=bracketed if port in (None, default_port) else f"{bracketed}:{port}",
        username=None if parts.username is None else unquote(parts.username),
        password=None if parts.password is None else unquote(parts.password),
    )


def _ascii_host(host: str, *, is_literal: bool, uri: str) -> str:
    """Return a host as DNS and ``Host`` want it: no brackets, ASCII."""
    if is_literal:
        address, _, zone = host.partition("%")
        try:
            ipaddress.IPv6Address(address)
        except ValueError:
            raise UriError(
                f"{uri!r} has {address!r} in brackets, which is no IPv6 address"
            ) from None
        if zone:
            raise UriError(f"{uri!r} names an interface ({zone}); an address goes without")
        return address
    try:
        ascii_host = host.encode("idna").decode() if not host.isascii() else host
    except UnicodeError as error:
        raise UriError(f"{uri!r} has a host that cannot be written in ASCII: {error}") from None
    if _HOST.fullmatch(ascii_host) is None:
        raise UriError(f"{uri!r} has characters in its host that no host name has")
    return ascii_host
