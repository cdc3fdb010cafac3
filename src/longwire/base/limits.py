"""Every limit with its default, unit and reason. Each is a setting and has a test at its edge.

``None`` always means "no limit". The comments name a precedent where there is one, so that a
default is a choice that can be checked and not a guess.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = [
    "KIB",
    "MIB",
    "ConnectionLimits",
    "ConsumerLimits",
    "DurableLimits",
    "EventsLimits",
    "FormLimits",
    "HttpLimits",
    "HubLimits",
    "KeepaliveSettings",
    "MemoryStoreLimits",
    "NativeLimits",
    "PresenceLimits",
    "RateLimits",
    "RedisStoreLimits",
    "RetentionLimits",
    "SqliteStoreLimits",
    "StreamLimits",
    "WebSocketLimits",
]

KIB = 1024
MIB = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionLimits:
    """What a listener takes, whatever its connections speak."""

    opening_max: int | None = 4_096
    """Connections whose first request has not come whole. Past it those that have waited longest
    are closed and newcomers served: a client that means it is through in a moment. How long one
    may take is ``http.head_timeout_s``, in ``longwire.serve`` ``open_timeout``."""

    open_per_address_max: int | None = None
    """Open connections from one network address; past it new ones are closed at once. Many users
    may share one behind a gateway or a proxy."""

    in_flight_bytes_max: int | None = 1024 * MIB
    """Bytes that all peers of a process together have sent and nobody has handled: messages and
    request bodies that have not come whole or wait for their handler, counted from 32 KiB on for
    each. Past it those that hold the most are given up, WebSockets with 1013 and requests with 503,
    until an eighth is free. What each may hold for itself has limits of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WebSocketLimits:
    """What one WebSocket connection may cost."""

    message_bytes_max: int | None = 1 * MIB
    """Payload of one message after inflation, bytes. Precedent: websockets 1 MiB."""

    frame_bytes_max: int | None = None
    """Payload of one frame as it is on the wire, bytes; ``None``: the message limit holds."""

    fragments_max: int | None = 4096
    """Frames of one message. Each costs about 128 bytes of bookkeeping whatever its length."""

    control_frames_per_s_max: float | None = 100.0
    """Ping and pong frames accepted from the peer, per second on average over ten seconds
    (so 1,000 in a burst). A peer that is alive sends less than one."""

    messages_per_s_max: float | None = None
    """Messages accepted from the peer, per second on average over ten seconds; past it the
    connection is closed with 1008. By default back-pressure alone limits a peer: a connection that
    sends much has no more than its share of the server's time."""

    handshake_head_bytes_max: int = 16 * KIB
    """Request or response head of the opening handshake, bytes. Precedent: node 16 KiB."""

    handshake_headers_max: int = 128
    """Header fields in the opening handshake. Precedent: websockets 128."""

    turn_messages_max: int = 512
    """Messages of one connection that are handled before the others have their turn."""

    read_queue_messages_max: int | None = 16
    """Messages that wait for ``recv``; past it reading from the peer pauses."""

    read_queue_bytes_max: int | None = 1 * MIB
    """Payload bytes that wait for ``recv``; past it reading from the peer pauses."""

    write_buffer_bytes_max: int = 64 * KIB
    """Bytes the kernel has not taken yet past which ``send`` waits. Precedent: asyncio 64 KiB."""

    handshake_timeout_s: float | None = 10.0
    """From the connection to the end of the opening handshake, seconds."""

    close_timeout_s: float | None = 10.0
    """From our Close frame to the peer's, and from there to the end of TCP, seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeepaliveSettings:
    """When a silent peer is asked, and when it is given up."""

    ping_interval_s: float | None = 20.0
    """Silence of the peer after which a ping is sent, seconds; below the common 60 s at which
    proxies cut idle connections."""

    ping_timeout_s: float | None = 20.0
    """Silence after that ping at which the connection is given up, seconds. Any inbound byte
    counts as life."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpLimits:
    """What one HTTP/1.x connection may cost."""

    request_line_bytes_max: int = 8 * KIB
    """Method, target and version, bytes; past it 414. RFC 9112 section 3 asks for 8,000."""

    header_bytes_max: int = 32 * KIB
    """All header fields of a request, bytes; past it 431."""

    headers_max: int = 100
    """Header fields in one request; past it 431. Precedent: Apache 100."""

    body_bytes_max: int | None = 16 * MIB
    """Body of one request, bytes; past it 413."""

    chunk_extension_bytes_max: int = 4 * KIB
    """Chunk extensions of one body together, bytes; past it 400. They are read and dropped, so
    they cost time only; RFC 9112 section 7.1.1 asks for a limit."""

    requests_max: int | None = None
    """Requests that the application's routes handle at a time in one process; past it 503 with
    ``Retry-After``. Without it connections and streams are the limit."""

    ranges_max: int = 32
    """Ranges in one Range field; past it the whole is sent. Who resumes a download asks for one, a
    reader of PDF files for a few."""

    pipelined_requests_max: int = 16
    """Requests read ahead of the one being answered; past it reading pauses."""

    head_timeout_s: float | None = 10.0
    """From the first byte of a request to the end of its head, seconds; past it 408. A connection
    that sends nothing has as long for its first request; then it closes without an answer."""

    body_timeout_s: float | None = 30.0
    """Between two pieces of a request body, seconds; past it 408."""

    idle_timeout_s: float | None = 75.0
    """A kept-alive connection without a request, seconds; then it closes. Precedent: nginx 75."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Http2Limits:
    """What one HTTP/2 connection may cost, beside what :class:`HttpLimits` says of requests.

    Past a limit that is about behaviour the connection ends with ENHANCE_YOUR_CALM.
    """

    concurrent_streams_max: int = 128
    """Requests open at a time. RFC 9113 section 6.5.2 recommends no less than 100."""

    stream_window_bytes: int = 64 * KIB
    """Body bytes of one request that may come before the handler reads any."""

    connection_window_bytes: int = 1 * MIB
    """The same for all requests of a connection together."""

    held_bytes_max: int = 64 * KIB
    """Response bytes of one stream that wait for the peer's window, past which writers wait."""

    continuation_frames_max: int = 16
    """CONTINUATION frames of one header block; each has up to 16 KiB."""

    control_frames_per_s_max: float = 50.0
    """PING, SETTINGS, GOAWAY, priority, unknown and empty DATA frames a second, and DATA frames
    below 1 KiB of streams that are closed, on average over ten seconds."""

    resets_per_s_max: float = 20.0
    """Streams a second that the peer resets, or makes us reset or refuse, on average over ten
    seconds (CVE-2023-44487, CVE-2025-8671)."""

    window_updates_spare: int = 2_000
    """WINDOW_UPDATE frames beyond four for every HEADERS or DATA frame of ours."""

    stall_timeout_s: float = 60.0
    """A response that waits for the peer's window and gets on by less than 1 KiB, seconds; past it
    the stream is reset."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FormLimits:
    """What one form may bring (``Request.form``); past a limit 413. All of it is within
    ``http.body_bytes_max``."""

    parts_max: int = 1_000
    """Fields and files. Precedent: PHP 1,000."""

    part_header_bytes_max: int = 8 * KIB
    """Header fields of one part, bytes. The longest is the name of a file."""

    field_bytes_max: int = 1 * MIB
    """One field that is no file, and a whole urlencoded form, bytes: they are held in memory."""

    file_bytes_max: int | None = None
    """One file, bytes."""

    file_memory_bytes_max: int = 256 * KIB
    """Bytes of a file that are held in memory; a larger one lies in a temporary file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamLimits:
    """What one publish may bring."""

    entry_bytes_max: int = 512 * KIB
    """Payload of one entry, bytes. In base64 and with its envelope it still fits into the 1 MiB
    that WebSocket clients take by default."""

    batch_entries_max: int = 1_000
    """Entries in one publish, stored all or none."""

    json_depth_max: int = 128
    """Arrays and objects within each other in a JSON payload. Below what JSON parsers of
    subscribers take (Python's own: about 1,000)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionLimits:
    """What a stream keeps, unless the stream says otherwise. The oldest entries go first."""

    entries_max: int | None = 10_000
    """Entries kept in one stream."""

    bytes_max: int | None = 16 * MIB
    """Payload bytes kept in one stream."""

    age_max_s: float | None = 24 * 3600.0
    """Age of the oldest entry kept, seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryStoreLimits:
    """What the memory store may cost."""

    streams_max: int | None = 100_000
    """Streams. Past it no stream is created; about 2 KiB each without entries."""

    bytes_max: int | None = 256 * MIB
    """Payloads of all streams and 256 bytes for each entry, bytes. Past it the streams that were
    written to the longest time ago lose their oldest entries."""

    producers_max: int = 10_000
    """Producers remembered in one stream. Past it the one silent for longest is forgotten."""

    producers_forgotten_max: int = 100_000
    """Forgotten producers in one stream whose return is still recognised and reported."""

    producer_state_s: float = 7 * 24 * 3600.0
    """Silence after which a producer is forgotten, seconds. Precedent: Durable Streams, 7 days."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SqliteStoreLimits:
    """What the SQLite store may cost."""

    streams_max: int | None = 1_000_000
    """Streams. Past it no stream is created; about 300 bytes of the file each without entries."""

    file_bytes_max: int | None = None
    """Size of the database file, bytes. Past it appends are refused; its write-ahead log comes on
    top. By default the disk is the limit."""

    queued_bytes_max: int = 64 * MIB
    """Payloads that wait to be written, bytes; past it appends are refused."""

    readers_max: int = 4
    """Reads of the file that are on the way at a time, each with a thread of its own."""

    producers_max: int = 10_000
    """Producers remembered in one stream. Past it the one silent for longest is forgotten."""

    producers_forgotten_max: int = 100_000
    """Forgotten producers in one stream whose return is still recognised and reported."""

    producer_state_s: float = 7 * 24 * 3600.0
    """Silence after which a producer is forgotten, seconds. Precedent: Durable Streams, 7 days."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RedisStoreLimits:
    """How the Redis store waits, and what it may cost. What streams may hold in all is Redis's
    ``maxmemory``."""

    connect_timeout_s: float = 3.0
    """From the first packet to a connection that is ready for work, seconds."""

    call_timeout_s: float = 5.0
    """Until a call is answered, waiting for a connection included, seconds; past it whether it took
    effect is not known."""

    reconnect_first_s: float = 0.05
    """Longest pause before the first new attempt to connect, seconds. It doubles with each."""

    reconnect_max_s: float = 2.0
    """Longest pause between two attempts to connect, seconds."""

    canary_interval_s: float = 5.0
    """Between two probes through the live path, seconds. A deaf subscription is noticed within two
    of them. Precedent: NATS looks every 2 minutes, centrifuge after 40 s of quiet."""

    replicas_min: int | None = None
    """Replicas that must have an append before it is acknowledged, which then is ``replicated``.
    With fewer it fails after ``call_timeout_s / 2``, and whether it will last is not known."""

    queued_bytes_max: int = 64 * MIB
    """Calls that wait for Redis, bytes; past it they are refused."""

    live_bytes_max: int = 1 * MIB
    """Entries told on the live path with one append, bytes. Above, those who follow the stream read
    it from the log. Redis cuts a subscriber for whom 32 MiB wait."""

    producers_max: int = 10_000
    """Producers remembered in one stream. Past it the one silent for longest is forgotten."""

    producers_forgotten_max: int = 100_000
    """Forgotten producers in one stream whose return is still recognised and reported."""

    producer_state_s: float = 7 * 24 * 3600.0
    """Silence after which a producer is forgotten, seconds. Precedent: Durable Streams, 7 days."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimits:
    """How much may come in a second, on average over ten seconds. Past it a publish or a message is
    refused as ``rate_limited``, a request with 429, and told when to try again."""

    entries_per_user_max: float | None = None
    """Entries that one known user may publish in a second, over all his connections here."""

    entries_per_stream_max: float | None = None
    """Entries that clients may publish to one stream in a second by this server."""

    messages_per_address_max: float | None = None
    """Messages of the native protocol in a second from one network address, over all connections.
    Many users may share one behind a gateway or a proxy."""

    requests_per_address_max: float | None = None
    """The same for HTTP requests, WebSocket handshakes included."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HubLimits:
    """What subscribers may cost."""

    subscriptions_per_connection_max: int = 1_000
    """Streams that one connection may be subscribed to. Precedent: centrifuge 128; a client with
    a stream for each of its chats needs more."""

    subscriptions_max: int | None = 1_000_000
    """Subscriptions of one server process."""

    held_bytes_max: int = 64 * KIB
    """Bytes written to a subscriber's connection that the kernel has not taken. Past it the
    subscriber is a slow reader: it holds nothing more and reads the log again when it drains."""

    recent_entries_max: int = 256
    """Newest entries of a stream with subscribers that are kept encoded, so that many who return
    at once share them."""

    recent_bytes_max: int = 64 * KIB
    """Payload bytes of those entries."""

    page_entries_max: int = 256
    """Entries read at a time from the store for a reader that is behind."""

    page_bytes_max: int = 64 * KIB
    """Payload bytes read at a time for it."""

    readers_max: int = 32
    """Reads of the store for readers that are behind that are on the way at a time."""

    store_retry_s: float = 1.0
    """After a failed read of the store, until a reader tries again, seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NativeLimits:
    """What one connection of the native protocol may do."""

    connect_timeout_s: float = 15.0
    """From the handshake to the ``connect`` message, seconds. Precedent: centrifuge 15 s."""

    heartbeat_s: float = 25.0
    """Silence of the server after which it sends a heartbeat, seconds; below the common 60 s at
    which proxies cut idle connections. 0 sends none."""

    connections_per_user_max: int | None = None
    """Connections of one known user at a time, all his tabs and devices. Past it ``connect`` is
    refused and the connection closed with 4004."""

    connections_per_address_max: int | None = None
    """The same for one network address. Many users may share one behind a gateway or a proxy."""

    in_flight_max: int = 256
    """Publishes of one connection without an answer; past it the next one waits for an answer."""

    producer_in_flight_max: int = 64
    """Publishes of one producer on one stream without an answer: as many as results are kept."""

    queued_messages_max: int = 256
    """Messages of one connection that wait for the one being handled; past it reading pauses."""

    bad_messages_max: int = 10
    """Malformed messages after which the connection is closed."""

    messages_per_s_max: float | None = None
    """Messages of one connection per second on average over ten seconds. By default only
    back-pressure limits a client that is allowed to publish."""

    key_bytes_max: int = 256
    """Length of the key of an entry, bytes."""

    calls_in_flight_max: int = 64
    """Calls of one connection without an answer."""

    call_timeout_s: float = 30.0
    """Longest time for a call, seconds; clients may ask for less."""

    has_inboxes: bool = True
    """Whether each connection of a known user is subscribed to his inbox by itself."""

    token_bytes_max: int = 8 * KIB
    """Length of a token, bytes. Precedent: common limits of header fields."""

    history_entries_max: int = 1_000
    """Entries in one answer to ``history``."""

    operations_per_request_max: int = 1_000
    """Messages in the body of one request over plain HTTP."""

    http_events_lifetime_s: float = 600.0
    """After so many seconds a response of events over plain HTTP ends, and the client goes on with
    another: proxies bound how long a response may take, and load balancers balance again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PresenceLimits:
    """Who is there, and for how long it is believed."""

    grace_s: float = 15.0
    """How long a member stays whose last connection ended without a word, seconds: who is back
    within it has neither left nor joined. Precedent: Ably 15 s."""

    lease_s: float = 30.0
    """How long other servers believe what a server says about its members, seconds. Nobody is shown
    longer than this and ``grace_s`` together, and a second, after his last connection ended."""

    members_max: int = 1_000
    """Members of one stream."""

    data_bytes_max: int = 512
    """Data that a member enters with, bytes of JSON."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsumerLimits:
    """Work for consumers: positions that the server keeps."""

    consumers_per_connection_max: int = 100
    """Consumers that one connection may work for."""

    window_max: int = 1_000
    """Deliveries to one worker without an acknowledgement; workers ask for less."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EventsLimits:
    """How streams are sent as server-sent events."""

    heartbeat_s: float = 15.0
    """Silence after which a comment line is sent, seconds; WHATWG HTML recommends 15."""

    retry_ms: int = 2_000
    """How long browsers wait before they come back, milliseconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DurableLimits:
    """How streams are read and followed by the Durable Streams protocol."""

    page_entries_max: int = 1_000
    """Entries in one response; the reader asks for the rest with the next offset."""

    page_bytes_max: int = 256 * KIB
    """Payload bytes in one response, about: the entry that passes it is the last. Small enough for
    caches, and four of the largest requests of a reader in the hub."""

    page_cache_bytes_max: int = 16 * MIB
    """Responses that do not reach the tail, kept for the next who asks for the same, bytes; 0 keeps
    none."""

    page_max_age_s: int = 3_600
    """How long caches may keep a response that does not reach the tail, seconds. What lies between
    two positions never changes; but a payload that is erased lives on in caches for so long."""

    sse_lifetime_s: float | None = 60.0
    """After so many seconds a response of server-sent events ends, and the reader comes back with
    its offset, so that caches can bring readers together. Durable Streams recommends 60."""
