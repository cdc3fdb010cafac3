"""Sinks that keep what they get and check every interval, and a store whose answers can be held."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass, field

from longwire.hub.publishing import Publish
from longwire.hub.sinks import FanOut, Gap, OneByOne
from longwire.stores.memory import MemoryStore
from longwire.streams.entry import Entry, NewEntry
from longwire.streams.position import Position, parse_position
from longwire.streams.producer import ProducerStamp
from longwire.streams.verdict import Verdict


@dataclass
class StreamRecord:
    """What a subscriber has got of one stream. ``held`` is None until it subscribes."""

    held: Position | None = None
    verdict: Verdict | None = None
    """Where it began, and why there."""
    payloads: list[bytes] = field(default_factory=list)
    events: list[object] = field(default_factory=list)
    """Payloads and gaps, in order."""
    closed_at: Position | None = None

    @property
    def gaps(self) -> list[Gap]:
        return [event for event in self.events if isinstance(event, Gap)]

    def take_entry(self, after: Position, position: Position, payload: bytes) -> None:
        assert self.closed_at is None, "an entry after the end"
        assert after == self.held, f"entry after {after}, but {self.held} is held"
        self.held = position
        self.payloads.append(payload)
        self.events.append(payload)

    def take_gap(self, gap: Gap) -> None:
        assert self.closed_at is None, "a gap after the end"
        assert gap.after == self.held, f"gap after {gap.after}, but {self.held} is held"
        self.held = gap.upto
        self.events.append(gap)

    def take_closed(self, position: Position) -> None:
        assert position == self.held
        self.closed_at = position


class Records:
    """The streams of one subscriber."""

    def __init__(self) -> None:
        self.streams: dict[str, StreamRecord] = {}
        self.held_bytes = 0
        self.calls = 0
        self.is_slow = False
        """Nothing drains by itself."""

    def of(self, stream: str = "s") -> StreamRecord:
        return self.streams.setdefault(stream, StreamRecord())

    def hold(self, count: int) -> int:
        self.calls += 1
        if self.is_slow:
            self.held_bytes += count
        return self.held_bytes


class LineEncoder:
    """One line of JSON for each message. Counts what it encodes."""

    def __init__(self) -> None:
        self.entries_encoded = 0

    def encode_entry(self, stream: str, entry: Entry) -> bytes:
        self.entries_encoded += 1
        return _line(
            "entry",
            stream,
            str(entry.previous),
            str(entry.position),
            entry.payload.decode("latin-1"),
        )

    def encode_gap(self, stream: str, gap: Gap) -> bytes:
        return _line("gap", stream, str(gap.after), str(gap.upto), gap.reason)

    def encode_closed(self, stream: str, position: Position) -> bytes:
        return _line("closed", stream, str(position))


def _line(*members: str) -> bytes:
    return json.dumps(members).encode() + b"\n"


LINES = LineEncoder()


class LineSink(Records):
    """A bytes sink: decodes what it is sent, as a client would."""

    def __init__(self, encoder: LineEncoder = LINES) -> None:
        super().__init__()
        self.encoder = encoder
        self.buffers: list[bytes] = []

    def send_bytes(self, buffer: bytes, messages: int) -> int:
        self.buffers.append(buffer)
        lines = buffer.splitlines()
        assert len(lines) == messages
        for line in lines:
            kind, stream, *members = json.loads(line)
            record = self.of(stream)
            if kind == "entry":
                after, position, payload = members
                record.take_entry(
                    parse_position(after), parse_position(position), payload.encode("latin-1")
                )
            elif kind == "gap":
                after, upto, reason = members
                record.take_gap(Gap(parse_position(after), parse_position(upto), reason))
            else:
                record.take_closed(parse_position(members[0]))
        return self.hold(len(buffer))

    @classmethod
    def fan_out(cls, sinks: Sequence[LineSink]) -> FanOut:
        return OneByOne(sinks)


class EntrySink(Records):
    """A message sink."""

    def send_entries(self, stream: str, entries: Sequence[Entry]) -> int:
        for entry in entries:
            self.of(stream).take_entry(entry.previous, entry.position, entry.payload)
        return self.hold(sum(len(entry.payload) + 100 for entry in entries))

    def send_gap(self, stream: str, gap: Gap) -> int:
        self.of(stream).take_gap(gap)
        return self.hold(100)

    def send_closed(self, stream: str, position: Position) -> int:
        self.of(stream).take_closed(position)
        return self.hold(100)


class HeldStore(MemoryStore):
    """A memory store whose answers wait at gates: what was decided becomes known later."""

    def __init__(self, **options: object) -> None:
        super().__init__(**options)  # type: ignore[arg-type]
        self.gates: dict[str, asyncio.Event] = {}
        self.failures: dict[str, list[Exception]] = {}
        self.reads = 0

    def shut(self, call: str) -> None:
        """Let answers to ``call`` wait from now on."""
        self.gates[call] = asyncio.Event()

    def open(self, call: str) -> None:
        """Let the waiting answers go."""
        self.gates.pop(call).set()

    async def _pass(self, call: str) -> None:
        if self.failures.get(call):
            raise self.failures[call].pop(0)
        gate = self.gates.get(call)
        if gate is not None:
            await gate.wait()

    async def names(self):  # type: ignore[no-untyped-def]
        await self._pass("names")
        async for name in super().names():
            yield name

    async def append_many(self, requests):  # type: ignore[no-untyped-def]
        results = await super().append_many(requests)
        await self._pass("append")
        return results

    async def seek(self, stream, start):  # type: ignore[no-untyped-def]
        verdict = await super().seek(stream, start)
        await self._pass("seek")
        return verdict

    async def read(self, stream, after, **limits):  # type: ignore[no-untyped-def]
        self.reads += 1
        page = await super().read(stream, after, **limits)
        await self._pass("read")
        return page


def publish(*payloads: bytes, stream: str = "s", stamp=None, **more) -> Publish:
    """A publish of these payloads."""
    producer = ProducerStamp(*stamp) if stamp else None
    batch = tuple(p if isinstance(p, NewEntry) else NewEntry(p) for p in payloads)
    more.setdefault("is_checked", True)
    return Publish(stream, batch, producer=producer, **more)


async def subscribe(hub, sink, start, stream: str = "s"):
    """Attach, open and begin; the record knows the position from then on."""
    attachment = hub.attach(sink)
    subscription = await attachment.open(stream, start)
    record = sink.of(stream)
    record.verdict = subscription.verdict
    record.held = subscription.verdict.resume
    subscription.begin()
    return subscription


async def settle() -> None:
    """Let everything run that is ready."""
    for _ in range(30):
        await asyncio.sleep(0)
