"""What the TCP connections of a world did over time, for plots.

A host tells of each connection that it has polled, so every change of a window, a round-trip time
or a sequence number is there with the instant at which it happened, and nothing in between is.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from longwire.tcpip.addresses import Address
from longwire.tcpip.durations import MICROSECOND
from longwire.tcpip.reasons import Note, Reason
from longwire.tcpip.tcp.congestion.base import THRESHOLD_UNSET
from longwire.tcpip.tcp.connection import TcpConnection
from longwire.tcpip.tcp.sequence import unwrap
from longwire.tcpip.tcp.state import State
from longwire.tcpip.wire.packet import Packet
from longwire.tcpip.wire.tcp import Segment

__all__ = ["Measure", "Table", "Trace", "Traces"]

ROWS_MAX = 500_000
"""Rows of all traces of a world, of at most 64 octets each; what comes later is left out."""
TRACES_MAX = 1_000
"""Connections, and measures, of a world that are traced; the later ones are not."""

_LOST = frozenset(
    (
        Reason.LINK_LOSS,
        Reason.LINK_QUEUE_FULL,
        Reason.LINK_QUEUE_DELAY,
        Reason.LINK_DOWN,
        Reason.LINK_MTU,
        Reason.LINK_CORRUPTED,
        Reason.FILTERED,
        Reason.NAT_NO_MAPPING,
        Reason.NAT_FULL,
    )
)
_Flow = tuple[Address, int, Address, int]


class Table:
    """Rows of whole numbers, one after the other in one array; the first is the time in ns."""

    __slots__ = ("_numbers", "names")

    def __init__(self, *names: str) -> None:
        self.names = ("time_ns", *names)
        self._numbers = array("q")

    def __len__(self) -> int:
        return len(self._numbers) // len(self.names)

    def append(self, *row: int) -> None:
        """Add a row, which has as many numbers as there are names."""
        self._numbers.extend(row)

    def __getitem__(self, name: str) -> array[int]:
        """Return a copy of a column. Raises KeyError for a name that is none."""
        if name not in self.names:
            raise KeyError(name)
        return self._numbers[self.names.index(name) :: len(self.names)]


@dataclass(slots=True)
class Trace:
    """One connection as one of its ends saw it. Sequence numbers count octets of text from 0."""

    host: str
    flow: _Flow
    first_sequence: int
    states: Table = field(
        default_factory=lambda: Table(
            "window", "threshold", "in_flight", "rtt_us", "acknowledged", "granted", "received"
        )
    )
    """Octets, but for the smoothed round-trip time, 0 before there is one. ``threshold`` is -1
    before a loss set it; ``granted`` is how far the peer's window lets us send."""
    segments: Table = field(default_factory=lambda: Table("start", "end", "is_again"))
    """What was sent: text only, octets ``start`` to ``end``, for the first time or again."""
    lost: Table = field(default_factory=lambda: Table("start", "end"))
    """What of it the network took away."""
    sent_end: int = 0
    """Octets that were sent at least once."""
    last: tuple[int, ...] = ()


@dataclass(slots=True)
class Measure:
    """A series of values that a program of the world has given a name."""

    times_ns: array[int] = field(default_factory=lambda: array("q"))
    values: array[float] = field(default_factory=lambda: array("d"))


class Traces:
    """The traces of all connections of a world, in the order in which they were opened."""

    def __init__(self) -> None:
        self.measures: dict[str, Measure] = {}
        self._traces: list[Trace] = []
        self._by_connection: dict[TcpConnection, Trace] = {}
        self._by_flow: dict[_Flow, Trace] = {}
        self._rows = 0
        self._is_whole = True

    def __iter__(self) -> Iterator[Trace]:
        return iter(self._traces)

    def __len__(self) -> int:
        return len(self._traces)

    @property
    def is_whole(self) -> bool:
        """Whether nothing was left out for want of room."""
        return self._is_whole

    def watcher(self, host: str) -> Callable[[TcpConnection, list[Segment], int], None]:
        """Return what the TCP of ``host`` is to tell of each connection that it has polled."""

        def watch(connection: TcpConnection, segments: list[Segment], now_ns: int) -> None:
            trace = self._by_connection.get(connection) or self._open(host, connection)
            if trace is None:
                return
            self._watch(trace, connection, segments, now_ns)
            if connection.state is State.CLOSED:
                # Its buffers are not to live as long as the world.
                del self._by_connection[connection]

        return watch

    def _open(self, host: str, connection: TcpConnection) -> Trace | None:
        if connection.state is State.CLOSED:
            return None  # its trace has ended
        if len(self._traces) >= TRACES_MAX:
            self._is_whole = False
            return None
        tcb = connection.tcb
        flow = (*tcb.local, *tcb.remote)
        trace = Trace(host, flow, tcb.iss + 1)
        self._traces.append(trace)
        self._by_connection[connection] = self._by_flow[flow] = trace
        return trace

    def _watch(
        self, trace: Trace, connection: TcpConnection, segments: list[Segment], now_ns: int
    ) -> None:
        tcb = connection.tcb
        first = trace.first_sequence
        for segment in segments:
            octets = len(segment.text)
            if not octets or not self._has_room():
                continue
            start = unwrap(segment.sequence, tcb.snd_una) - first
            trace.segments.append(now_ns, start, start + octets, start < trace.sent_end)
            trace.sent_end = max(trace.sent_end, start + octets)
        threshold = tcb.congestion.threshold
        state = (
            tcb.congestion.window,
            -1 if threshold == THRESHOLD_UNSET else threshold,
            tcb.board.pipe,
            (tcb.rtt.smoothed_ns or 0) // MICROSECOND,
            max(0, min(tcb.snd_una - first, trace.sent_end)),
            tcb.snd_una + tcb.snd_wnd - first,
            tcb.counts.octets_received,
        )
        if state != trace.last and self._has_room():
            trace.last = state
            trace.states.append(now_ns, *state)

    def observe(self, note: Note) -> None:
        """Take a note of a link: what it takes away is missing from a trace."""
        if note.reason not in _LOST or not isinstance(note.unit, Packet):
            return
        packet, segment = note.unit, note.unit.payload
        if not isinstance(segment, Segment) or not len(segment.text):
            return
        flow = (packet.source, segment.source_port, packet.destination, segment.destination_port)
        trace = self._by_flow.get(flow)
        if trace is not None and self._has_room():
            # Of what is on its way nothing lies further back than half of the number space.
            near = trace.first_sequence + trace.sent_end
            start = unwrap(segment.sequence, near) - trace.first_sequence
            trace.lost.append(note.now_ns, start, start + len(segment.text))

    def measure(self, name: str, value: float, now_ns: int) -> None:
        """Add a value to a series of the program's own."""
        series = self.measures.get(name)
        if series is None:
            if len(self.measures) >= TRACES_MAX:
                self._is_whole = False
                return
            series = self.measures[name] = Measure()
        if self._has_room():
            series.times_ns.append(now_ns)
            series.values.append(value)

    def _has_room(self) -> bool:
        if self._rows >= ROWS_MAX:
            self._is_whole = False
            return False
        self._rows += 1
        return True
