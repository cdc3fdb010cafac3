"""Which web pages may use this server: the Origin allow-list against cross-site hijacking.

Read RFC 6454 (the web origin) and RFC 6455 section 10.2 first. A browser sends cookies along with
a WebSocket handshake from any page and lets the page read what comes; the Origin header, which a
page cannot forge, is the only thing that tells our own page from a foreign one. A program that is
no browser may leave the header out or write what it likes, so a missing header is allowed: the
check protects people with browsers, it is no authentication.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass

from longwire.base.errors import ConfigError

__all__ = ["SAME_ORIGIN", "Origin", "OriginPolicy", "parse_authority", "parse_origin"]

SAME_ORIGIN = "same"
"""The pattern that stands for "the page came from this server"."""

_DEFAULT_PORTS = {"http": 80, "https": 443}
_WEB_SCHEMES = ("http", "https")

# RFC 3986 section 3.1: scheme = ALPHA *( ALPHA / DIGIT / "+" / "-" / "." )
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*")
# RFC 3986 section 3.2.2, without percent-encoding: browsers send host names in ASCII form. The
# underscore is no letter of DNS host names but occurs in names of containers.
_HOST = re.compile(r"\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_](?:[A-Za-z0-9_.\-]*[A-Za-z0-9_.])?")
_PORT = re.compile(r"[0-9]{1,5}")

_HINT = (
    'an origin such as "https://example.com", "https://*.example.com", "http://localhost:*", '
    '"same" for pages of this server, "null", or "*" for any page'
)


@dataclass(frozen=True, slots=True)
class Origin:
    """A web origin (RFC 6454 section 4). ``port`` is ``None`` where the scheme has no default."""

    scheme: str
    host: str
    port: int | None


@dataclass(frozen=True, slots=True)
class _Pattern:
    schemes: tuple[str, ...]
    host: str
    includes_subdomains: bool
    """``host`` is a suffix that begins with a dot."""
    port: int | None
    any_port: bool

    def matches(self, origin: Origin) -> bool:
        if origin.scheme not in self.schemes:
            return False
        if not self.any_port:
            port = _DEFAULT_PORTS.get(origin.scheme) if self.port is None else self.port
            if origin.port != port:
                return False
        if self.includes_subdomains:
            return origin.host.endswith(self.host) and len(origin.host) > len(self.host)
        return origin.host == self.host


def parse_authority(text: str) -> tuple[str, int | None] | None:
    """Split ``host[:port]``; ``None`` when it is not one (RFC 3986 section 3.2).

    The host is in lower case, an IPv6 address in brackets and in its shortest form.
    """
    match = _HOST.match(text)
    if match is None:
        return None
    host, rest = match[0].lower(), text[match.end() :]
    if host.startswith("["):
        try:
            host = f"[{ipaddress.IPv6Address(host[1:-1]).compressed}]"
        except ValueError:
            return None
    if not rest:
        return host, None
    # RFC 3986 section 3.2.3: the port may be empty after its colon, meaning the default.
    if rest == ":":
        return host, None
    if rest[0] != ":" or not _PORT.fullmatch(rest[1:]) or int(rest[1:]) > 65535:
        return None
    return host, int(rest[1:])


def parse_origin(text: str) -> Origin | None:
    """Parse the value of an Origin header.

    ``None`` when it is ``null`` (RFC 6454 section 6.1: a page without an origin of its own), a
    list of origins, or nothing that a browser sends.
    """
    scheme, separator, rest = text.partition("://")
    if not separator or not _SCHEME.fullmatch(scheme):
        return None
    authority = parse_authority(rest)
    if authority is None:
        return None
    scheme = scheme.lower()
    host, port = authority
    return Origin(scheme, host, _DEFAULT_PORTS.get(scheme) if port is None else port)


class OriginPolicy:
    """An allow-list of origins.

    Patterns, any number of them:

    * ``https://example.com``, ``http://localhost:3000``: exactly this origin; a port left out is
      the scheme's default, a port of ``*`` is any.
    * ``https://*.example.com``: every subdomain at any depth, not ``example.com`` itself.
    * ``example.com``, ``*.example.com``: the same over http and https.
    * ``same``: the page came from this server, going by the request's Host header.
    * ``null``: pages without an origin of their own (sandboxed frames, ``file:`` pages).
    * ``*``: every page there is. Cookies then protect nothing.

    >>> policy = OriginPolicy(["same", "https://*.example.com"])
    >>> policy.is_allowed("https://chat.example.com", scheme="http", host="127.0.0.1:8080")
    True
    >>> policy.is_allowed("https://example.com.evil.test", scheme="http", host="127.0.0.1:8080")
    False
    >>> policy.is_allowed(None, scheme="http", host="127.0.0.1:8080")
    True
    """

    __slots__ = ("_any", "_null", "_patterns", "_same")

    def __init__(self, patterns: Iterable[str] = (SAME_ORIGIN,)) -> None:
        self._any = self._null = self._same = False
        self._patterns: list[_Pattern] = []
        for pattern in patterns:
            if pattern == "*":
                self._any = True
            elif pattern == "null":
                self._null = True
            elif pattern == SAME_ORIGIN:
                self._same = True
            else:
                self._patterns.append(_parse_pattern(pattern))

    @property
    def allows_any(self) -> bool:
        """Whether every page there is may come."""
        return self._any

    @property
    def allows_others(self) -> bool:
        """Whether pages that did not come from this server may."""
        return self._any or self._null or bool(self._patterns)

    def is_allowed(self, origin: str | None, *, scheme: str, host: str | None) -> bool:
        """Decide about a request that carries ``origin`` in its Origin header.

        ``scheme`` (``http`` or ``https``) and ``host`` (the Host header or ``:authority``) say
        how the request reached us.
        """
        if origin is None or self._any:
            return True
        if origin == "null":
            return self._null
        parsed = parse_origin(origin)
        if parsed is None:
            return False
        if self._same and _is_same(parsed, scheme, host):
            return True
        return any(pattern.matches(parsed) for pattern in self._patterns)


def _is_same(origin: Origin, scheme: str, host: str | None) -> bool:
    """RFC 6454 section 5, with one allowance.

    A proxy in front of us may have ended TLS: then the page's origin is https and the request
    reaches us as http with the same Host. The reverse, a page that came over plain http using
    our https, stays foreign: whoever sits on the wire could have written that page.
    """
    authority = None if host is None else parse_authority(host)
    if authority is None or origin.scheme not in _WEB_SCHEMES:
        return False
    if scheme == "https" and origin.scheme != "https":
        return False
    name, port = authority
    if port is None:
        port = _DEFAULT_PORTS[origin.scheme]
    return origin.host == name and origin.port == port


def _parse_pattern(text: str) -> _Pattern:
    schemes: tuple[str, ...] = _WEB_SCHEMES
    rest = text
    if "://" in text:
        scheme, _, rest = text.partition("://")
        if not _SCHEME.fullmatch(scheme):
            raise ConfigError("origins.allowed", f'"{text}" is no origin', hint=_HINT)
        schemes = (scheme.lower(),)
        if schemes[0] in ("ws", "wss"):
            hint = f"an origin is the page's: write http{schemes[0][2:]}://{rest}"
            raise ConfigError("origins.allowed", f'"{text}" is no origin', hint=hint)
    any_port = rest.endswith(":*")
    if any_port:
        rest = rest[:-2]
    includes_subdomains = rest.startswith("*.")
    if includes_subdomains:
        rest = rest[2:]
    try:
        # Browsers send the ASCII form of an international name.
        rest = rest.encode("ascii" if rest.isascii() else "idna").decode("ascii")
    except UnicodeError:
        raise ConfigError("origins.allowed", f'"{text}" is no origin', hint=_HINT) from None
    authority = parse_authority(rest)
    if authority is None or (includes_subdomains and authority[0].startswith("[")):
        hint = _HINT
        if rest.endswith("/") and parse_authority(rest.rstrip("/")):
            hint = "an origin ends after the host or port: leave the slash out"
        raise ConfigError("origins.allowed", f'"{text}" is no origin', hint=hint)
    host, port = authority
    return _Pattern(
        schemes, f".{host}" if includes_subdomains else host, includes_subdomains, port, any_port
    )
