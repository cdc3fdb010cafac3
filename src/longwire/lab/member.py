"""What a fleet is made of: one client of some library, seen through what all of them can do."""

from __future__ import annotations

from typing import Protocol

import msgspec

from longwire.lab.journal import Happening, Journal

__all__ = ["Member", "MemberSettings", "Message", "Recorder"]


class MemberSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One client: where it connects to, what it reads, and what it publishes how often."""

    number: int
    url: str  # http://ADDRESS:PORT, with the path where the target has one
    reads: list[str] = []
    publishes: str | None = None
    per_s: float = 1.0
    readers: int = 1  # how many read what it publishes
    transport: str | None = None  # the only one, where the library has several


class Message(msgspec.Struct, frozen=True):
    """What is published: who published it, and its number."""

    publisher: int
    sequence: int


class Recorder:
    """A journal in the name of one member."""

    def __init__(self, journal: Journal, member: int) -> None:
        self._journal = journal
        self._member = member
        self.is_connected = False

    def attempted(self, sequence: int) -> None:
        self._journal.write(Happening.ATTEMPTED, self._member, self._member, sequence)

    def stored(self, sequence: int) -> None:
        self._journal.write(Happening.STORED, self._member, self._member, sequence)

    def refused(self, sequence: int) -> None:
        self._journal.write(Happening.REFUSED, self._member, self._member, sequence)

    def received(self, message: Message) -> None:
        self._journal.write(Happening.RECEIVED, self._member, message.publisher, message.sequence)

    def gap(self) -> None:
        self._journal.write(Happening.GAP, self._member)

    def connected(self) -> None:
        self.is_connected = True
        self._journal.write(Happening.CONNECTED, self._member)

    def disconnected(self) -> None:
        if self.is_connected:
            self.is_connected = False
            self._journal.write(Happening.DISCONNECTED, self._member)


class Member(Protocol):
    """A client of some library. It connects again by itself, and tells its recorder of it."""

    async def start(self) -> None:
        """Connect and subscribe; return when both are done."""

    async def publish(self, message: Message) -> bool:
        """Publish to the own stream; return whether the library says that it is stored.

        False: the library took it and says nothing. Raises what the library raises when it did not
        take it.
        """

    async def close(self) -> None:
        """End, without waiting for what cannot be sent."""
