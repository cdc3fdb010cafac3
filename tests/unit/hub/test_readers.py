"""Readers that are behind: the subscribe race, slow connections, gaps, and failing stores."""

import asyncio
import itertools

import pytest

from longwire.base.limits import HubLimits, RetentionLimits
from longwire.hub.hub import Hub
from longwire.hub.sinks import SUPERSEDED
from longwire.hub.subscription import ReaderState
from longwire.stores.memory import MemoryStore
from longwire.streams.entry import NewEntry
from longwire.streams.position import START
from longwire.streams.store import Append, StreamSettings
from longwire.streams.verdict import StartAt
from tests.unit.hub.collectors import (
    EntrySink,
    HeldStore,
    LineEncoder,
    LineSink,
    publish,
    settle,
    subscribe,
)

EARLIEST, TAIL = StartAt.EARLIEST, StartAt.TAIL


def make_hub(store=None, *, entries_max=None, is_keep_latest=False, **limits):
    retention = RetentionLimits(entries_max=entries_max, bytes_max=None, age_max_s=None)
    return Hub(
        store or MemoryStore(),
        limits=HubLimits(**limits),
        settings_for=lambda stream, content_type: StreamSettings(
            content_type=content_type, retention=retention, is_keep_latest=is_keep_latest
        ),
    )


def numbers(start, stop):
    return [b"%d" % n for n in range(start, stop)]


async def fill(hub, start, stop, stream="s"):
    for payload in numbers(start, stop):
        await hub.publish(publish(payload, stream=stream))


# -- the subscribe race ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("held_calls", "recent"),
    list(itertools.product([("seek",), ("read",), ("seek", "read")], [1, 256])),
)
async def test_entries_appended_during_a_delayed_subscribe_come_once(held_calls, recent):
    store = HeldStore()
    hub = make_hub(store, recent_entries_max=recent, page_entries_max=2)
    await fill(hub, 0, 5)
    for call in held_calls:
        store.shut(call)
    sink = LineSink()
    task = asyncio.create_task(subscribe(hub, sink, EARLIEST))
    await settle()
    await fill(hub, 5, 10)
    for call in held_calls:
        store.open(call)
        await settle()
        await fill(hub, 10, 12)
    await task
    await settle()
    await fill(hub, 12, 14)
    await settle()
    expected = numbers(0, 10) + numbers(10, 12) * len(held_calls) + numbers(12, 14)
    assert sink.of().payloads == expected
    assert sink.of().gaps == []


async def test_trim_between_seek_and_read_is_a_named_gap():
    store = HeldStore()
    hub = make_hub(store, entries_max=3, recent_entries_max=1)
    await fill(hub, 0, 3)
    sink = LineSink()
    subscription = await hub.attach(sink).open("s", EARLIEST)
    sink.of().held = subscription.verdict.resume
    assert subscription.verdict.reason is None
    await fill(hub, 3, 8)
    subscription.begin()
    await settle()
    (gap,) = sink.of().gaps
    assert (gap.after, gap.upto.offset, gap.reason, gap.is_loss) == (START, 5, "trimmed", True)
    assert sink.of().payloads == numbers(5, 8)


async def test_trim_while_a_read_is_on_the_way_loses_nothing_that_was_read():
    store = HeldStore()
    hub = make_hub(store, entries_max=3, recent_entries_max=1, page_entries_max=2)
    await fill(hub, 0, 3)
    sink = LineSink()
    store.shut("read")
    await subscribe(hub, sink, EARLIEST)
    await settle()
    await fill(hub, 3, 9)  # everything that the read found is trimmed by now
    store.open("read")
    await settle()
    assert [gap.reason for gap in sink.of().gaps] == ["trimmed"]
    assert sink.of().payloads == numbers(0, 2) + numbers(6, 9)
    await fill(hub, 9, 10)
    await settle()
    assert sink.of().payloads[-1] == b"9"


async def test_burst_longer_than_everything_kept_in_memory_is_caught_up():
    hub = make_hub(recent_entries_max=4, page_entries_max=7)
    sink = LineSink()
    subscription = await hub.attach(sink).open("s", TAIL)
    sink.of().held = subscription.verdict.resume
    await fill(hub, 0, 1000)
    subscription.begin()
    await settle()
    await asyncio.sleep(0.01)
    await fill(hub, 1000, 1003)
    await settle()
    assert sink.of().payloads == numbers(0, 1003)


async def test_reader_catches_up_while_the_stream_does_not_stop():
    store = HeldStore()
    hub = make_hub(store, recent_entries_max=8, page_entries_max=4)
    await fill(hub, 0, 50)
    sink = LineSink()
    subscription = await subscribe(hub, sink, EARLIEST)
    for n in range(50, 100):
        await hub.publish(publish(b"%d" % n))
        await asyncio.sleep(0)
    await settle()
    assert sink.of().payloads == numbers(0, 100)
    assert subscription.state is ReaderState.TAIL


async def test_store_that_is_ahead_of_the_hub_is_believed():
    """An append has been decided but not returned: a reader sees it, the others at once too."""
    store = HeldStore()
    hub = make_hub(store)
    live, other = LineSink(), LineSink()
    await fill(hub, 0, 2)
    await subscribe(hub, live, TAIL)
    store.shut("append")
    tasks = [asyncio.create_task(hub.publish(publish(b"2"))) for _ in range(1)]
    await settle()
    await subscribe(hub, other, EARLIEST)
    await settle()
    assert other.of().payloads == numbers(0, 3)
    assert live.of().payloads == [b"2"]
    store.open("append")
    await asyncio.gather(*tasks)
    await fill(hub, 3, 5)
    await settle()
    assert other.of().payloads == numbers(0, 5)
    assert live.of().payloads == numbers(2, 5)
    assert hub.counters.pages_read == 1  # nobody had to ask the log again


async def test_entries_written_past_the_hub_are_read_from_the_log():
    hub = make_hub()
    sink = LineSink()
    await fill(hub, 0, 1)
    await subscribe(hub, sink, TAIL)
    for payload in (b"1", b"2"):  # by somebody else on the same store
        await hub.store.append(Append("s", publish(payload).batch))
    await fill(hub, 3, 4)
    await settle()
    assert sink.of().payloads == numbers(1, 4)
    assert sink.of().gaps == []


async def test_hub_that_believes_in_a_lost_tail_gives_way_to_the_store():
    hub = make_hub()
    live, late = LineSink(), LineSink()
    await fill(hub, 0, 3)
    await subscribe(hub, live, TAIL)
    log = hub.store._streams["s"].log
    lost = log._entries.pop()  # the store is rolled back by one entry
    log.tail = lost.previous
    await subscribe(hub, late, EARLIEST)
    await settle()
    assert late.of().payloads == numbers(0, 2)
    await settle()
    assert [gap.reason for gap in live.of().gaps] == ["ahead"]
    await fill(hub, 7, 8)
    await settle()
    assert live.of().payloads == [b"7"]
    assert late.of().payloads == [b"0", b"1", b"7"]


async def test_many_who_come_back_share_what_one_of_them_read():
    hub = make_hub()
    await fill(hub, 0, 100)
    encoder = LineEncoder()
    sinks = [LineSink(encoder) for _ in range(50)]
    for sink in sinks:
        await subscribe(hub, sink, EARLIEST)
        await settle()
    assert all(sink.of().payloads == numbers(0, 100) for sink in sinks)
    assert encoder.entries_encoded == 100
    assert hub.counters.pages_read == 1


# -- slow connections -----------------------------------------------------------------------


@pytest.mark.parametrize("kind", [LineSink, EntrySink])
async def test_slow_subscriber_is_not_sent_more_than_it_may_hold(kind):
    hub = make_hub(held_bytes_max=1000)
    slow, quick = kind(), kind()
    slow.is_slow = True
    subscription = await subscribe(hub, slow, TAIL)
    await subscribe(hub, quick, TAIL)
    await fill(hub, 0, 500)
    await settle()
    assert quick.of().payloads == numbers(0, 500)
    assert slow.held_bytes < 1000 + 400
    assert subscription.state is ReaderState.BLOCKED
    assert hub.counters.readers_blocked == hub.counters.readers_slowed == 1
    rounds = 0
    while subscription.state is ReaderState.BLOCKED:
        rounds += 1
        slow.held_bytes = 0
        subscription.attachment.drained()
        await settle()
    assert rounds > 5
    assert slow.of().payloads == numbers(0, 500)
    assert slow.of().gaps == []
    slow.is_slow, slow.held_bytes = False, 0
    subscription.attachment.drained()
    await fill(hub, 500, 502)
    await settle()
    assert slow.of().payloads == numbers(0, 502)
    assert hub.counters.readers_blocked == 0


async def test_slow_subscriber_is_told_exactly_what_retention_took():
    hub = make_hub(held_bytes_max=300, entries_max=10, recent_entries_max=1)
    sink = LineSink()
    sink.is_slow = True
    subscription = await subscribe(hub, sink, TAIL)
    await fill(hub, 0, 100)
    await settle()
    got = len(sink.of().payloads)
    assert 0 < got < 10
    sink.held_bytes, sink.is_slow = 0, False
    subscription.attachment.drained()
    await settle()
    (gap,) = sink.of().gaps
    assert (gap.after.offset, gap.upto.offset, gap.reason) == (got, 90, "trimmed")
    assert sink.of().payloads == numbers(0, got) + numbers(90, 100)


async def test_subscriber_that_drains_before_the_next_entry_stays_at_the_tail():
    hub = make_hub(held_bytes_max=10)
    sink = LineSink()
    sink.is_slow = True
    subscription = await subscribe(hub, sink, TAIL)
    for n in range(5):
        await fill(hub, n, n + 1)
        await settle()
        assert subscription.state is ReaderState.TAIL
        sink.held_bytes = 0
        subscription.attachment.drained()
    assert sink.of().payloads == numbers(0, 5)
    assert hub.counters.readers_slowed == 0


async def test_blocked_connection_is_sent_nothing_of_its_other_streams():
    hub = make_hub(held_bytes_max=200)
    sink = LineSink()
    sink.is_slow = True
    attachment = hub.attach(sink)
    for stream in ("a", "b", "c"):
        subscription = await attachment.open(stream, TAIL)
        sink.of(stream).held = subscription.verdict.resume
        subscription.begin()
    for n in range(20):
        for stream in ("a", "b", "c"):
            await fill(hub, n, n + 1, stream)
    await settle()
    assert sink.held_bytes < 200 + 3 * 200
    while hub.counters.readers_blocked:
        sink.held_bytes = 0
        attachment.drained()
        await settle()
    for stream in ("a", "b", "c"):
        assert sink.of(stream).payloads == numbers(0, 20)


async def test_tick_larger_than_a_subscriber_may_hold_is_cut():
    hub = make_hub(held_bytes_max=1000, page_bytes_max=1000)
    sink = LineSink()
    sink.is_slow = True
    subscription = await subscribe(hub, sink, TAIL)
    await hub.publish(publish(*[b"%03d" % n * 30 for n in range(100)]))
    await settle()
    assert sink.held_bytes < 3000
    while subscription.state is ReaderState.BLOCKED:
        sink.held_bytes = 0
        subscription.attachment.drained()
        await settle()
    assert sink.of().payloads == [b"%03d" % n * 30 for n in range(100)]


async def test_subscriber_that_drains_in_every_tick_is_never_forgotten():
    """As a socket does that the kernel empties at once: drained right behind the write."""

    class Draining(LineSink):
        def send_bytes(self, buffer, messages):
            super().send_bytes(buffer, messages)
            asyncio.get_running_loop().call_soon(self.attachment.drained)
            return 1_000_000

    hub = make_hub(page_entries_max=3, recent_entries_max=1)
    await fill(hub, 0, 50)
    sink = Draining()
    sink.attachment = hub.attach(sink)
    subscription = await sink.attachment.open("s", EARLIEST)
    sink.of().held = subscription.verdict.resume
    subscription.begin()
    for _ in range(10):
        await settle()
    assert sink.of().payloads == numbers(0, 50)
    await fill(hub, 50, 60)
    await settle()
    assert sink.of().payloads == numbers(0, 60)


async def test_blocked_subscription_can_end():
    hub = make_hub(held_bytes_max=10)
    sink = LineSink()
    sink.is_slow = True
    subscription = await subscribe(hub, sink, TAIL)
    await fill(hub, 0, 3)
    await settle()
    assert subscription.state is ReaderState.BLOCKED
    subscription.end()
    assert hub.counters.readers_blocked == 0
    subscription.attachment.drained()
    await settle()
    assert sink.of().payloads == [b"0"]


async def test_closed_stream_reaches_a_slow_subscriber_to_its_end():
    hub = make_hub(held_bytes_max=10)
    sink = LineSink()
    sink.is_slow = True
    subscription = await subscribe(hub, sink, TAIL)
    await fill(hub, 0, 5)
    await hub.close_stream("s")
    for _ in range(10):
        await settle()
        sink.held_bytes = 0
        subscription.attachment.drained()
    assert sink.of().payloads == numbers(0, 5)
    assert sink.of().closed_at is not None


async def test_unsubscribe_while_a_read_is_on_the_way_delivers_nothing():
    store = HeldStore()
    hub = make_hub(store)
    await fill(hub, 0, 3)
    sink = LineSink()
    store.shut("read")
    subscription = await subscribe(hub, sink, EARLIEST)
    await settle()
    subscription.end()
    store.open("read")
    await settle()
    assert sink.calls == 0


async def test_reads_of_the_store_are_few_at_a_time():
    store = HeldStore()
    hub = make_hub(store, readers_max=3)
    for n in range(10):
        await fill(hub, 0, 2, f"s{n}")
    store.shut("read")
    sinks = [LineSink() for _ in range(10)]
    for n, sink in enumerate(sinks):
        await subscribe(hub, sink, EARLIEST, f"s{n}")
    await settle()
    assert store.reads == 3
    store.open("read")
    await settle()
    assert all(sink.of(f"s{n}").payloads == numbers(0, 2) for n, sink in enumerate(sinks))


async def test_reader_waits_for_a_failing_store_and_goes_on():
    store = HeldStore()
    hub = make_hub(store, store_retry_s=0.01)
    await fill(hub, 0, 3)
    store.failures["read"] = [OSError("no"), RuntimeError("no")]
    sink = LineSink()
    await subscribe(hub, sink, EARLIEST)
    for _ in range(1000):
        if sink.of().payloads:
            break
        await asyncio.sleep(0.01)
    assert sink.of().payloads == numbers(0, 3)
    assert hub.counters.store_failures == 2


# -- keep latest ----------------------------------------------------------------------------


async def test_late_subscriber_of_a_keep_latest_stream_gets_what_is_kept():
    hub = make_hub(is_keep_latest=True, recent_entries_max=1)
    for key, value in [("a", 1), ("b", 2), ("a", 3), ("c", 4), ("a", 5)]:
        await hub.publish(publish(NewEntry(b"%d" % value, key)))
    sink = LineSink()
    await subscribe(hub, sink, EARLIEST)
    await settle()
    assert sink.of().payloads == [b"2", b"4", b"5"]
    assert {gap.reason for gap in sink.of().gaps} == {SUPERSEDED}
    assert not any(gap.is_loss for gap in sink.of().gaps)
    await hub.publish(publish(NewEntry(b"6", "a")))
    await settle()
    assert sink.of().payloads[-1] == b"6"


async def test_slow_subscriber_of_a_keep_latest_stream_skips_to_the_latest():
    hub = make_hub(is_keep_latest=True, held_bytes_max=10, recent_entries_max=1)
    sink = LineSink()
    sink.is_slow = True
    subscription = await subscribe(hub, sink, TAIL)
    for value in range(50):
        await hub.publish(publish(NewEntry(b"%d" % value, "ab"[value % 2])))
        await settle()
    for _ in range(6):
        sink.held_bytes = 0
        subscription.attachment.drained()
        await settle()
    assert sink.of().payloads == [b"0", b"48", b"49"]
    assert not any(gap.is_loss for gap in sink.of().gaps)
