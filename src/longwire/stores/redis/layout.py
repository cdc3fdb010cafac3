"""How entries, live messages and settings are written in Redis. The scripts know the same layout.

An entry, big-endian: offset (8 bytes), time in milliseconds (8), previous link (8), link (8),
length of the key (4; its highest bit says that the payload was erased), key, payload. A live
message: name of the server that appended (8), flags
(1), epoch (8), tail offset (8), tail link (8), content type after its length (2), then the entries,
each after its length (4).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntFlag

import msgspec

from longwire.base.errors import StoreError
from longwire.streams.entry import Entry, is_json
from longwire.streams.lineage import Lineage
from longwire.streams.position import START, Position
from longwire.streams.store import Fork, StreamSettings

__all__ = [
    "LAYOUT_VERSION",
    "LiveFlag",
    "LiveMessage",
    "creation_spec",
    "pack_fork",
    "pack_inherited",
    "parse_entry",
    "parse_fork",
    "parse_lineage",
    "parse_live_message",
    "parse_settings",
    "place",
]

LAYOUT_VERSION = 2
"""Of all that is written in Redis. Servers that share a Redis must write the same."""

_HEADER = struct.Struct(">QQ8s8sI")
_LIVE = struct.Struct(">8sB8sQ8sH")
_LENGTH = struct.Struct(">I")
_PART = struct.Struct(">Q8s")
_ERASED_BIT = 1 << 31


class LiveFlag(IntFlag):
    """What a live message says beside its entries."""

    CLOSED = 1
    """The stream is closed."""
    OMITTED = 2
    """The entries were too large to send along: readers ask the log."""
    DELETED = 4
    """The stream was deleted."""


@dataclass(frozen=True, slots=True)
class LiveMessage:
    """What one append told everybody who watches the stream."""

    origin: bytes
    flags: int
    epoch: str
    tail: Position
    content_type: str
    packed: bytes
    """The entries, still packed: nobody may want them."""

    def entries(self) -> list[Entry]:
        """Unpack the entries."""
        found = []
        lineage = Lineage(self.epoch)
        at, end, packed = 0, len(self.packed), self.packed
        while at < end:
            (size,) = _LENGTH.unpack_from(packed, at)
            at += _LENGTH.size
            found.append(parse_entry(packed[at : at + size], lineage, self.content_type))
            at += size
        return found


def place(offset: int, epoch: str, link: bytes) -> Position:
    """A position as the scripts tell it; offset 0 is the start in every epoch."""
    return Position(offset, epoch, link) if offset else START


def parse_entry(packed: bytes, lineage: Lineage, content_type: str) -> Entry:
    """Read an entry as it is kept in the log."""
    offset, time_ms, previous, link, key_bytes = _HEADER.unpack_from(packed)
    is_erased = key_bytes >= _ERASED_BIT
    payload_at = _HEADER.size + (key_bytes & ~_ERASED_BIT)
    return Entry(
        Position(offset, lineage.epoch_at(offset), link),
        place(offset - 1, lineage.epoch_at(offset - 1), previous),
        packed[payload_at:],
        time_ms,
        content_type,
        packed[_HEADER.size : payload_at].decode(),
        is_erased,
    )


def parse_live_message(data: bytes) -> LiveMessage:
    """Read what came over a stream's channel; raise ``StoreError`` when it is none of ours."""
    try:
        origin, flags, epoch_bytes, offset, link, type_bytes = _LIVE.unpack_from(data)
        epoch = epoch_bytes.decode("ascii")
        entries_at = _LIVE.size + type_bytes
        content_type = data[_LIVE.size : entries_at].decode()
    except (struct.error, UnicodeDecodeError) as error:
        raise StoreError(f"a live message cannot be read: {error}", retryable=False) from None
    tail = place(offset, epoch, link)
    return LiveMessage(origin, flags, epoch, tail, content_type, data[entries_at:])


# -- settings -----------------------------------------------------------------------------------


def _whole(number: float | None, scale: int = 1) -> int:
    """A limit as the scripts have it: -1 is none."""
    return -1 if number is None else round(number * scale)


def creation_spec(settings: StreamSettings) -> bytes:
    """What the scripts need to create a stream, as JSON. Without limits: -1."""
    retention = settings.retention
    return msgspec.json.encode(
        {
            "type": settings.content_type,
            "json": int(is_json(settings.content_type)),
            "latest": int(settings.keeps_latest),
            "entries_max": _whole(retention.entries_max),
            "bytes_max": _whole(retention.bytes_max),
            "age_max_ms": _whole(retention.age_max_s, 1000),
            "ttl_ms": _whole(settings.ttl_s, 1000),
            "expires_ms": _whole(settings.expires_ms),
            "text": msgspec.json.encode(settings).decode(),
        }
    )


def pack_inherited(lineage: Lineage) -> bytes:
    """Which offsets of a fork have which epoch, as the scripts have it."""
    return b"".join(_PART.pack(upto, epoch.encode()) for upto, epoch in lineage.inherited)


def parse_lineage(epoch: str, inherited: bytes) -> Lineage:
    """The epochs of a log."""
    parts = _PART.iter_unpack(inherited)
    return Lineage(epoch, tuple((upto, name.decode()) for upto, name in parts))


def pack_fork(fork: Fork) -> bytes:
    """What a stream was forked from, as JSON."""
    at = fork.after or START
    return msgspec.json.encode((fork.source, at.offset, at.epoch, at.link.hex(), fork.sub_offset))


def parse_fork(text: bytes) -> Fork | None:
    """Read that again; nothing was nothing."""
    if not text:
        return None
    parts = msgspec.json.decode(text, type=tuple[str, int, str, str, int])
    source, offset, epoch, link, sub_offset = parts
    return Fork(source, place(offset, epoch, bytes.fromhex(link)), sub_offset)


def parse_settings(text: bytes) -> StreamSettings:
    """Read settings as ``creation_spec`` has written them into the meta."""
    return msgspec.json.decode(text, type=StreamSettings)
