"""A process with many clients: ``python -m longwire.lab.fleet TARGET``.

It is led by lines of JSON on standard input: first its settings (:class:`FleetSettings`), then
``{"do":"go"}`` to publish, ``{"do":"stop"}`` to publish no more and ``{"do":"end"}``; the end of
the input ends it too. It answers with lines of JSON: ``{"event":"ready"}`` once every client is
subscribed, ``{"event":"status",…}`` every half second and ``{"event":"ended"}``. The Node.js fleet
speaks the same.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from longwire.lab.files import raise_open_files
from longwire.lab.journal import Happening, Journal
from longwire.lab.member import Member, MemberSettings, Message, Recorder
from longwire.net.loops import run

__all__ = ["Fleet", "FleetSettings", "Status"]

STATUS_EVERY_S = 0.5
FLUSH_EVERY_S = 0.05
_STARTS_AT_ONCE = 32
_CLOSE_TIMEOUT_S = 10.0

MakeMember = Callable[[MemberSettings, Recorder], Member]


class FleetSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The clients of one process."""

    journal: str
    members: list[MemberSettings]


class Status(msgspec.Struct, frozen=True):
    """Where a fleet is, as a line."""

    connected: int
    attempted: int
    expected: int
    stored: int
    refused: int
    received: int
    event: str = "status"


class Fleet:
    """Runs the members, publishes on time and keeps the journal."""

    def __init__(self, settings: FleetSettings, make_member: MakeMember) -> None:
        self._journal = Journal(Path(settings.journal))
        self._settings = settings.members
        self._recorders = [Recorder(self._journal, one.number) for one in settings.members]
        self._members = [
            make_member(one, recorder)
            for one, recorder in zip(settings.members, self._recorders, strict=True)
        ]
        self._expected = 0
        self._publishers: list[asyncio.Task[None]] = []
        self._publishes: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Connect all members, some at a time."""
        gate = asyncio.Semaphore(_STARTS_AT_ONCE)

        async def start(member: Member) -> None:
            async with gate:
                await member.start()

        async with asyncio.TaskGroup() as group:
            for member in self._members:
                group.create_task(start(member))

    def go(self) -> None:
        """Let the members publish, each at its own moment of the interval."""
        publishing = [
            (settings, member, recorder)
            for settings, member, recorder in zip(
                self._settings, self._members, self._recorders, strict=True
            )
            if settings.publishes is not None
        ]
        self._publishers = [
            asyncio.create_task(self._publish_on_time(*one, place / len(publishing)))
            for place, one in enumerate(publishing)
        ]

    def stop(self) -> None:
        """Let them publish no more; what is on the way goes on."""
        for task in self._publishers:
            task.cancel()

    def status(self) -> Status:
        counts = self._journal.counts
        return Status(
            connected=sum(recorder.is_connected for recorder in self._recorders),
            attempted=counts[Happening.ATTEMPTED],
            expected=self._expected,
            stored=counts[Happening.STORED],
            refused=counts[Happening.REFUSED],
            received=counts[Happening.RECEIVED],
        )

    def flush(self) -> None:
        """Hand the journal's records to the system."""
        self._journal.flush()

    async def close(self) -> None:
        """End all members, then the journal."""
        for task in (*self._publishers, *self._publishes):
            task.cancel()
        closing = [asyncio.create_task(member.close()) for member in self._members]
        if closing:
            _, late = await asyncio.wait(closing, timeout=_CLOSE_TIMEOUT_S)
            for task in late:
                task.cancel()
        self._journal.close()

    async def _publish_on_time(
        self, settings: MemberSettings, member: Member, recorder: Recorder, place: float
    ) -> None:
        due = time.monotonic() + place / settings.per_s
        sequence = 0
        while True:
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            recorder.attempted(sequence)
            self._expected += settings.readers
            # A publish may take until the link is whole again; the next one does not wait for it.
            # Tasks begin in the order in which they are made.
            task = asyncio.create_task(self._publish(member, recorder, settings.number, sequence))
            self._publishes.add(task)
            task.add_done_callback(self._publishes.discard)
            sequence += 1
            due += 1 / settings.per_s

    async def _publish(
        self, member: Member, recorder: Recorder, publisher: int, sequence: int
    ) -> None:
        try:
            if await member.publish(Message(publisher, sequence)):
                recorder.stored(sequence)
        except Exception:  # whatever a library raises when it does not take a message
            recorder.refused(sequence)


async def serve_fleet(make_member: MakeMember) -> None:
    """Do what standard input says."""
    reader = asyncio.StreamReader(limit=1 << 26)
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    fleet = Fleet(msgspec.json.decode(await reader.readline(), type=FleetSettings), make_member)
    starting = asyncio.create_task(_start_and_tell(fleet))
    starting.add_done_callback(lambda task: reader.feed_eof())  # it goes on until it fails
    flushing = asyncio.create_task(_flush(fleet))
    try:
        while (line := await reader.readline()) and (order := _order(line)) != "end":
            {"go": fleet.go, "stop": fleet.stop}[order]()
        if starting.done():
            await starting
    finally:
        starting.cancel()
        flushing.cancel()
        await fleet.close()
    _say({"event": "ended"})


def _order(line: bytes) -> str:
    order: str = msgspec.json.decode(line)["do"]
    return order


async def _start_and_tell(fleet: Fleet) -> None:
    await fleet.start()
    _say({"event": "ready"})
    while True:
        _say(fleet.status())
        await asyncio.sleep(STATUS_EVERY_S)


async def _flush(fleet: Fleet) -> None:
    while True:
        fleet.flush()
        await asyncio.sleep(FLUSH_EVERY_S)


def _say(message: object) -> None:
    with contextlib.suppress(BrokenPipeError):  # whoever led us is gone: the input ends, too
        os.write(1, msgspec.json.encode(message) + b"\n")


def main(target: str) -> None:
    """Run a fleet of the clients that ``target`` names."""
    from longwire.lab.targets.members import make_member_of

    raise_open_files()
    run(serve_fleet(make_member_of(target)))


if __name__ == "__main__":
    main(sys.argv[1])
