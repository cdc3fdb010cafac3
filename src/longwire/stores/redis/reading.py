"""What the read script tells of a log, and what it means for a reader."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from longwire.stores.pages import judge_backwards
from longwire.stores.redis.layout import (
    parse_entry,
    parse_fork,
    parse_lineage,
    parse_settings,
    place,
)
from longwire.streams.entry import Entry
from longwire.streams.lineage import Lineage
from longwire.streams.position import Position
from longwire.streams.store import Fork, Page, StreamInfo, StreamSettings
from longwire.streams.verdict import Verdict, judge

__all__ = ["LogView", "page_after", "page_before", "parse_view"]


@dataclass(frozen=True, slots=True)
class LogView:
    """A log at one moment, as much of it as was asked for: the ``LogFacts`` of a verdict."""

    lineage: Lineage
    floor: Position
    tail: Position
    is_closed: bool
    created_ms: int
    settings_text: bytes
    place_offset: int
    place_link: bytes | None
    """Of the offset that was asked about; ``None`` when it is not known."""
    entries: tuple[Entry, ...]
    """In the order in which the script found them."""
    packed: tuple[bytes, ...]
    """The same as they are kept."""
    has_more: bool
    """Whether there are more of them in the direction of reading."""
    fork: Fork | None
    is_deleted: bool
    newest_ms: int

    def epoch_at(self, offset: int) -> str:
        return self.lineage.epoch_at(offset)

    def place(self, offset: int, link: bytes) -> Position:
        """The position of the entry with this offset and link."""
        return place(offset, self.lineage.epoch_at(offset), link)

    @property
    def settings(self) -> StreamSettings:
        return parse_settings(self.settings_text)

    def link_at(self, offset: int) -> bytes | None:
        if offset == self.place_offset:
            return self.place_link
        return self.floor.link if offset == self.floor.offset else None

    def verdict(self, position: Position) -> Verdict:
        """An answer that needs no judgement."""
        return Verdict(None, position, self.tail, self.is_closed)

    def info(self, name: str) -> StreamInfo:
        return StreamInfo(
            name=name,
            epoch=self.lineage.epoch,
            settings=self.settings,
            floor=self.floor,
            tail=self.tail,
            is_closed=self.is_closed,
            created_ms=self.created_ms,
            fork=self.fork,
            is_deleted=self.is_deleted,
        )


def parse_view(reply: list[Any], *, has_entries: bool = True) -> LogView:
    """Read the reply of the read script. Without ``has_entries`` what is packed are no entries."""
    epoch_bytes, type_bytes, floor, floor_link, tail, tail_link, closed, created_ms = reply[:8]
    settings_text, place_offset, place_link, has_more, packed = reply[8:13]
    inherited, fork, is_deleted, newest_ms = reply[13:]
    lineage, content_type = parse_lineage(epoch_bytes.decode(), inherited), type_bytes.decode()
    entries = [parse_entry(entry, lineage, content_type) for entry in packed if has_entries]
    return LogView(
        lineage,
        place(floor, lineage.epoch_at(floor), floor_link),
        place(tail, lineage.epoch_at(tail), tail_link),
        closed == 1,
        created_ms,
        settings_text,
        place_offset,
        place_link or None,
        tuple(entries),
        tuple(packed),
        has_more == 1,
        parse_fork(fork),
        is_deleted == 1,
        newest_ms,
    )


def page_after(view: LogView, after: Position) -> Page:
    """What a reader at ``after`` gets."""
    verdict = judge(after, view)
    tail = view.tail
    if verdict.reason is not None:
        resume = verdict.resume
        return Page((), resume, resume, tail, verdict.reason, resume != tail, view.is_closed)
    entries = view.entries
    is_end = not entries or entries[-1].position == tail
    upto = tail if is_end else entries[-1].position
    return Page(entries, after, upto, tail, has_more=not is_end, is_closed=view.is_closed)


def page_before(view: LogView, before: Position | None) -> Page:
    """What lies before ``before``. The view's entries are the newest first."""
    if before is not None:
        verdict = judge_backwards(before, view)
        if verdict.reason is not None:
            return Page((), verdict.resume, verdict.resume, view.tail, verdict.reason)
    upto = view.tail if before is None else before
    entries = tuple(reversed(view.entries))
    after = entries[0].previous if entries else upto
    return Page(
        entries,
        after,
        upto,
        view.tail,
        has_more=view.has_more and bool(entries),
        is_closed=view.is_closed,
    )
