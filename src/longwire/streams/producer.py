# cython: annotation_typing=False
"""The producer rule: how a publish that is sent again is recognised (docs/protocol.md, 6.2).

The rule is a pure function over what is remembered of a producer in one stream. Stores keep the
state and commit it together with the entries; no store has a rule of its own.
"""

from __future__ import annotations

from collections import deque
from typing import NamedTuple, Protocol, TypeAlias

from longwire.base.tuples import parts
from longwire.streams.errors import (
    EpochStartError,
    ProducerFencedError,
    ProducerUnknownError,
    SequenceGapError,
    StreamError,
)
from longwire.streams.position import Position

__all__ = [
    "PRODUCER_ID_BYTES_MAX",
    "PRODUCER_NUMBER_MAX",
    "RESULTS_MAX",
    "Accept",
    "Decision",
    "Duplicate",
    "ForgottenProducer",
    "ProducerStamp",
    "ProducerState",
    "Refuse",
    "Result",
    "Results",
    "decide",
]

RESULTS_MAX = 64
"""Publishes of a producer whose positions are kept, and so the most that may be on the way."""

PRODUCER_ID_BYTES_MAX = 128
"""Length of a producer's identifier, bytes of UTF-8."""

PRODUCER_NUMBER_MAX = 2**53 - 1
"""Largest epoch and sequence: what a JavaScript number holds exactly."""


class ProducerStamp(NamedTuple):
    """What a publish carries so that sending it again is safe."""

    producer_id: str
    epoch: int
    sequence: int


class Result(NamedTuple):
    """Where a publish was stored; ``None`` when it brought no entry but closed the stream."""

    first: Position | None
    last: Position | None


class Results(Protocol):
    """The newest :data:`RESULTS_MAX` results, in order: a deque, or what a store packs."""

    def __len__(self) -> int: ...
    def __getitem__(self, index: int, /) -> Result: ...
    def append(self, result: Result, /) -> None: ...
    def clear(self) -> None: ...


class ProducerState:
    """What is remembered of one producer in one stream. Its key is (principal, producer id)."""

    __slots__ = ("epoch", "next_sequence", "results", "used_ms")

    def __init__(
        self,
        epoch: int,
        next_sequence: int = 0,
        results: Results | None = None,
        used_ms: int = 0,
    ) -> None:
        self.epoch = epoch
        self.next_sequence = next_sequence
        self.results: Results = deque(maxlen=RESULTS_MAX) if results is None else results
        """Of the sequences just before ``next_sequence``, in order."""
        self.used_ms = used_ms
        """When it published last, by the store's clock."""

    def record(self, stamp: ProducerStamp, result: Result) -> None:
        """Take note of an accepted publish. Call it in the atomic step of the append."""
        _, epoch, sequence = parts(stamp)
        if epoch != self.epoch:
            self.epoch = epoch
            self.results.clear()
        self.next_sequence = sequence + 1
        self.results.append(result)


class ForgottenProducer(NamedTuple):
    """A producer of which only the epoch is remembered: what it stored can not be told."""

    epoch: int


class Accept(NamedTuple):
    """Store it, then ``record`` it."""


class Duplicate(NamedTuple):
    """It was stored before; ``result`` is ``None`` when that is too long ago to know where."""

    result: Result | None


class Refuse(NamedTuple):
    """Store nothing; the number counts as not used."""

    error: StreamError


Decision: TypeAlias = Accept | Duplicate | Refuse

_ACCEPT = Accept()


def decide(remembered: ProducerState | ForgottenProducer | None, stamp: ProducerStamp) -> Decision:
    """Decide on a publish by what is remembered of its producer."""
    _, epoch, sequence = parts(stamp)
    if isinstance(remembered, ProducerState):
        state = remembered
        if epoch == state.epoch and sequence == state.next_sequence:
            return _ACCEPT  # the next one, as nearly all are
    if remembered is None:
        # A number above 0 may have been stored in a life that is forgotten altogether.
        return _ACCEPT if sequence == 0 else Refuse(ProducerUnknownError(sequence))
    if epoch < remembered.epoch:
        return Refuse(ProducerFencedError(epoch, remembered.epoch))
    if epoch > remembered.epoch:
        return _ACCEPT if sequence == 0 else Refuse(EpochStartError(epoch, sequence))
    if isinstance(remembered, ForgottenProducer):
        return Refuse(ProducerUnknownError(sequence))
    behind = remembered.next_sequence - sequence
    if behind == 0:
        return _ACCEPT
    if behind < 0:
        return Refuse(SequenceGapError(sequence, remembered.next_sequence))
    results = remembered.results
    return Duplicate(results[-behind] if behind <= len(results) else None)
