"""Every limit with its default, unit and reason. Each is a setting and has a test at its edge.

``None`` always means "no limit". The comments name a precedent where there is one, so that a
default is a choice that can be checked and not a guess.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["KIB", "MIB", "HttpLimits", "KeepaliveSettings", "WebSocketLimits"]

KIB = 1024
MIB = 1024 * 1024


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

    handshake_head_bytes_max: int = 16 * KIB
    """Request or response head of the opening handshake, bytes. Precedent: node 16 KiB."""

    handshake_headers_max: int = 128
    """Header fields in the opening handshake. Precedent: websockets 128."""

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
    """Method, target and version, bytes; past it 414. RFC 9112 section 3 asks for 8,000 at least."""

    header_bytes_max: int = 32 * KIB
    """All header fields of a request, bytes; past it 431."""

    headers_max: int = 100
    """Header fields in one request; past it 431. Precedent: Apache 100."""

    body_bytes_max: int | None = 16 * MIB
    """Body of one request, bytes; past it 413."""

    chunk_extension_bytes_max: int = 4 * KIB
    """Chunk extensions of one body together, bytes; past it 400. They are read and dropped, so
    they cost time only; RFC 9112 section 7.1.1 asks for a limit."""

    pipelined_requests_max: int = 16
    """Requests read ahead of the one being answered; past it reading pauses."""

    head_timeout_s: float | None = 10.0
    """From the first byte of a request to the end of its head, seconds; past it 408."""

    body_timeout_s: float | None = 30.0
    """Between two pieces of a request body, seconds; past it 408."""

    idle_timeout_s: float | None = 75.0
    """A kept-alive connection without a request, seconds; then it is closed. Precedent: nginx 75."""
