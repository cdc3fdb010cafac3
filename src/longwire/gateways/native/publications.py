# cython: annotation_typing=False
"""What a publish carries: its entries, its producer, and what it is to be stored under."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from typing import TypeAlias

from msgspec import UNSET, Raw

from longwire.base.tuples import make
from longwire.gateways.native.requests import (
    BadMessageError,
    BinaryItem,
    BinaryPublish,
    JsonItem,
    JsonPublish,
    PublishRequest,
    check_data,
)
from longwire.streams.entry import BYTES, JSON, Durability, NewEntry
from longwire.streams.position import Position, parse_position
from longwire.streams.producer import PRODUCER_ID_BYTES_MAX, ProducerStamp

try:
    import cython
except ImportError:
    from longwire.base import cy as cython

if cython.compiled:
    from cython.cimports.cpython.bytes import PyBytes_FromObject

__all__ = ["read_batch", "read_condition", "read_durability", "read_producer"]

# An enum's member is slow to look up.
_MEMORY = Durability.MEMORY

_Item: TypeAlias = JsonItem | BinaryItem | JsonPublish | BinaryPublish
"""One entry of a publish: of its batch, or the request itself."""


def read_condition(request: PublishRequest) -> Position | None:
    """The tail that a publish is to follow, if it names one."""
    return None if request.if_tail is UNSET else parse_position(request.if_tail)


def read_durability(request: PublishRequest) -> Durability:
    """How safely a publish wants to be kept at least."""
    return _MEMORY if request.durability is UNSET else Durability(request.durability)


def read_producer(request: PublishRequest) -> ProducerStamp | None:
    """The producer triple: all three members or none."""
    producer, epoch, sequence = request.producer, request.epoch, request.sequence
    if producer is UNSET and epoch is UNSET and sequence is UNSET:
        return None
    if producer is UNSET or epoch is UNSET or sequence is UNSET:
        raise BadMessageError("publish: producer, epoch and sequence come together or not at all")
    # Nearly all are so short that nobody need count bytes: a character has at most four.
    size = len(producer)
    if not 1 <= size <= PRODUCER_ID_BYTES_MAX // 4:
        size = len(producer.encode())
    if not 1 <= size <= PRODUCER_ID_BYTES_MAX:
        raise BadMessageError(
            f"publish: producer has {size} bytes; it has 1 to {PRODUCER_ID_BYTES_MAX}"
        )
    return make(ProducerStamp, (producer, epoch, sequence))


def read_batch(
    request: PublishRequest, depth_max: int, key_bytes_max: int
) -> tuple[tuple[NewEntry, ...], str]:
    """The entries of a publish and their content type."""
    if request.batch is UNSET:
        entry, content_type = _read_entry(
            _single_item(request), "publish", depth_max, key_bytes_max
        )
        return (entry,), content_type
    entries: list[NewEntry] = []
    content_type = ""
    for index, item in enumerate(_batch_items(request, request.batch)):
        where = f"publish: batch[{index}]"
        entry, item_type = _read_entry(item, where, depth_max, key_bytes_max)
        if content_type not in ("", item_type):
            raise BadMessageError(f"{where}: a batch holds JSON only or bytes only")
        content_type = item_type
        entries.append(entry)
    return tuple(entries), content_type


def _read_entry(
    item: _Item, where: str, depth_max: int, key_bytes_max: int
) -> tuple[NewEntry, str]:
    payload, content_type = _read_item(item, where, depth_max)
    if item.key is UNSET:
        return make(NewEntry, (payload, "")), content_type
    size = len(item.key.encode())
    if size > key_bytes_max:
        raise BadMessageError(f"{where}: key has {size} bytes, at most {key_bytes_max} are allowed")
    return NewEntry(payload, item.key), content_type


def _has_other(request: PublishRequest) -> tuple[str, bool]:
    """What a format has for payloads that are not JSON, and whether it is there."""
    if isinstance(request, JsonPublish):
        return "base64", request.base64 is not UNSET
    return "bytes", request.raw is not UNSET


def _single_item(request: PublishRequest) -> _Item:
    """The request, which has the members of an item itself."""
    if request.data is UNSET:
        name, has_other = _has_other(request)
        if not has_other:
            raise BadMessageError(f"publish: data, {name} or batch is missing")
    return request


def _batch_items(request: PublishRequest, batch: Sequence[_Item]) -> Sequence[_Item]:
    name, has_other = _has_other(request)
    if request.data is not UNSET or has_other:
        raise BadMessageError(f"publish: data, {name} and batch exclude each other")
    if request.key is not UNSET:
        raise BadMessageError("publish: with batch, key stands in each of its objects")
    if not batch:
        raise BadMessageError("publish: batch is empty")
    return batch


def _read_item(item: _Item, where: str, depth_max: int) -> tuple[bytes, str]:
    # The kinds that are met most come first: to be of none costs more than to be of one.
    if not isinstance(item, (JsonPublish, JsonItem)):
        return _read_binary_item(item, where, depth_max)
    if item.data is not UNSET:
        if item.base64 is not UNSET:
            raise BadMessageError(f"{where}: data and base64 exclude each other")
        payload = _copy(item.data)
        if len(payload) > 2 * depth_max:  # a shorter one cannot be too deep
            check_data(payload, depth_max, where, is_read=True)
        return payload, JSON
    if item.base64 is UNSET:
        raise BadMessageError(f"{where}: data or base64 is missing")
    try:
        return base64.b64decode(item.base64, validate=True), BYTES
    except (binascii.Error, ValueError) as error:
        raise BadMessageError(
            f"{where}: base64 is not padded base64 of RFC 4648 section 4: {error}"
        ) from None


def _copy(data: Raw) -> bytes:
    """The bytes of a value that was not decoded. ``bytes()`` looks for methods first."""
    return PyBytes_FromObject(data) if cython.compiled else bytes(data)


def _read_binary_item(
    item: BinaryItem | BinaryPublish, where: str, depth_max: int
) -> tuple[bytes, str]:
    if item.data is not UNSET:
        if item.raw is not UNSET:
            raise BadMessageError(f"{where}: data and bytes exclude each other")
        # Nobody has read it as JSON yet.
        check_data(item.data, depth_max, where, is_read=False)
        return item.data, JSON
    if item.raw is UNSET:
        raise BadMessageError(f"{where}: data or bytes is missing")
    return item.raw, BYTES
