"""HEAD, GET without waiting, and the answers of all readers (Durable Streams 5.5, 5.6, 10)."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import NamedTuple

from longwire.base.headers import Headers
from longwire.gateways.durable.answer import Answer, no_store, protective_fields, stream_fields
from longwire.gateways.durable.body import join_body, kind_of
from longwire.gateways.durable.preconditions import check_existing, tag_of
from longwire.gateways.durable.request import StreamRequest, spell_expiry
from longwire.http.conditions import Outcome
from longwire.http.negotiation import IDENTITY
from longwire.http.representation import Selector
from longwire.streams.entry import Entry
from longwire.streams.errors import PositionRefusedError
from longwire.streams.position import Position
from longwire.streams.store import Store, StreamInfo
from longwire.streams.verdict import Reason, Start, StartAt, Verdict

__all__ = [
    "Excerpt",
    "answer_excerpt",
    "answer_tail",
    "describe",
    "make_excerpt",
    "read_excerpt",
]


class Excerpt(NamedTuple):
    """A stretch of a stream as it is sent to a reader."""

    after: Position
    upto: Position
    etag: str
    body: bytes
    is_up_to_date: bool
    """Nothing follows it now."""
    is_closed: bool
    """And nothing will."""

    @property
    def is_empty(self) -> bool:
        """Whether it leads nowhere: it is at the end."""
        return self.after == self.upto


def make_excerpt(
    info: StreamInfo,
    entries: Sequence[Entry],
    after: Position,
    upto: Position,
    *,
    is_up_to_date: bool,
    is_closed: bool,
) -> Excerpt:
    """Put the entries between two positions together.

    The entity tag is such that no two bodies that a stream had under one URL share it: between
    two positions entries only vanish, when they are superseded or erased, so their numbers tell;
    Durable Streams 10.1 asks that it changes when the stream is closed.
    """
    erased = sum(entry.is_erased for entry in entries)
    closed = ":c" if is_closed else ""
    etag = f'"{info.epoch}:{after}:{upto}:{len(entries)}.{erased}{closed}"'
    body = join_body(kind_of(info.settings.content_type), entries)
    return Excerpt(after, upto, etag, body, is_up_to_date, is_closed)


async def read_excerpt(
    store: Store, info: StreamInfo, start: Start, *, entries_max: int, bytes_max: int
) -> Excerpt:
    """Read on from where a reader wants to begin.

    Raises ``PositionRefusedError``, ``StoreUnavailableError``.
    """
    after = start if isinstance(start, Position) else info.floor
    page = await store.read(info.name, after, entries_max=entries_max, bytes_max=bytes_max)
    while start is StartAt.EARLIEST and page.reason is Reason.TRIMMED:
        # The start of the stream is where what is kept begins, which moves on meanwhile.
        after = page.upto
        page = await store.read(info.name, after, entries_max=entries_max, bytes_max=bytes_max)
    if page.reason is not None:
        raise PositionRefusedError(Verdict(page.reason, page.upto, page.tail, page.is_closed))
    is_at_end = not page.has_more
    return make_excerpt(
        info,
        page.entries,
        page.after,
        page.upto,
        is_up_to_date=is_at_end,
        is_closed=page.is_closed and is_at_end,
    )


def answer_excerpt(
    request: StreamRequest,
    info: StreamInfo,
    excerpt: Excerpt,
    max_age_s: int,
    selector: Selector,
) -> Answer:
    """The 200 that brings an excerpt, a part of it, or the 304 of who has it already.

    ``max_age_s`` is how long one that does not reach the tail may be kept.
    """
    fields = stream_fields(info.settings.content_type, excerpt.upto, is_closed=excerpt.is_closed)
    if excerpt.is_up_to_date:
        fields.add("Stream-Up-To-Date", "true")
    fields.add("ETag", excerpt.etag)
    # Asked for as text/event-stream, the same URL is what EventSource reads.
    fields.add("Vary", "Accept")
    fields.add("Cache-Control", _cache_control(request, excerpt, max_age_s))
    return _select(request, fields, excerpt.body, selector)


def _select(request: StreamRequest, fields: Headers, body: bytes, selector: Selector) -> Answer:
    """The 200, or what conditions, ranges and content codings make of it."""
    selected = selector.select("GET", request.headers, 200, fields, body, now_s=time.time())
    if selected is None:
        return Answer(200, fields, body)
    status, headers, chosen, coding = selected
    if chosen is None:
        codings = selector.codings
        if codings is None or coding == IDENTITY:
            chosen = body
        else:
            chosen = codings.encode(coding, body)
    # A refusal, too, has what every answer has.
    for name, value in protective_fields(headers):
        headers.add(name, value)
    return Answer(status, headers, chosen)


def answer_tail(info: StreamInfo, verdict: Verdict) -> Answer:
    """The answer to who only wants to know where the stream ends now (Durable Streams 8)."""
    content_type = info.settings.content_type
    headers = stream_fields(content_type, verdict.tail, is_closed=verdict.is_closed)
    headers.add("Stream-Up-To-Date", "true")
    return Answer(200, no_store(headers), join_body(kind_of(content_type), ()))


def _cache_control(request: StreamRequest, excerpt: Excerpt, max_age_s: int) -> str:
    """Durable Streams 10.1. Who says who he is gets what a shared cache must not show to others."""
    whose = "public" if request.principal.is_anonymous else "private"
    if not excerpt.is_up_to_date and _begins_at_a_position(request):
        # What lies between two positions stays, for as long as an erased payload may live on.
        return f"{whose}, max-age={max_age_s}, immutable"
    if excerpt.is_empty:
        return f"{whose}, no-cache"  # only that there was nothing: ask again
    return f"{whose}, max-age=60, stale-while-revalidate=300"


def _begins_at_a_position(request: StreamRequest) -> bool:
    """Whether the URL names a place in this life of the stream. The start of the stream is no such
    place: it moves when entries expire, and another stream of the name may begin."""
    return request.parameter("offset") not in (None, "-1")


def describe(request: StreamRequest, info: StreamInfo) -> Answer:
    """The answer to HEAD (Durable Streams 5.5). Raises ``ConditionFailedError`` and the like."""
    outcome = check_existing("HEAD", request.headers, info)
    headers = stream_fields(info.settings.content_type, info.tail, is_closed=info.is_closed)
    headers.add("ETag", tag_of(info.tail, is_closed=info.is_closed))
    settings = info.settings
    if settings.ttl_s is not None:
        headers.add("Stream-TTL", str(settings.ttl_s))
    if settings.expires_ms is not None:
        headers.add("Stream-Expires-At", spell_expiry(settings.expires_ms))
    return Answer(304 if outcome is Outcome.NOT_MODIFIED else 200, no_store(headers))
