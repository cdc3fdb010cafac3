"""The accounting of a run: what was published, who should have got it, and what came of it."""

from __future__ import annotations

import itertools
from array import array
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from longwire.lab.journal import Happening, Record, read_journal
from longwire.lab.verdict import Flow, Verdict, percentiles

__all__ = ["Ledger"]


class _Delivery:
    """What one reader got of one publisher."""

    __slots__ = ("doubled", "highest", "invented", "out_of_order", "seen")

    def __init__(self) -> None:
        self.seen: set[int] = set()
        self.highest = -1
        self.doubled = 0
        self.out_of_order = 0
        self.invented = 0

    def add(self, sequence: int) -> bool:
        """Count one receipt; return whether it is the first of this message."""
        if sequence in self.seen:
            self.doubled += 1
            return False
        self.seen.add(sequence)
        if sequence < self.highest:
            self.out_of_order += 1
        else:
            self.highest = sequence
        return True


class Ledger:
    """Takes the records of a run, in the order in which each member wrote them, and judges.

    ``readers`` says who should get what a publisher publishes, by flow: for ``{"own": {3: [3]}}``
    member 3 should get what it publishes itself. Every attempt counts, also one that was refused:
    to the person who pressed the button that message is lost.
    """

    def __init__(self, readers: Mapping[str, Mapping[int, Sequence[int]]]) -> None:
        self._readers = readers
        self._attempts: dict[int, dict[int, float]] = defaultdict(dict)
        self._stored: dict[int, set[int]] = defaultdict(set)
        self._deliveries: dict[tuple[int, int], _Delivery] = defaultdict(_Delivery)
        self._receipts: dict[int, tuple[array[int], array[float]]] = {}
        self._connections: dict[int, int] = defaultdict(int)
        self._read_back: dict[int, list[int]] = defaultdict(list)
        self._refused = 0
        self._gaps = 0

    @classmethod
    def of_journals(
        cls, readers: Mapping[str, Mapping[int, Sequence[int]]], paths: Iterable[Path]
    ) -> Ledger:
        """Return the ledger of all these journals."""
        ledger = cls(readers)
        for record in itertools.chain.from_iterable(map(read_journal, paths)):
            ledger.add(record)
        return ledger

    def add(self, record: Record) -> None:
        """Take one record."""
        kind, member, publisher, sequence, time_s = record
        if kind == Happening.RECEIVED:
            if self._deliveries[member, publisher].add(sequence):
                sequences, times = self._receipts_of(publisher)
                sequences.append(sequence)
                times.append(time_s)
        elif kind == Happening.ATTEMPTED:
            self._attempts[publisher][sequence] = time_s
        elif kind == Happening.STORED:
            self._stored[publisher].add(sequence)
        elif kind == Happening.READ_BACK:
            self._read_back[publisher].append(sequence)
        elif kind == Happening.CONNECTED:
            self._connections[member] += 1
        elif kind == Happening.REFUSED:
            self._refused += 1
        elif kind == Happening.GAP:
            self._gaps += 1

    def judge(self, *, healed_at_s: float = 0.0, was_read_back: bool = False) -> Verdict:
        """Return the verdict.

        A reader that got nothing of what was attempted after ``healed_at_s``, though there was
        something, has never returned. ``was_read_back``: the streams were read when all was over,
        so what was acknowledged must have been found, once and in order.
        """
        return Verdict(
            flows={name: self._flow(name) for name in self._readers},
            acknowledged=sum(map(len, self._stored.values())),
            refused=self._refused,
            acknowledged_lost=self._acknowledged_lost(),
            never_returned=self._never_returned(healed_at_s),
            invented=self._invented(),
            gaps_told=self._gaps,
            reconnects=sum(count - 1 for count in self._connections.values()),
            stored_twice=self._stored_twice() if was_read_back else None,
            stored_out_of_order=self._stored_out_of_order() if was_read_back else None,
            missing_in_store=self._missing_in_store() if was_read_back else None,
        )

    def _receipts_of(self, publisher: int) -> tuple[array[int], array[float]]:
        if publisher not in self._receipts:
            self._receipts[publisher] = array("L"), array("d")
        return self._receipts[publisher]

    def _flow(self, name: str) -> Flow:
        attempted = expected = delivered = doubled = out_of_order = 0
        latencies = array("d")
        for publisher, readers in self._readers[name].items():
            attempts = self._attempts[publisher]
            attempted += len(attempts)
            expected += len(attempts) * len(readers)
            for reader in readers:
                delivery = self._deliveries[reader, publisher]
                delivered += len(attempts.keys() & delivery.seen)
                doubled += delivery.doubled
                out_of_order += delivery.out_of_order
            sequences, times = self._receipts_of(publisher)
            latencies.extend(
                time_s - attempts[sequence]
                for sequence, time_s in zip(sequences, times, strict=True)
                if sequence in attempts
            )
        return Flow(
            attempted=attempted,
            expected=expected,
            delivered=delivered,
            doubled=doubled,
            out_of_order=out_of_order,
            latency_s=percentiles(latencies),
        )

    def _pairs(self) -> Iterable[tuple[int, int]]:
        """Every (reader, publisher) of every flow."""
        for flow in self._readers.values():
            for publisher, readers in flow.items():
                for reader in readers:
                    yield reader, publisher

    def _acknowledged_lost(self) -> int:
        return sum(
            len(self._stored[publisher] - self._deliveries[reader, publisher].seen)
            for reader, publisher in self._pairs()
        )

    def _never_returned(self, healed_at_s: float) -> int:
        late = {
            publisher: {number for number, at_s in attempts.items() if at_s > healed_at_s}
            for publisher, attempts in self._attempts.items()
        }
        has_returned: dict[int, bool] = {}
        for reader, publisher in self._pairs():
            due = late.get(publisher)
            if due:
                came = not due.isdisjoint(self._deliveries[reader, publisher].seen)
                has_returned[reader] = has_returned.get(reader, False) or came
        return sum(not came for came in has_returned.values())

    def _invented(self) -> int:
        """Receipts of what nobody published."""
        return sum(
            len(delivery.seen - self._attempts[publisher].keys())
            for (_, publisher), delivery in list(self._deliveries.items())
        )

    def _stored_twice(self) -> int:
        return sum(len(found) - len(set(found)) for found in self._read_back.values())

    def _stored_out_of_order(self) -> int:
        return sum(
            later < earlier
            for found in self._read_back.values()
            for earlier, later in itertools.pairwise(found)
        )

    def _missing_in_store(self) -> int:
        return sum(
            len(stored - set(self._read_back[publisher]))
            for publisher, stored in self._stored.items()
        )
