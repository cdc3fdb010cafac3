"""What the head of an HTTP/1.x request says: target, framing, persistence, expectations.

The head has passed ``h1_scan``; llhttp (httptools) splits it into its parts; what the parts mean
together is decided here (RFC 9112 sections 3, 6 and 9, RFC 9110 sections 7 and 10).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import httptools

from longwire.base.errors import LimitError, ProtocolError
from longwire.base.headers import Headers
from longwire.base.limits import HttpLimits
from longwire.http.field_values import is_host, tokens
from longwire.http.h1_framing import Fields, body_length

__all__ = ["RequestHead", "parse_head"]

_ABSOLUTE_FORM = re.compile(r"(?P<scheme>[^:/?]+)://(?P<authority>[^/?]*)(?P<path>.*)")


@dataclass(frozen=True, slots=True)
class RequestHead:
    """A request head whose parts agree with each other."""

    method: str
    target: str
    version: str
    headers: Headers
    scheme: str | None
    """Of an absolute target, ``http`` or ``https``; ``None``: of the connection."""
    authority: str
    content_length: int
    """Bytes of the body, or ``h1_framing.CHUNKED``."""
    keep_alive: bool
    expects_continue: bool
    protocol: str | None


# The fields that are read here, all their lines collected in one pass.
_READ_HERE = frozenset(
    {"connection", "content-length", "expect", "host", "transfer-encoding", "upgrade"}
)


class _Collector:
    """The callbacks of httptools; it may cut the target into pieces, headers come whole."""

    __slots__ = ("fields", "read_here", "target")

    def __init__(self) -> None:
        self.target = b""
        self.fields: list[tuple[str, str]] = []
        self.read_here: dict[str, list[str]] = {}

    def on_url(self, piece: bytes) -> None:
        self.target += piece

    def on_header(self, raw_name: bytes, raw_value: bytes) -> None:
        # llhttp leaves the white space after a value where it is.
        name, value = raw_name.decode("ascii"), raw_value.decode("latin-1").strip(" \t")
        self.fields.append((name, value))
        lower = name.lower()
        if lower in _READ_HERE:
            self.read_here.setdefault(lower, []).append(value)


def parse_head(head: bytes, limits: HttpLimits) -> RequestHead:
    """Read a complete head that ``HeadScanner`` has let pass.

    Raises ProtocolError with 400, 413, 417 or 501: what a server must refuse before the body.
    """
    # RFC 9110 section 2.5: a higher minor version is processed as the highest we know.
    minor = head.index(b"\r\n") - 1
    version = "1.0" if head[minor] == 0x30 else "1.1"
    if head[minor] not in b"01":
        head = head[:minor] + b"1" + head[minor + 1 :]
    method, parts = _tokenise(head)
    fields = parts.read_here
    if method == "CONNECT":
        # RFC 9110 section 9.3.6: CONNECT is for proxies; 501 for a method that is not implemented.
        raise ProtocolError(501, "CONNECT is not implemented: this server is no proxy")
    content_length = body_length(fields, version)
    host = _host(fields, version)
    target, scheme, authority = _target_uri(method, parts.target.decode("ascii"), host)
    headers = Headers(parts.fields)
    if authority != host:
        # RFC 9112 section 3.2.2: with an absolute target the received Host is ignored, and
        # replaced, so that nobody behind this line is told two different hosts.
        headers.set("Host", authority)
    connection = tokens(fields.get("connection", ()))
    expects_continue = _expects_continue(fields, version) and content_length != 0
    maximum = limits.body_bytes_max
    if maximum is not None and content_length > maximum:
        raise LimitError(413, "body_bytes_max", content_length, maximum)
    return RequestHead(
        method=method,
        target=target,
        version=version,
        headers=headers,
        scheme=scheme,
        authority=authority,
        content_length=content_length,
        keep_alive=_is_kept_alive(version, connection),
        expects_continue=expects_continue,
        protocol=_wanted_protocol(method, version, content_length, connection, fields),
    )


def _tokenise(head: bytes) -> tuple[str, _Collector]:
    collector = _Collector()
    parser = httptools.HttpRequestParser(collector)
    try:
        parser.feed_data(head)
    except httptools.HttpParserUpgrade:
        pass  # Whether another protocol is spoken is decided by the answer, not by the parser.
    except httptools.HttpParserError as error:
        if _is_about_method(error, head, collector.target):
            # RFC 9110 section 9.1: 501 for a method that is unrecognised or not implemented.
            raise ProtocolError(501, "this method is not implemented here") from None
        raise ProtocolError(400, f"the request is malformed: {error}") from None
    return parser.get_method().decode("ascii"), collector


def _is_about_method(error: httptools.HttpParserError, head: bytes, target: bytes) -> bool:
    """Tell whether llhttp, given a well-formed request line, stumbled over its method."""
    if isinstance(error, httptools.HttpParserInvalidURLError):
        return False
    # It names methods of RTSP only once it has seen the version, and takes PRI for HTTP/2.
    return not target or str(error).startswith("Invalid method") or head.startswith(b"PRI ")


def _host(fields: Fields, version: str) -> str:
    # RFC 9112 section 3.2: 400 for HTTP/1.1 without Host, for more than one, for an invalid one.
    hosts = fields.get("host")
    if not hosts:
        if version == "1.0":
            return ""
        raise ProtocolError(400, "an HTTP/1.1 request needs a Host header")
    if len(hosts) > 1:
        raise ProtocolError(400, "Host stands there more than once")
    if not is_host(hosts[0]):
        raise ProtocolError(400, "Host is not a host name or address with an optional port")
    return hosts[0]


def _target_uri(method: str, target: str, host: str) -> tuple[str, str | None, str]:
    """Return the target in origin or asterisk form, the scheme if it has one, and the authority
    (RFC 9112 section 3.3)."""
    if target.startswith("/"):
        return target, None, host
    if target == "*":
        # RFC 9112 section 3.2.4: the asterisk form is for a server-wide OPTIONS.
        if method != "OPTIONS":
            raise ProtocolError(400, "the request target * is for OPTIONS only")
        return target, None, host
    match = _ABSOLUTE_FORM.fullmatch(target)
    scheme = "" if match is None else match["scheme"].lower()
    if match is None or scheme not in ("http", "https"):
        raise ProtocolError(400, "the request target is neither a path nor an http URI")
    # RFC 9110 section 4.2.4: userinfo in an http URI is treated as an error; is_host has no "@".
    authority, path = match["authority"], match["path"]
    if not is_host(authority):
        raise ProtocolError(400, "the request target's authority is not a host with a port")
    if not path:
        # RFC 9112 section 3.2.4: OPTIONS without a path is the server-wide one.
        path = "*" if method == "OPTIONS" else "/"
    elif path.startswith("?"):
        path = "/" + path
    return path, scheme, authority


def _is_kept_alive(version: str, connection: set[str]) -> bool:
    # RFC 9112 section 9.3
    if "close" in connection:
        return False
    return version != "1.0" or "keep-alive" in connection


def _expects_continue(fields: Fields, version: str) -> bool:
    expectations = tokens(fields.get("expect", ()))
    # RFC 9110 section 10.1.1: in an HTTP/1.0 request the expectation is ignored.
    if not expectations or version == "1.0":
        return False
    if expectations != {"100-continue"}:
        raise ProtocolError(417, "of expectations only 100-continue is known")
    return True


def _wanted_protocol(
    method: str, version: str, content_length: int, connection: set[str], fields: Fields
) -> str | None:
    # RFC 9110 section 7.8: Upgrade in an HTTP/1.0 request is ignored; other protocols, h2c among
    # them, may be ignored always. RFC 6455 section 4.1: the handshake is a GET.
    if "upgrade" not in connection or method != "GET" or version == "1.0" or content_length:
        return None
    if "websocket" in tokens(fields.get("upgrade", ())):
        return "websocket"
    return None
