"""What the read script tells of a log, and what it means for a reader."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from longwire.stores.redis.layout import parse_entry, parse_settings, place
from longwire.streams.entry import Entry
from longwire.streams.position import Position
from longwire.streams.store import Page, StreamInfo
from longwire.streams.verdict import Verdict, judge

__all__ = ["LogView", "page_after", "page_before", "parse_view"]


@dataclass(frozen=True, slots=True)
class LogView:
    """A log at one moment, as much of it as was asked for: the ``LogFacts`` of a verdict."""

    epoch: str
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
    has_more: bool
    """Whether there are more of them in the direction of reading."""

    def epoch_at(self, offset: int) -> str:
        return self.epoch

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
            epoch=self.epoch,
            settings=parse_settings(self.settings_text),
            floor=self.floor,
            tail=self.tail,
            is_closed=self.is_closed,
            created_ms=self.created_ms,
        )


def parse_view(reply: list[Any]) -> LogView:
    """Read the reply of the read script."""
    epoch_bytes, type_bytes, floor, floor_link, tail, tail_link, closed, created_ms = reply[:8]
    settings_text, place_offset, place_link, has_more, packed = reply[8:]
    epoch, content_type = epoch_bytes.decode(), type_bytes.decode()
    return LogView(
        epoch,
        place(floor, epoch, floor_link),
        place(tail, epoch, tail_link),
        closed == 1,
        created_ms,
        settings_text,
        place_offset,
        place_link or None,
        tuple([parse_entry(entry, epoch, content_type) for entry in packed]),
        has_more == 1,
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
    if before is not None and not _is_below(before, view):
        verdict = judge(before, view)
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


def _is_below(before: Position, view: LogView) -> bool:
    """Whether all that lies before a position is dropped: no reason to refuse it backwards."""
    return before.is_start or (before.epoch == view.epoch and before.offset < view.floor.offset)
