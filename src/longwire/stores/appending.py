# cython: annotation_typing=False
"""What every append is put to before it is stored, in the order that the contract names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import Protocol

from longwire.base.tuples import make, parts
from longwire.streams.entry import Durability, Entry, NewEntry, is_acceptable
from longwire.streams.errors import (
    ApplicationSequenceError,
    ContentTypeError,
    DurabilityError,
    StreamClosedError,
    StreamExistsError,
    TailMovedError,
)
from longwire.streams.position import Position, next_link
from longwire.streams.producer import (
    Accept,
    ForgottenProducer,
    ProducerState,
    Refuse,
    Result,
    decide,
)
from longwire.streams.store import Append, Appended, Fork, StreamInfo, StreamSettings

__all__ = [
    "Target",
    "appended",
    "chain",
    "check_append",
    "check_durability",
    "check_same",
    "cost_bytes",
    "creates_ephemeral",
    "find_duplicate",
]

# An enum's member is slow to look up.
_MEMORY = Durability.MEMORY

_APPEND_OVERHEAD_BYTES = 512


def cost_bytes(requests: Sequence[Append]) -> int:
    """What appends that wait to be written hold in memory, about."""
    cost = 0
    for request in requests:
        _, batch, _, _, _, _, _, _, _, _ = parts(request)
        cost += _APPEND_OVERHEAD_BYTES
        for new in batch:
            payload, _ = parts(new)
            cost += len(payload)
    return cost


def creates_ephemeral(requests: Sequence[Append]) -> bool:
    """Whether one of them may create a stream that lives in memory only."""
    for request in requests:
        _, _, _, _, _, create, _, _, _, _ = parts(request)
        if create is not None and create.is_ephemeral:
            return True
    return False


class Target(Protocol):
    """The stream that is appended to, as far as checks must know it."""

    @property
    def name(self) -> str: ...
    @property
    def settings(self) -> StreamSettings: ...
    @property
    def tail(self) -> Position: ...
    @property
    def is_closed(self) -> bool: ...
    @property
    def application_sequence(self) -> str | None:
        """The last one that was given."""


def find_duplicate(
    remembered: ProducerState | ForgottenProducer | None,
    request: Append,
    target: Target,
    durability: Durability,
) -> Appended | None:
    """Apply the producer rule: ``None`` means that the append is new. Raises ``ProducerError``."""
    if request.producer is None:
        return None
    decision = decide(remembered, request.producer)
    if isinstance(decision, Accept):
        return None
    if isinstance(decision, Refuse):
        raise decision.error
    assert isinstance(remembered, ProducerState)  # of others no result is known
    result = decision.result or Result(None, None)
    return Appended(
        first=result.first,
        last=result.last,
        is_duplicate=True,
        durability=durability,
        tail=target.tail,
        is_closed=target.is_closed,
        newest_sequence=remembered.next_sequence - 1,
    )


def check_append(request: Append, target: Target, durability: Durability) -> None:
    """Raise what speaks against an append that is new. ``durability`` is what it would have."""
    _, _, offered_type, _, _, _, if_tail, application_sequence, _, wanted = parts(request)
    if target.is_closed:
        raise StreamClosedError(target.name, target.tail)
    content_type = target.settings.content_type
    if offered_type != content_type and not is_acceptable(offered_type, content_type):
        raise ContentTypeError(target.name, content_type, str(offered_type))
    if application_sequence is not None:
        last = target.application_sequence
        if last is not None and application_sequence.encode() <= last.encode():
            raise ApplicationSequenceError(application_sequence, last)
    if if_tail is not None and if_tail != target.tail:
        raise TailMovedError(target.tail)
    if wanted is not _MEMORY:
        check_durability(request, durability)


def check_durability(request: Append, durability: Durability) -> None:
    """Raise :exc:`DurabilityError` when less than was asked for is what there is."""
    wanted = request.durability
    if wanted is not _MEMORY and wanted.rank > durability.rank:
        raise DurabilityError(request.stream, request.durability, durability)


def chain(
    batch: Sequence[NewEntry], tail: Position, epoch: str, time_ms: int, content_type: str
) -> list[Entry]:
    """The entries of a batch that is stored after ``tail``."""
    entries: list[Entry] = []
    previous = tail
    offset, _, link = parts(tail)
    for new in batch:
        payload, key = parts(new)
        offset += 1
        link = next_link(link, payload)
        position = make(Position, (offset, epoch, link))
        values = (position, previous, payload, time_ms, content_type, key, False)
        entries.append(make(Entry, values))
        previous = position
    return entries


def appended(entries: Sequence[Entry], target: Target, durability: Durability) -> Appended:
    """The answer to an append that brought ``entries``. ``target`` is as it is afterwards."""
    first = last = None
    if entries:
        first, _, _, _, _, _, _ = parts(entries[0])
        last = first if len(entries) == 1 else entries[-1].position
    is_closed = target.is_closed
    values = (first, last, False, durability, target.tail, tuple(entries), is_closed, None)
    return make(Appended, values)


def check_same(
    existing: StreamInfo, settings: StreamSettings, fork: Fork | None, closes: bool
) -> None:
    """Raise :exc:`StreamExistsError` unless ``existing`` is what was to be created."""
    name = existing.name
    if existing.is_deleted:
        raise StreamExistsError(name, "forks that outlive it: its name is free when they are gone")
    if existing.settings != settings:
        raise StreamExistsError(name, _differences(existing.settings, settings))
    if existing.is_closed != closes:
        raise StreamExistsError(name, "entries to come" if closes else "its end: it is closed")
    if not _is_same_fork(existing.fork, fork):
        # The source is not named: not everybody who may create this one may read that.
        origin = "no origin: it is no fork" if existing.fork is None else "another origin"
        raise StreamExistsError(name, origin)


def _differences(there: StreamSettings, wanted: StreamSettings) -> str:
    """What is other than wanted, for a sentence."""
    pairs = [
        (field.name, getattr(there, field.name), getattr(wanted, field.name))
        for field in fields(StreamSettings)
    ]
    return ", ".join(
        f"{name} {_said(is_there)} and not {_said(asked)}"
        for name, is_there, asked in pairs
        if is_there != asked
    )


def _said(value: object) -> object:
    return "unset" if value is None else value


def _is_same_fork(existing: Fork | None, wanted: Fork | None) -> bool:
    if existing is None or wanted is None:
        return existing is wanted
    if (existing.source, existing.sub_offset) != (wanted.source, wanted.sub_offset):
        return False
    # Without a place it was the tail of that time, which has moved on maybe.
    return wanted.after is None or wanted.after == existing.after
