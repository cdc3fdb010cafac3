"""What the WebSocket engine reports.

A whole message is the plain ``str`` or ``bytes`` that it carried; everything else is one of the
frozen dataclasses here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

__all__ = ["CloseReceived", "Event", "Fragment", "Ping", "Pong"]


@dataclass(frozen=True, slots=True)
class Fragment:
    """A part of a message, reported as it arrives (only with ``streaming=True``).

    Parts follow the arrival of data, not the frames of the peer, which mean nothing
    (RFC 6455 section 5.4). Text is cut between characters. ``data`` may be empty when ``first``
    or ``final`` is set.
    """

    data: str | bytes
    first: bool
    final: bool


@dataclass(frozen=True, slots=True)
class Ping:
    """The peer sent a ping. While the connection is open its pong has been queued already."""

    payload: bytes


@dataclass(frozen=True, slots=True)
class Pong:
    """The peer sent a pong. ``latency_s`` is the round trip when it answers a ping of ours."""

    payload: bytes
    latency_s: float | None


@dataclass(frozen=True, slots=True)
class CloseReceived:
    """The peer sent a Close frame; nothing follows it. ``code`` is 1005 when it carried none."""

    code: int
    reason: str


Event: TypeAlias = str | bytes | Fragment | Ping | Pong | CloseReceived
