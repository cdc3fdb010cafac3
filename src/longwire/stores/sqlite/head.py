# cython: annotation_typing=False, auto_pickle=False
"""What is known of one stream beside its entries: one row, in memory while the stream is busy."""

from __future__ import annotations

import sqlite3

import msgspec

from longwire.streams.entry import Entry
from longwire.streams.lineage import Lineage
from longwire.streams.position import START, Position
from longwire.streams.store import Fork, StreamInfo, StreamSettings

__all__ = [
    "CHANGING",
    "COLUMNS",
    "KIND_ENTRY",
    "KIND_ERASED",
    "KIND_SUPERSEDED",
    "Head",
    "load_head",
]

COLUMNS = (
    "id, name, epoch, settings, created_ms, newest_ms, floor, floor_link, tail, tail_link, "
    "is_closed, kept_entries, kept_bytes, inherited, fork, fork_count, is_deleted, "
    "application_sequence, deadline_ms"
)

CHANGING = (
    "newest_ms",
    "floor",
    "floor_link",
    "tail",
    "tail_link",
    "is_closed",
    "kept_entries",
    "kept_bytes",
    "fork_count",
    "is_deleted",
    "application_sequence",
    "deadline_ms",
)
"""Columns that change in the life of a stream."""

KIND_ENTRY, KIND_SUPERSEDED, KIND_ERASED = 0, 1, 2

_settings = msgspec.json.Decoder(StreamSettings)
_inherited = msgspec.json.Decoder(tuple[tuple[int, str], ...])
_fork = msgspec.json.Decoder(tuple[str, int, str, str, int] | None)
_encode = msgspec.json.Encoder().encode


class Head:
    """A stream but for its entries."""

    __slots__ = (
        "application_sequence",
        "created_ms",
        "deadline_ms",
        "floor",
        "fork",
        "fork_count",
        "id",
        "is_closed",
        "is_deleted",
        "keeps_latest",
        "kept_bytes",
        "kept_entries",
        "lineage",
        "may_expire",
        "name",
        "newest_ms",
        "oldest_ms",
        "producer_count",
        "settings",
        "tail",
    )

    def __init__(
        self,
        number: int,
        name: str,
        settings: StreamSettings,
        lineage: Lineage,
        *,
        created_ms: int = 0,
        newest_ms: int = 0,
        fork: Fork | None = None,
    ) -> None:
        self.id = number
        """0 as long as there is no row."""
        self.name = name
        self.settings = settings
        self.keeps_latest = settings.keeps_latest
        self.may_expire = settings.ttl_s is not None or settings.expires_ms is not None
        self.lineage = lineage
        self.created_ms = created_ms
        self.newest_ms = newest_ms
        self.floor = START
        self.tail = START
        self.is_closed = False
        self.kept_entries = 0
        self.kept_bytes = 0
        self.fork = fork
        self.fork_count = 0
        self.is_deleted = False
        self.application_sequence: str | None = None
        self.deadline_ms: int | None = None
        """When its life ends, unless it is used before."""
        self.oldest_ms = 0
        """No entry that is kept is older."""
        self.producer_count: int | None = None
        """Producers remembered; ``None`` before they are counted."""

    def epoch_at(self, offset: int) -> str:
        return self.lineage.epoch_at(offset)

    def place(self, offset: int, link: bytes) -> Position:
        """The position of the entry with this offset and link."""
        return Position(offset, self.lineage.epoch_at(offset), link) if offset else START

    def entry(self, row: tuple[int, bytes, bytes, int, int, str, bytes]) -> Entry:
        """An entry from (offset, link, previous link, time, kind, key, payload)."""
        offset, link, previous_link, time_ms, kind, key, payload = row
        return Entry(
            self.place(offset, link),
            self.place(offset - 1, previous_link),
            payload,
            time_ms,
            self.settings.content_type,
            key,
            kind == KIND_ERASED,
        )

    def is_expired(self, now_ms: int) -> bool:
        """Whether the stream has come to the end of its life."""
        return self.deadline_ms is not None and now_ms >= self.deadline_ms

    def next_deadline_ms(self, now_ms: int) -> int | None:
        """When its life ends if it is used now."""
        if not self.may_expire:
            return None
        settings = self.settings
        if settings.ttl_s is None:
            return settings.expires_ms
        idle_ms = now_ms + settings.ttl_s * 1000
        return idle_ms if settings.expires_ms is None else min(idle_ms, settings.expires_ms)

    def info(self) -> StreamInfo:
        return StreamInfo(
            name=self.name,
            epoch=self.lineage.epoch,
            settings=self.settings,
            floor=self.floor,
            tail=self.tail,
            is_closed=self.is_closed,
            created_ms=self.created_ms,
            fork=self.fork,
            is_deleted=self.is_deleted,
        )

    def insert(self, connection: sqlite3.Connection) -> None:
        """Write the row of a new stream, and learn its number."""
        fork, place = self.fork, None
        if fork is not None:
            at = fork.after or START
            place = (fork.source, at.offset, at.epoch, at.link.hex(), fork.sub_offset)
        cursor = connection.execute(
            "INSERT INTO streams (name, epoch, settings, created_ms, newest_ms, inherited, fork)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                self.name,
                self.lineage.epoch,
                _encode(self.settings),
                self.created_ms,
                self.newest_ms,
                _encode(self.lineage.inherited),
                _encode(place),
            ),
        )
        assert cursor.lastrowid is not None
        self.id = cursor.lastrowid

    def values(self) -> tuple[object, ...]:
        """Its number, and what may have changed: a value for each of ``CHANGING``."""
        return (
            self.id,
            self.newest_ms,
            self.floor.offset,
            self.floor.link,
            self.tail.offset,
            self.tail.link,
            self.is_closed,
            self.kept_entries,
            self.kept_bytes,
            self.fork_count,
            self.is_deleted,
            self.application_sequence,
            self.deadline_ms,
        )


def load_head(connection: sqlite3.Connection, name: str) -> Head | None:
    """Read what is known of a stream."""
    row = connection.execute(f"SELECT {COLUMNS} FROM streams WHERE name = ?", (name,)).fetchone()
    if row is None:
        return None
    number, name, epoch, settings, created_ms, newest_ms, floor, floor_link = row[:8]
    tail, tail_link, is_closed, kept_entries, kept_bytes, inherited, fork = row[8:15]
    fork_count, is_deleted, application_sequence, deadline_ms = row[15:]
    head = Head(
        number,
        name,
        _settings.decode(settings),
        Lineage(epoch, _inherited.decode(inherited)),
        created_ms=created_ms,
        newest_ms=newest_ms,
        fork=_parse_fork(fork),
    )
    head.floor, head.tail = head.place(floor, floor_link), head.place(tail, tail_link)
    head.is_closed, head.is_deleted = bool(is_closed), bool(is_deleted)
    head.kept_entries, head.kept_bytes = kept_entries, kept_bytes
    head.fork_count = fork_count
    head.application_sequence = application_sequence
    head.deadline_ms = deadline_ms
    return head


def _parse_fork(text: bytes | str) -> Fork | None:
    place = _fork.decode(text)
    if place is None:
        return None
    source, offset, epoch, link, sub_offset = place
    after = Position(offset, epoch, bytes.fromhex(link)) if offset else START
    return Fork(source, after, sub_offset)
