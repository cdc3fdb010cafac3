"""What was known of a connection at the moment it ended: the answer to "why 1006?"."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Literal, TypeAlias

from longwire.net.kernel import TcpInfo
from longwire.net.link import Link
from longwire.net.loop_lag import Block
from longwire.websocket.connection import WebSocketEngine

__all__ = ["Evidence", "LinkEnd", "take_evidence"]

LOOP_BLOCK_WINDOW_S = 2.0
"""How long before the end a block of our own loop may lie and still have to do with it."""


LinkEnd: TypeAlias = Literal["open", "eof", "error", "closed_by_us", "aborted_by_us"]
"""How the transport stood: still open, ended by the peer's FIN, broken by an error, ended by us."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """A snapshot taken at the first sign of the end, before the descriptor was closed.

    Ages are seconds before the snapshot; ``None``: it never happened.
    """

    link_end: LinkEnd
    link_error: OSError | None = None
    """What the kernel or TLS said, when ``link_end`` is ``error``."""
    open_s: float = 0.0
    """How long the connection was open."""
    last_received_age_s: float | None = None
    last_sent_age_s: float | None = None
    last_ping_age_s: float | None = None
    last_pong_age_s: float | None = None
    latency_s: float | None = None
    """Round trip of the latest ping that was answered."""
    bytes_received: int = 0
    bytes_sent: int = 0
    messages_received: int = 0
    messages_sent: int = 0
    bytes_unsent: int = 0
    """Bytes we wrote that the kernel had not taken."""
    messages_unread: int = 0
    """Messages that arrived and were not received by the application. ``recv`` still gives them."""
    bytes_unread: int = 0
    messages_discarded: int = 0
    """Messages that arrived after ``close`` when the queue was full, and were thrown away."""
    reading_paused: bool = False
    """Whether reading was paused because the application received too slowly."""
    has_keepalive_expired: bool = False
    is_local_socket: bool = False
    """Whether this was a Unix socket: no network in between."""
    tcp: TcpInfo | None = None
    """What the kernel knew (Linux, TCP)."""
    loop_block: Block | None = None
    """The longest time just before at which our own event loop did not run."""
    loop_block_age_s: float | None = None

    def describe(self) -> str:
        """Return the snapshot for people, one fact a line."""
        lines = [f"open for {self.open_s:.3f} s; transport: {self.link_end.replace('_', ' ')}"]
        if self.link_error is not None:
            lines.append(f"transport error: {self.link_error!r}")
        ages = (
            ("received", self.last_received_age_s),
            ("sent", self.last_sent_age_s),
            ("ping sent", self.last_ping_age_s),
            ("pong received", self.last_pong_age_s),
        )
        lines.append(
            "last: "
            + ", ".join(
                f"{name} {'never' if age is None else f'{age:.3f} s ago'}" for name, age in ages
            )
        )
        lines.append(
            f"received {self.messages_received} messages, {self.bytes_received} bytes"
            f" ({self.messages_unread} messages, {self.bytes_unread} bytes unread);"
            f" sent {self.messages_sent} messages, {self.bytes_sent} bytes"
            f" ({self.bytes_unsent} bytes unsent)"
        )
        if self.reading_paused:
            lines.append("reading was paused: the application received too slowly")
        if self.latency_s is not None:
            lines.append(f"latest round trip: {self.latency_s * 1000:.1f} ms")
        if self.tcp is not None:
            lines.append(f"kernel: {self.tcp}")
        if self.loop_block is not None:
            lines.append(
                f"our event loop did not run for {self.loop_block.duration_s:.3f} s,"
                f" until {self.loop_block_age_s or 0:.3f} s before"
            )
        return "\n".join(lines)

    def as_dict(self) -> dict[str, Any]:
        """Return the snapshot as plain values, for logs."""
        plain: dict[str, Any] = {}
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, TcpInfo):
                value = {part.name: getattr(value, part.name) for part in fields(value)}
            elif isinstance(value, Block):
                value = value.duration_s
            elif isinstance(value, OSError):
                value = repr(value)
            plain[field.name] = value
        return plain


def take_evidence(
    engine: WebSocketEngine,
    link: Link,
    *,
    link_end: LinkEnd,
    link_error: OSError | None,
    opened_s: float,
    unread: tuple[int, int],
    messages_discarded: int,
    reading_paused: bool,
) -> Evidence:
    """Ask everyone who knows something about the connection, now."""
    now = link.now()

    def age(moment: float | None) -> float | None:
        return None if moment is None else max(0.0, now - moment)

    block = link.longest_block(LOOP_BLOCK_WINDOW_S)
    return Evidence(
        link_end=link_end,
        link_error=link_error,
        open_s=now - opened_s,
        last_received_age_s=age(engine.last_received_s),
        last_sent_age_s=age(engine.last_sent_s),
        last_ping_age_s=age(engine.last_ping_sent_s),
        last_pong_age_s=age(engine.last_pong_s),
        latency_s=engine.latency_s,
        bytes_received=engine.bytes_received,
        bytes_sent=engine.bytes_sent,
        messages_received=engine.messages_received,
        messages_sent=engine.messages_sent,
        bytes_unsent=link.held_bytes,
        messages_unread=unread[0],
        bytes_unread=unread[1],
        messages_discarded=messages_discarded,
        reading_paused=reading_paused,
        has_keepalive_expired=engine.keepalive_expired,
        is_local_socket=isinstance(link.local_address, (str, bytes)),
        tcp=link.tcp_info(),
        loop_block=block,
        loop_block_age_s=None if block is None else now - block.ended_s,
    )
