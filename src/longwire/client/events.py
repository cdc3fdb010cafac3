"""What a client hands to its application."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any, Generic, Literal, NamedTuple, TypeAlias, TypeVar

from longwire.streams.position import Position

__all__ = [
    "Ack",
    "Data",
    "End",
    "Gap",
    "History",
    "Message",
    "Recovered",
    "Start",
    "State",
    "StateChange",
    "TransportChange",
]

Data = TypeVar("Data")

Start: TypeAlias = Literal["tail", "earliest"] | int
"""Where a subscription begins without a position: with what comes from now on, with all that is
kept, or with the last N entries."""


class Message(NamedTuple, Generic[Data]):
    """One entry of a stream."""

    stream: str
    data: Data
    """What was published: JSON, or ``bytes`` where bytes were published."""
    position: Position
    """Up to where the stream has been read once this message is dealt with: what to store with
    its effect."""
    time_ms: int
    """When it was stored, Unix time in milliseconds by the server's clock."""
    key: str = ""
    is_erased: bool = False
    """Its payload was erased; ``data`` is ``None``."""


class Ack(NamedTuple):
    """The server's word that a publish is stored."""

    stream: str
    position: Position | None
    """After the last entry of the publish; ``None`` for the repetition of one that was long ago."""
    first: Position | None
    """After its first entry."""
    is_duplicate: bool
    """It had been stored before, and was not stored again."""
    durability: str
    """What it survives: ``memory``, ``disk`` or ``replicated``."""


class Recovered(NamedTuple):
    """A subscription goes on after a reconnect; nothing is missing."""

    stream: str
    position: Position
    missed: int
    """How many messages were missed meanwhile and follow now."""


class Gap(NamedTuple):
    """Messages that will never come, as exactly as the server knows."""

    stream: str
    reason: str
    """``trimmed``, ``epoch``, ``diverged``, ``ahead``, ``skipped``: docs/protocol.md, 4.2 and 5."""
    held: Position
    """Up to where the subscription had read."""
    position: Position
    """From where it goes on."""


class End(NamedTuple):
    """The stream was closed and has been read to its end."""

    stream: str
    position: Position


class State(Enum):
    """Where a client stands."""

    CONNECTING = "connecting"
    OPEN = "open"
    WAITING = "waiting"
    """Not connected; the next attempt comes by itself."""
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class StateChange:
    """From one state to the next, and why."""

    state: State
    previous: State
    reason: str = ""
    """Why the last connection ended, as a sentence."""
    code: int = 0
    """Its close code; 0 when there was none."""
    retry_in_s: float | None = None
    """In ``WAITING``: until the next attempt."""
    failures: int = 0
    """Attempts that failed since the last connection that lived."""


@dataclass(frozen=True, slots=True)
class TransportChange:
    """Another transport carries the connection: ``websocket``, ``sse`` or ``long-poll``."""

    transport: str
    previous: str | None
    """``None``: it is the first one."""


class History(NamedTuple):
    """One page of a stream's past."""

    messages: list[Message[Any]]
    """In the order of the stream."""
    more: bool
    """Whether there are further ones in the direction asked for."""
    tail: Position
