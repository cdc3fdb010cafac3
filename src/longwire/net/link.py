"""The two protocols between a driver, which owns a descriptor, and what speaks on it.

A driver moves bytes; a handler hosts a protocol engine. ``asyncio_link`` is the driver over
ordinary asyncio transports; a compiled reactor and a simulated network fit behind the same two.
Everything here runs on the thread of one event loop.
"""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

if TYPE_CHECKING:
    from longwire.net.kernel import TcpInfo
    from longwire.net.loop_lag import Block

__all__ = ["Address", "Link", "LinkHandler"]

Address: TypeAlias = Any
"""``(host, port)``, ``(host, port, flow, scope)``, the path of a Unix socket, or ``None``."""


class LinkHandler(Protocol):
    """One connection's protocol, hosted on a link. No method blocks, none may raise."""

    def link_made(self, link: Link) -> None:
        """The link is up, TLS included. Called once, or after ``switch_handler``."""

    def data_received(self, data: bytes | bytearray | memoryview) -> None:
        """Everything one read brought. The buffer is valid during the call only."""

    def eof_received(self) -> None:
        """The peer sends no more. The link stays open for writing, but for TLS on a transport."""

    def link_lost(self, error: OSError | None) -> None:
        """The link is gone; called once, last. ``None``: closed in order, or aborted by us.

        The descriptor is still open during the call, so that ``tcp_info`` works.
        """

    def link_drained(self) -> None:
        """What is held fell to the low mark after a write had gone over the high one."""

    def deadline_reached(self, now: float) -> None:
        """The deadline set on the link has come; it is not set any more."""

    def shutdown(self) -> None:
        """The server is going: finish what is begun, take nothing new, close the link."""


class Link(Protocol):
    """One open connection, as a handler sees it."""

    @property
    def local_address(self) -> Address:
        """Our end."""

    @property
    def remote_address(self) -> Address:
        """The peer's end."""

    @property
    def tls(self) -> ssl.SSLObject | None:
        """The TLS state, if the link is encrypted."""

    @property
    def is_reading_paused(self) -> bool:
        """Whether ``pause_reading`` holds."""

    @property
    def held_bytes(self) -> int:
        """Bytes written that the kernel has not taken yet."""

    @property
    def is_closing(self) -> bool:
        """Whether ``close`` or ``abort`` was called, or the link was lost."""

    def now(self) -> float:
        """The monotonic clock of this link's event loop, seconds."""

    def write(self, *buffers: bytes) -> None:
        """Send ``buffers`` in order, together with all else written in this tick.

        While input of this link is handled they leave in one send at its end; from anywhere else,
        at one flush that the first writer queues on the loop. Nothing is written after ``close``.
        """

    def flush(self) -> None:
        """Hand over now what was written."""

    def expect_writes(self) -> None:
        """Queue the flush already, behind the tasks that were woken just now."""

    def set_write_limits(self, high: int, low: int) -> None:
        """Set the marks of ``held_bytes`` that ``link_drained`` refers to."""

    def write_eof(self) -> None:
        """Send no more, after what was written has left. TLS on a transport closes the link."""

    def close(self) -> None:
        """Close after what was written has left. A peer that takes nothing needs ``abort``."""

    def abort(self) -> None:
        """Close now; what was written is lost."""

    def pause_reading(self) -> None:
        """Take nothing more from the kernel; the peer's window closes."""

    def resume_reading(self) -> None:
        """Read again."""

    def set_deadline(self, when: float | None) -> None:
        """Ask for ``deadline_reached`` at ``when`` (never early), or for none. One per link."""

    def tcp_info(self) -> TcpInfo | None:
        """What the kernel knows of this TCP connection now; ``None`` where it does not say."""

    def longest_block(self, window_s: float) -> Block | None:
        """Return the longest time within ``window_s`` at which our own event loop did not run."""

    def blocked_s(self, since_s: float) -> float:
        """Return for how many seconds since ``since_s`` our own event loop did not run."""

    def switch_handler(self, handler: LinkHandler) -> None:
        """Give the link to another handler, whose ``link_made`` is called."""
