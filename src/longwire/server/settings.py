"""Every setting of a server: its section, type, default, range and reason.

A section is a frozen dataclass; a field's docstring says what it does, in which unit and why the
default is what it is. docs/configuration.md is made from these. Limits come from
``longwire.base.limits`` as they are.

``None`` is written ``"none"`` in a file, a variable or a flag and means "no limit" or "not set".
"""

from __future__ import annotations

from dataclasses import dataclass, field

from longwire.base.limits import (
    KIB,
    MIB,
    ConnectionLimits,
    ConsumerLimits,
    DurableLimits,
    EventsLimits,
    FormLimits,
    Http2Limits,
    HttpLimits,
    HubLimits,
    KeepaliveSettings,
    MemoryStoreLimits,
    NativeLimits,
    PresenceLimits,
    RateLimits,
    RedisStoreLimits,
    RetentionLimits,
    SqliteStoreLimits,
    StreamLimits,
    WebSocketLimits,
)
from longwire.http.coding import CODINGS
from longwire.identity.settings import IdentitySettings

__all__ = [
    "AnonymousSettings",
    "BackendSettings",
    "CachingSettings",
    "CompressionSettings",
    "ContentCodingSettings",
    "LogSettings",
    "OriginSettings",
    "ServerSettings",
    "Settings",
    "StoreSettings",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSettings:
    """Where the server listens and how it stops."""

    host: str = "127.0.0.1"
    """Address or host name to listen on. ``0.0.0.0`` is every IPv4 address, ``::`` every address.
    The default is this machine only."""

    port: int = field(default=8080, metadata={"minimum": 0, "maximum": 65535})
    """TCP port; 0 takes a free one, which the line at start names."""

    unix: str | None = None
    """Path of a Unix socket to listen on instead of host and port."""

    driver: str = field(default="auto", metadata={"choices": ("auto", "reactor", "asyncio")})
    """What moves the bytes of TCP, with and without TLS: `reactor` is longwire's own (Linux),
    `asyncio` the event loop's transports, which Unix sockets always have. `auto` is the reactor
    where there can be one."""

    reuse_port: bool = False
    """Let several processes listen on one port (SO_REUSEPORT)."""

    workers: int = field(default=1, metadata={"minimum": 1, "maximum": 1})
    """Processes that serve. More than one is not built yet."""

    hosts: tuple[str, ...] = ()
    """Names that requests may be for (``Host``, ``:authority``), such as ``example.com`` or
    ``*.example.com``, whatever the port; others are answered 421, but for ``/healthz`` and
    ``/readyz``. Without it the server answers for any name. With it no page of a name that an
    attacker has turned to this server's address (DNS rebinding) gets anything."""

    connections_max: int | None = None
    """Open connections past which new ones are closed at once. Without it the system's limit of
    open files decides."""

    tls_cert: str | None = None
    """Path of the certificate chain in PEM; with it the server speaks https and wss. Read again
    on SIGHUP."""

    tls_key: str | None = None
    """Path of the private key in PEM; needed unless the certificate's file holds it too."""

    http2: bool = True
    """Speak HTTP/2 to clients that ask for it: with TLS, and in the clear by prior knowledge."""

    tls_keylog: str | None = None
    """Path of a file that TLS secrets are appended to, for Wireshark. Whoever reads it can read
    the traffic."""

    long_poll_timeout_s: float = 25.0
    """How long a long-poll waits for something to tell, seconds; below the common 30 s and 60 s at
    which proxies give up."""

    memory_return_interval_s: float | None = 5.0
    """How often `longwire serve` looks whether more than 4 MiB of memory stand free after a rush,
    and gives them back to the system, seconds; ``none`` leaves them to the allocator (glibc), which
    keeps them for the next rush."""

    drain_delay_s: float = field(default=0.0, metadata={"minimum": 0.0})
    """From SIGTERM or SIGINT until nothing new is accepted, seconds. ``/readyz`` answers 503
    meanwhile, so that a load balancer can notice and choose another server."""

    drain_timeout_s: float = field(default=8.0, metadata={"minimum": 0.0})
    """From then until what is still open is cut, seconds. Below the ten seconds after which
    ``docker stop`` kills."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreSettings:
    """Where streams are kept."""

    url: str = "auto"
    """``memory``: gone when the process ends. ``sqlite:PATH``: in a file, on disk before they are
    acknowledged; for one server. ``redis://[USER:PASSWORD@]HOST:PORT[/DATABASE]``
    (``rediss://`` over TLS, ``redis+unix://PATH``): shared by all servers on that Redis.
    ``auto``: ``longwire serve`` keeps them in ``streams.db`` in the data folder, an application
    that is mounted keeps them in memory."""

    data_folder: str = "longwire-data"
    """Where ``auto`` keeps them, from the working directory; it is made when it is missing."""

    redis_prefix: str = "longwire:"
    """What all keys in Redis begin with. Servers that share streams share it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OriginSettings:
    """Which web pages may use this server (the Origin header of browsers)."""

    allowed: tuple[str, ...] = ("same",)
    """Origins, each ``https://example.com``, ``https://*.example.com``, ``http://localhost:*``,
    ``same`` (pages of this server), ``null`` or ``*`` (any page). A request without an Origin
    header comes from no browser and is allowed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AnonymousSettings:
    """What a client without a token may do. Nothing, unless it is said here (or with --dev)."""

    read: tuple[str, ...] = ()
    """Patterns of stream names that anyone may read: ``*`` stands for one part between slashes,
    ``**`` for one or more. Example: ``["public/**"]``."""

    publish: tuple[str, ...] = ()
    """Patterns of stream names that anyone may publish to, and so create."""

    manage: tuple[str, ...] = ()
    """Patterns of stream names that anyone may end: close, delete, create with a time to live or
    an expiry (over HTTP)."""

    presence: tuple[str, ...] = ()
    """Patterns of stream names that anyone may enter as a member, and see the members of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CompressionSettings:
    """permessage-deflate (RFC 7692) for WebSocket clients that offer it."""

    enabled: bool = True
    """Whether to accept a client's offer."""

    context_takeover: bool = False
    """Keep the compression window between messages: smaller messages, but up to 300 KiB of memory
    for every connection. Off by default, for large fleets."""

    server_max_window_bits: int = field(default=12, metadata={"minimum": 9, "maximum": 15})
    """Size of the window that the server compresses with, as a power of two."""

    client_max_window_bits: int = field(default=12, metadata={"minimum": 9, "maximum": 15})
    """Size of the window asked of clients that let it be chosen, as a power of two."""

    level: int = field(default=1, metadata={"minimum": 0, "maximum": 9})
    """zlib's level: 0 stores, 1 is fast, 9 is small."""

    memory_level: int = field(default=5, metadata={"minimum": 1, "maximum": 9})
    """zlib's memory level: memory for compressing is 2 to the power of this plus 9, bytes."""

    threshold_bytes: int = field(default=256, metadata={"minimum": 0})
    """Messages below this size are sent as they are: compressing them costs more than it saves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContentCodingSettings:
    """Compression of HTTP responses for clients that take it (Accept-Encoding)."""

    enabled: bool = True
    """Whether responses are compressed at all. Where a proxy does it, leave it to that."""

    names: tuple[str, ...] = CODINGS
    """Codings that are offered, the one liked best first; of ``br`` and ``zstd`` those whose
    package is installed (``pip install longwire[coding]``)."""

    threshold_bytes: int = field(default=1024, metadata={"minimum": 0})
    """Bodies below this size go as they are: they fit into one packet anyway."""

    cache_bytes_max: int = field(default=4 * MIB, metadata={"minimum": 0})
    """Compressed bodies, with what they were made of, that are kept for the next client, bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BackendSettings:
    """A backend of yours that longwire asks over HTTP."""

    authorize_url: str | None = None
    """Asked whether a client may do something that no rule, token or pattern allows: GET with
    ``action`` (``read``, ``publish``, ``manage``, ``presence``), ``stream`` and, unless it is
    anonymous, ``user``. 200 or 204 is yes, 401, 403, 404 or 410 no; ``Cache-Control`` says how
    long that holds. Any other answer is a 502 for the client, none in time a 504."""

    authenticate_url: str | None = None
    """Asked whose session a cookie of your site is, the one that ``identity.cookie`` names: GET
    with that cookie, for each connection and each request that carries one and no other token;
    ``Cache-Control`` says how long an answer holds.
    200 with ``{"user": "ann"}``, and ``"expires_in_s"`` if it is known, says who it is; 204 that
    it is nobody in particular; 401, 403, 404 or 410 that the cookie is not accepted. Any other
    answer is a 502 for the client, none in time a 504."""

    events_url: str | None = None
    """Told of what is appended to the streams of ``events_streams``: a POST with a ``delivery``
    (docs/protocol.md, 13) for each entry, one after the other in each stream. 2xx says that it is
    dealt with; 400, 410, 413, 415 and 422 that it is not wanted. After anything else it comes
    again, a second to a minute later, and after ``Retry-After``; what the backend has not taken
    survives a restart. An entry may come twice: its stream and position tell."""

    events_streams: tuple[str, ...] = ()
    """Patterns of the streams that ``events_url`` is told of, from their earliest entry on."""

    events_streams_max: int = field(default=1_000, metadata={"minimum": 1})
    """Streams that ``events_url`` is told of; those past it are logged as errors and left out until
    one of the others is closed, deleted or expired."""

    events_in_flight_max: int = field(default=16, metadata={"minimum": 1})
    """Entries, each of another stream, that ``events_url`` is told of at a time."""

    token: str | None = field(default=None, metadata={"is_secret": True})
    """Sent as ``Authorization: Bearer …``, so that the backend knows who asks."""

    timeout_s: float = 3.0
    """Longest wait for an answer, connection included, seconds."""

    answer_bytes_max: int = field(default=64 * KIB, metadata={"minimum": 0})
    """Body of an answer, bytes."""

    cache_bytes_max: int = field(default=4 * MIB, metadata={"minimum": 0})
    """Answers of either URL that are kept, bytes; about 1 KiB each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CachingSettings:
    """What caches are told of responses that say nothing themselves (Cache-Control)."""

    files: str = "no-cache"
    """Of longwire's own files. By default a browser keeps them but asks each time, so that a new
    release shows at once."""

    routes: str | None = "no-cache"
    """Of what routes answer to GET without ``Cache-Control`` or ``Expires``. By default nothing
    is used without asking; ``none`` leaves it to the guess of each cache."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogSettings:
    """What the server writes to standard error."""

    level: str = field(
        default="info", metadata={"choices": ("debug", "info", "warning", "error", "critical")}
    )
    """The least important lines that are written."""

    access: bool = False
    """One line for every request and connection. Never holds tokens or query values."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All sections; a field's name is the section's name in ``longwire.toml``."""

    server: ServerSettings = field(default_factory=ServerSettings)
    connections: ConnectionLimits = field(default_factory=ConnectionLimits)
    store: StoreSettings = field(default_factory=StoreSettings)
    origins: OriginSettings = field(default_factory=OriginSettings)
    anonymous: AnonymousSettings = field(default_factory=AnonymousSettings)
    identity: IdentitySettings = field(default_factory=IdentitySettings)
    backend: BackendSettings = field(default_factory=BackendSettings)
    websocket: WebSocketLimits = field(default_factory=WebSocketLimits)
    keepalive: KeepaliveSettings = field(default_factory=KeepaliveSettings)
    compression: CompressionSettings = field(default_factory=CompressionSettings)
    http: HttpLimits = field(default_factory=HttpLimits)
    http2: Http2Limits = field(default_factory=Http2Limits)
    forms: FormLimits = field(default_factory=FormLimits)
    content_coding: ContentCodingSettings = field(default_factory=ContentCodingSettings)
    caching: CachingSettings = field(default_factory=CachingSettings)
    native: NativeLimits = field(default_factory=NativeLimits)
    events: EventsLimits = field(default_factory=EventsLimits)
    durable: DurableLimits = field(default_factory=DurableLimits)
    streams: StreamLimits = field(default_factory=StreamLimits)
    retention: RetentionLimits = field(default_factory=RetentionLimits)
    memory_store: MemoryStoreLimits = field(default_factory=MemoryStoreLimits)
    sqlite_store: SqliteStoreLimits = field(default_factory=SqliteStoreLimits)
    redis_store: RedisStoreLimits = field(default_factory=RedisStoreLimits)
    rates: RateLimits = field(default_factory=RateLimits)
    presence: PresenceLimits = field(default_factory=PresenceLimits)
    consumers: ConsumerLimits = field(default_factory=ConsumerLimits)
    hub: HubLimits = field(default_factory=HubLimits)
    log: LogSettings = field(default_factory=LogSettings)
