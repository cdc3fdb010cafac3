"""Pages that are kept, and when they do not hold any more."""

from dataclasses import replace

import pytest

from longwire.gateways.durable.page_cache import PAGE_OVERHEAD_BYTES, SHARED_AGE_S, PageCache
from longwire.gateways.durable.reading import Excerpt
from longwire.streams.position import START, Position
from longwire.streams.store import StreamInfo, StreamSettings

SIZE = 100
COST = SIZE + PAGE_OVERHEAD_BYTES


def at(offset):
    return Position(offset, "k3v9x0qa", bytes(8)) if offset else START


def info(name="s", *, epoch="k3v9x0qa", floor=0, **settings):
    return StreamInfo(name, epoch, StreamSettings(**settings), at(floor), at(1_000), False, 0)


def page(after, *, is_up_to_date=False):
    upto = at(after + 10)
    return Excerpt(at(after), upto, f'"{after}"', b"x" * SIZE, is_up_to_date, False)


class Clock:
    now_s = 0.0

    def __call__(self):
        return self.now_s


def cache(pages=10, *, is_shared=False, clock=None):
    return PageCache(pages * COST, is_shared=is_shared, clock_s=clock or Clock())


def keep(kept, *offsets, of=None):
    for offset in offsets:
        kept.keep(of or info(), page(offset), kept.doubts)


def test_page_is_found_where_it_begins_and_for_its_stream():
    kept = cache()
    keep(kept, 0, 10)
    assert kept.find(info(), at(10)) == page(10)
    assert kept.find(info(), START) == page(0)
    assert kept.find(info(), at(5)) is kept.find(info("other"), at(10)) is None
    assert kept.find(info(), at(10)._replace(link=b"12345678")) is None
    assert (kept.hits, kept.size_bytes) == (2, 2 * COST)


def test_page_does_not_hold_in_another_life_nor_when_it_is_trimmed():
    kept = cache()
    keep(kept, 10)
    assert kept.find(info(floor=10), at(10)) is not None
    assert kept.find(info(floor=11), at(10)) is None
    keep(kept, 10)
    assert kept.find(info(epoch="other000"), at(10)) is None
    assert kept.size_bytes == 0


@pytest.mark.parametrize(
    ("settings", "is_up_to_date"),
    [
        ({}, True),
        ({"ttl_s": 60}, False),
        ({"is_keep_latest": True}, False),
        ({"is_ephemeral": True}, False),
    ],
)
def test_what_does_not_stay_is_not_kept(settings, is_up_to_date):
    kept = cache()
    kept.keep(info(**settings), page(0, is_up_to_date=is_up_to_date), kept.doubts)
    assert kept.size_bytes == 0


def test_doubt_forgets_a_stream_or_all_and_what_is_being_read():
    kept = cache()
    keep(kept, 0, 10)
    keep(kept, 0, of=info("other"))
    doubts = kept.doubts
    kept.forget("s")
    assert kept.find(info(), START) is None
    assert kept.find(info("other"), START) is not None
    kept.keep(info(), page(0), doubts)  # it was read before the doubt
    assert kept.find(info(), START) is None
    kept.forget("nothing of the kind")
    kept.forget(None)
    assert kept.find(info("other"), START) is None
    assert kept.size_bytes == 0


def test_room_is_bounded_and_what_is_used_stays():
    kept = cache(3)
    keep(kept, 0, 10, 20)
    assert kept.find(info(), START) is not None
    keep(kept, 30)
    assert kept.size_bytes == 3 * COST
    assert kept.find(info(), at(10)) is None
    for offset in (0, 20, 30):
        assert kept.find(info(), at(offset)) is not None
    keep(kept, 30)
    assert kept.size_bytes == 3 * COST  # the same again costs no more
    keep(kept, 0, 10, of=info("other"))
    assert kept.find(info("other"), START) is not None
    nothing = PageCache(0, is_shared=False)
    keep(nothing, 0)
    assert nothing.size_bytes == 0


def test_on_a_shared_store_a_page_is_kept_for_seconds():
    clock = Clock()
    kept = cache(is_shared=True, clock=clock)
    keep(kept, 0)
    clock.now_s = SHARED_AGE_S
    assert kept.find(info(), START) is not None
    clock.now_s = SHARED_AGE_S + 0.1
    assert kept.find(info(), START) is None
    lasting = cache(clock=clock)
    keep(lasting, 0)
    clock.now_s = 1e9
    assert lasting.find(replace(info(), is_closed=True), START) is not None
