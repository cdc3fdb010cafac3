"""Appends as the script wants them, and its answers as the contract has them."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

from longwire.base.errors import StoreError
from longwire.stores.appending import chain
from longwire.stores.redis.keys import producer_member, ring_key, stream_keys
from longwire.stores.redis.layout import creation_spec, place
from longwire.streams.entry import Durability, Entry
from longwire.streams.errors import (
    ApplicationSequenceError,
    ContentTypeError,
    EpochStartError,
    ProducerFencedError,
    ProducerUnknownError,
    SequenceGapError,
    StoreUnavailableError,
    StreamClosedError,
    StreamError,
    StreamGoneError,
    StreamMissingError,
    TailMovedError,
)
from longwire.streams.lineage import Lineage
from longwire.streams.position import Position
from longwire.streams.store import Append, Appended

__all__ = ["append_arguments", "append_keys", "creation_arguments", "parse_appended"]

_TAIL = struct.Struct(">Q8s8s")
_ACCEPTED, _DUPLICATE = 0, 1


def append_keys(prefix: bytes, requests: Sequence[Append]) -> list[bytes]:
    """Keys for appends to one stream: the stream's, and a ring for each that has a producer."""
    stream = requests[0].stream
    keys = stream_keys(prefix, stream)
    for request in requests:
        if request.producer is not None:
            member = producer_member(request.principal, request.producer.producer_id)
            keys.append(ring_key(prefix, stream, member))
    return keys


def append_arguments(request: Append) -> list[bytes]:
    """One append among the arguments of the script: nine, and two for each entry."""
    stamp, tail, sequence = request.producer, request.if_tail, request.application_sequence
    arguments = [
        b"c" if request.closes else b"",
        b"" if request.create is None else creation_spec(request.create),
        (request.content_type or "").encode(),
        b"" if tail is None else _TAIL.pack(tail.offset, tail.epoch.encode(), tail.link),
        b"",
        b"0",
        b"0",
        b"" if sequence is None else b"s" + sequence.encode(),
        b"%d" % len(request.batch),
    ]
    if stamp is not None:
        arguments[4] = producer_member(request.principal, stamp.producer_id)
        arguments[5], arguments[6] = b"%d" % stamp.epoch, b"%d" % stamp.sequence
    for payload, key in request.batch:
        arguments.append(key.encode())
        arguments.append(payload)
    return arguments


def creation_arguments(request: Append, *, finishes_fork: bool = False) -> list[bytes]:
    """The same for creating a stream with its first entries, or for making a fork seen."""
    arguments = append_arguments(request)
    arguments[0] += b"f" if finishes_fork else b"n"
    return arguments


def parse_appended(
    request: Append, lineage: Lineage, content_type: str, answer: list[Any], durability: Durability
) -> Appended | StreamError:
    """What became of ``request``."""
    epoch = lineage.epoch
    tail = place(answer[-3], lineage.epoch_at(answer[-3]), answer[-2])
    is_closed = answer[-1] == 1
    kind = answer[0]
    if kind == _ACCEPTED:
        first, before, last, last_link, time_ms = answer[1:6]
        entries: tuple[Entry, ...] = ()
        if first:
            previous = place(first - 1, lineage.epoch_at(first - 1), before)
            entries = tuple(chain(request.batch, previous, epoch, time_ms, content_type))
        if entries and entries[-1].position != Position(last, epoch, last_link):
            raise StoreError(f"Redis linked {request.stream!r} otherwise", retryable=False)
        return Appended(
            entries[0].position if entries else None,
            entries[-1].position if entries else None,
            False,
            durability,
            tail,
            entries,
            is_closed,
        )
    if kind == _DUPLICATE:
        first, first_link, last, last_link, newest = answer[1:6]
        return Appended(
            Position(first, epoch, first_link) if first else None,
            Position(last, epoch, last_link) if last else None,
            True,
            durability,
            tail,
            (),
            is_closed,
            newest,
        )
    return _refusal(request, answer[1].decode(), answer[2:-3], tail)


def _refusal(request: Append, code: str, values: list[Any], tail: Position) -> StreamError:
    stamp = request.producer
    match code:
        case "stream_missing":
            return StreamMissingError(request.stream)
        case "stream_gone":
            return StreamGoneError(request.stream)
        case "fork_lost":
            return StoreUnavailableError("somebody else forked a stream under this name meanwhile")
        case "sequence_regression":
            return ApplicationSequenceError(str(request.application_sequence), values[0].decode())
        case "stream_closed":
            return StreamClosedError(request.stream, tail)
        case "wrong_content_type":
            expected = values[0].decode()
            return ContentTypeError(request.stream, expected, str(request.content_type))
        case "tail_moved":
            return TailMovedError(tail)
    assert stamp is not None
    match code:
        case "producer_unknown":
            return ProducerUnknownError(stamp.sequence)
        case "producer_fenced":
            return ProducerFencedError(stamp.epoch, values[0])
        case "producer_epoch_start":
            return EpochStartError(stamp.epoch, stamp.sequence)
        case "sequence_gap":
            return SequenceGapError(stamp.sequence, values[0])
    raise StoreError(f"Redis refused with {code!r}, which means nothing", retryable=False)
