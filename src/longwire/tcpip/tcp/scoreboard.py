"""What is in flight: one record for each segment sent, and what is known of each (RFC 6675 3).

A record is outstanding, or selectively acknowledged, or lost; a lost one may have been sent again.
``pipe`` counts the octets that are thought to be in the network, and is kept up to date by every
change instead of being counted anew (RFC 6675 4, SetPipe):

    outstanding 1, sacked 0, lost 0, lost and sent again 1, outstanding and sent again 2
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator

from longwire.tcpip.tcp.ranges import RangeSet

__all__ = ["Acknowledged", "Record", "Scoreboard"]

_TRIM_RECORDS = 64


class Record:
    """A segment that was sent and not cumulatively acknowledged."""

    __slots__ = (
        "end",
        "first_sent_ns",
        "is_lost",
        "is_resent",
        "is_sacked",
        "sent_ns",
        "start",
        "transmissions",
    )

    def __init__(self, start: int, end: int, now_ns: int) -> None:
        self.start = start
        self.end = end
        self.first_sent_ns = now_ns
        self.sent_ns = now_ns
        self.transmissions = 1
        self.is_sacked = False
        self.is_lost = False
        self.is_resent = False
        """Sent again since it was found lost."""

    @property
    def weight(self) -> int:
        """How often its octets count in the pipe."""
        return 0 if self.is_sacked else (not self.is_lost) + self.is_resent


class Acknowledged:
    """What a cumulative acknowledgment covered."""

    __slots__ = ("first_sent_ns", "has_resent", "octets", "records")

    def __init__(self) -> None:
        self.octets = 0
        self.records = 0
        self.first_sent_ns: int | None = None
        """When the oldest of the segments that were not sacked before was sent."""
        self.has_resent = False
        """Whether one of the segments was sent more than once, so that Karn's rule holds."""


def _start_of(record: Record) -> int:
    return record.start


class Scoreboard:
    """Records from SND.UNA to SND.NXT without a gap."""

    __slots__ = (
        "_first",
        "_lost_upto",
        "_next_hole",
        "_next_lost",
        "_records",
        "lost_octets",
        "pipe",
        "sacked",
        "waiting_octets",
    )

    def __init__(self) -> None:
        self._records: list[Record] = []
        self._first = 0
        self.pipe = 0
        """Octets thought to be in the network."""
        self.lost_octets = 0
        """Octets found lost, sent again or not."""
        self.waiting_octets = 0
        """Octets found lost that were not sent again."""
        self.sacked = RangeSet()
        """What the peer has selectively acknowledged."""
        # Below this everything that is not sacked has been marked lost.
        self._lost_upto = 0
        # Below this no lost record waits to be sent again.
        self._next_lost = 0
        # Below this every record is sacked or was sent again.
        self._next_hole = 0

    def __len__(self) -> int:
        return len(self._records) - self._first

    def __iter__(self) -> Iterator[Record]:
        for index in range(self._first, len(self._records)):
            yield self._records[index]

    @property
    def first(self) -> Record | None:
        """The oldest record."""
        return self._records[self._first] if self._first < len(self._records) else None

    @property
    def last(self) -> Record | None:
        """The newest record."""
        return self._records[-1] if self._first < len(self._records) else None

    # Sending

    def add(self, start: int, end: int, now_ns: int) -> None:
        """A new segment was sent."""
        self._records.append(Record(start, end, now_ns))
        self.pipe += end - start

    def resend(self, record: Record, now_ns: int) -> None:
        """A segment was sent again."""
        octets = record.end - record.start
        if not record.is_resent:
            record.is_resent = True
            self.pipe += octets
            if record.is_lost:
                self.waiting_octets -= octets
        record.sent_ns = now_ns
        record.transmissions += 1

    def cut(self, record: Record, at: int) -> None:
        """Make two records of one, because from now on less than all of it is sent at once."""
        self._split(self._index(record.start), at)

    # Receiving

    def acknowledge(self, upto: int) -> Acknowledged:
        """Everything below ``upto`` has arrived."""
        result = Acknowledged()
        index = self._first
        records = self._records
        while index < len(records) and records[index].start < upto:
            if records[index].end > upto:
                self._split(index, upto)
            record = records[index]
            self._leave_pipe(record)
            result.octets += record.end - record.start
            result.records += 1
            if record.transmissions > 1:
                result.has_resent = True
            if not record.is_sacked and result.first_sent_ns is None:
                result.first_sent_ns = record.sent_ns
            index += 1
        self._first = index
        if index > _TRIM_RECORDS and index * 2 > len(records):
            del records[:index]
            self._first = 0
        self.sacked.remove_below(upto)
        return result

    def sack(self, start: int, end: int) -> tuple[int, Record | None]:
        """A block was selectively acknowledged.

        Return how many octets are news, and the newest record among them.
        """
        news = 0
        newest: Record | None = None
        first = self.first
        last = self.last
        if first is None or last is None or start < first.start or end > last.end or start >= end:
            return 0, None
        for gap_start, gap_end in self.sacked.gaps(start, end):
            index = self._index(gap_start)
            if self._records[index].start < gap_start:
                self._split(index, gap_start)
                index += 1
            while index < len(self._records) and self._records[index].start < gap_end:
                if self._records[index].end > gap_end:
                    self._split(index, gap_end)
                record = self._records[index]
                news += record.end - record.start
                self._leave_pipe(record)
                record.is_sacked = True
                record.is_lost = False
                newest = record
                index += 1
        if news:
            self.sacked.add(start, end)
        return news, newest

    # Losses

    def loss_limit(self, runs_max: int, octets_max: int) -> int | None:
        """Return the number below which all that is not sacked is lost (RFC 6675 4, IsLost).

        That is where, from the top, ``runs_max`` separate runs or more than ``octets_max`` octets
        are sacked above.
        """
        octets = 0
        for runs, (start, end) in enumerate(reversed(self.sacked), 1):
            octets += end - start
            if runs >= runs_max or octets > octets_max:
                return start
        return None

    def mark_lost_below(self, limit: int) -> None:
        """Mark as lost what starts below ``limit`` and was not marked before."""
        first = self.first
        if first is None or limit <= self._lost_upto:
            return
        index = self._index(max(self._lost_upto, first.start))
        while index < len(self._records) and self._records[index].start < limit:
            self.mark_lost(self._records[index])
            index += 1
        self._lost_upto = limit

    def mark_lost(self, record: Record) -> None:
        """Mark one record as lost; once sent again for that, it stays so."""
        if record.is_sacked or record.is_lost:
            return
        octets = record.end - record.start
        self.pipe -= octets
        record.is_lost = True
        self.lost_octets += octets
        if not record.is_resent:
            self.waiting_octets += octets
            self._next_lost = min(self._next_lost, record.start)

    def mark_resent_lost(self, record: Record) -> None:
        """A record that was sent again is needed once more."""
        if record.is_resent and not record.is_sacked:
            octets = record.end - record.start
            self.pipe -= octets
            record.is_resent = False
            self._next_hole = min(self._next_hole, record.start)
            if record.is_lost:
                self.waiting_octets += octets
                self._next_lost = min(self._next_lost, record.start)
        self.mark_lost(record)

    def mark_all_lost(self, *, keep_sacked: bool) -> None:
        """The retransmission timer ran out: everything in flight is taken for lost."""
        if not keep_sacked:
            self.sacked.clear()
        self.pipe = 0
        self.lost_octets = 0
        for record in self:
            if record.is_sacked and keep_sacked:
                continue
            record.is_sacked = False
            record.is_lost = True
            record.is_resent = False
            self.lost_octets += record.end - record.start
        self.waiting_octets = self.lost_octets
        first, last = self.first, self.last
        if first is not None and last is not None:
            self._next_lost = self._next_hole = first.start
            self._lost_upto = last.end

    def next_lost(self) -> Record | None:
        """Return the first lost record that was not sent again (RFC 6675 4, NextSeg rule 1)."""
        first = self.first
        if first is None or self.waiting_octets == 0:
            return None
        for index in range(self._index(max(self._next_lost, first.start)), len(self._records)):
            record = self._records[index]
            if record.is_lost and not record.is_resent:
                self._next_lost = record.start
                return record
        raise AssertionError("lost octets wait to be sent again, but no record has them")

    def next_below_sacked(self) -> Record | None:
        """Return the first hole that was not sent again, lost or not (NextSeg rule 3)."""
        highest = self.sacked.end
        first = self.first
        if highest is None or first is None:
            return None
        for index in range(self._index(max(self._next_hole, first.start)), len(self._records)):
            record = self._records[index]
            if not record.is_sacked and not record.is_resent:
                self._next_hole = record.start
                return record if record.start < highest else None
        return None

    def last_unsacked(self) -> Record | None:
        """Return the newest record that is not sacked (NextSeg rule 4)."""
        for index in range(len(self._records) - 1, self._first - 1, -1):
            if not self._records[index].is_sacked:
                return self._records[index]
        return None

    # Inside

    def _leave_pipe(self, record: Record) -> None:
        octets = record.end - record.start
        self.pipe -= octets * record.weight
        if record.is_lost:
            self.lost_octets -= octets
            if not record.is_resent:
                self.waiting_octets -= octets

    def _index(self, sequence: int) -> int:
        """Return the index of the record that holds ``sequence``, which is in flight."""
        return bisect_right(self._records, sequence, lo=self._first, key=_start_of) - 1

    def _split(self, index: int, at: int) -> None:
        record = self._records[index]
        if not record.start < at < record.end:
            return
        rest = Record(at, record.end, record.sent_ns)
        rest.first_sent_ns = record.first_sent_ns
        rest.transmissions = record.transmissions
        rest.is_sacked = record.is_sacked
        rest.is_lost = record.is_lost
        rest.is_resent = record.is_resent
        record.end = at
        self._records.insert(index + 1, rest)
