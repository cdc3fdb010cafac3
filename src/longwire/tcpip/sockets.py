"""What all sockets of a host have in common: how ready they are, and how they refuse."""

from __future__ import annotations

from enum import IntFlag

from longwire.base.errors import LongwireError
from longwire.tcpip.reasons import Reason

__all__ = ["AddressInUse", "Readiness", "SocketError"]


class Readiness(IntFlag):
    """What can be done with a socket now."""

    READABLE = 1
    """There is data, a connection to accept, or the end of the stream."""
    WRITABLE = 2
    """There is room to send."""
    FAILED = 4
    """There is an error to take."""
    CLOSED = 8
    """Nothing more will come or go."""


class SocketError(LongwireError):
    """A socket cannot do what it was asked. ``reason`` says why."""

    def __init__(self, reason: Reason, detail: str = "") -> None:
        super().__init__(f"{reason.value}: {detail}" if detail else reason.value)
        self.reason = reason
        self.detail = detail


class AddressInUse(SocketError):
    """The port is another socket's, or all are."""
