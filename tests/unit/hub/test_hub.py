"""Publishing and fan-out: encoded once, flushed once a tick, only after the append returned."""

import asyncio

import pytest

from longwire.base.limits import HubLimits, RetentionLimits
from longwire.hub.errors import AlreadySubscribedError, SubscriptionLimitError
from longwire.hub.hub import TURNS_WAITED_MAX, Hub
from longwire.stores.memory import MemoryStore
from longwire.streams.errors import (
    SequenceGapError,
    StoreUnavailableError,
    StreamClosedError,
    StreamNameError,
)
from longwire.streams.position import START
from longwire.streams.store import StreamSettings
from longwire.streams.verdict import Last, Reason, StartAt
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


def make_hub(store=None, entries_max=None, **limits):
    retention = RetentionLimits(entries_max=entries_max, bytes_max=None, age_max_s=None)
    return Hub(
        store or MemoryStore(),
        limits=HubLimits(**limits),
        settings_for=lambda stream, content_type: StreamSettings(
            content_type=content_type, retention=retention
        ),
    )


@pytest.mark.parametrize("kind", [LineSink, EntrySink])
async def test_subscriber_gets_what_is_published_after_it(kind):
    hub = make_hub()
    await hub.publish(publish(b"0"))
    sink = kind()
    subscription = await subscribe(hub, sink, TAIL)
    await hub.publish(publish(b"1"))
    appended = await hub.publish(publish(b"2", b"3"))
    await settle()
    assert sink.of().payloads == [b"1", b"2", b"3"]
    assert sink.of().held == appended.last == subscription.position


@pytest.mark.parametrize("kind", [LineSink, EntrySink])
@pytest.mark.parametrize(
    ("start", "expected"),
    [
        (EARLIEST, [b"0", b"1", b"2"]),
        (START, [b"0", b"1", b"2"]),
        (Last(2), [b"1", b"2"]),
        (TAIL, []),
    ],
)
async def test_subscriber_begins_where_it_asks_to(kind, start, expected):
    hub = make_hub()
    for n in range(3):
        await hub.publish(publish(b"%d" % n))
    sink = kind()
    await subscribe(hub, sink, start)
    await settle()
    await hub.publish(publish(b"9"))
    await settle()
    assert sink.of().payloads == [*expected, b"9"]


async def test_position_is_honoured_after_reconnect():
    hub = make_hub()
    first = await hub.publish(publish(b"0"))
    await hub.publish(publish(b"1"))
    sink = LineSink()
    await subscribe(hub, sink, first.last)
    assert sink.of().verdict.reason is None
    await settle()
    assert sink.of().payloads == [b"1"]


async def test_subscriber_waits_for_a_stream_that_does_not_exist():
    hub = make_hub()
    sink = LineSink()
    await subscribe(hub, sink, TAIL)
    assert sink.of().verdict.resume == START
    assert await hub.store.info("s") is None
    await hub.publish(publish(b"0"))
    await settle()
    assert sink.of().payloads == [b"0"]


async def test_nothing_is_delivered_before_begin():
    hub = make_hub()
    await hub.publish(publish(b"0"))
    sink = LineSink()
    subscription = await hub.attach(sink).open("s", EARLIEST)
    await hub.publish(publish(b"1"))
    await settle()
    assert sink.calls == 0
    sink.of().held = subscription.verdict.resume
    subscription.begin()
    await settle()
    assert sink.of().payloads == [b"0", b"1"]


async def test_entry_is_encoded_once_and_shared_by_all():
    hub = make_hub()
    encoder = LineEncoder()
    sinks = [LineSink(encoder) for _ in range(1000)]
    for sink in sinks:
        await subscribe(hub, sink, TAIL)
    await hub.publish(publish(b"1"))
    await settle()
    assert encoder.entries_encoded == 1
    assert all(sink.of().payloads == [b"1"] for sink in sinks)
    assert len({id(sink.buffers[0]) for sink in sinks}) == 1
    assert hub.counters.delivered_entries == 1000


async def test_all_entries_of_a_tick_leave_in_one_buffer():
    hub = make_hub()
    sinks = [LineSink() for _ in range(3)]
    for sink in sinks:
        await subscribe(hub, sink, TAIL)
    done = []
    for n in range(20):
        hub.publisher.submit(publish(b"%d" % n), done.append)
    await settle()
    assert len(done) == 20
    for sink in sinks:
        assert sink.of().payloads == [b"%d" % n for n in range(20)]
        assert sink.calls == 1
    assert hub.counters.flushes == 1


async def test_what_is_read_while_others_are_stored_leaves_with_them():
    """As behind one connection: the next publishes are read a turn after the first were."""
    hub = make_hub()
    sink = LineSink()
    await subscribe(hub, sink, TAIL)
    for n in range(3):
        hub.publisher.submit(publish(b"%d" % n), lambda outcome: None)
        await asyncio.sleep(0)
    await settle()
    assert sink.of().payloads == [b"0", b"1", b"2"]
    assert sink.calls == 1


async def test_delivery_does_not_wait_for_a_store_that_is_slow_with_the_next():
    store = HeldStore()
    hub = make_hub(store)
    sinks = {name: LineSink() for name in ("s", "other")}
    for name, sink in sinks.items():
        await hub.publish(publish(b"0", stream=name))
        await subscribe(hub, sink, TAIL, stream=name)
    store.shut("append")
    hub.publisher.submit(publish(b"1"), lambda outcome: None)
    hub.publisher.submit(publish(b"1", stream="other"), lambda outcome: None)
    await settle()
    hub.publisher.submit(publish(b"2"), lambda outcome: None)  # is stored after the first
    store.open("append")
    store.shut("append")
    turns = dict.fromkeys(sinks, 0)
    for _ in range(30):
        for name, sink in sinks.items():
            turns[name] += not sink.calls
        await asyncio.sleep(0)
    assert [sink.of(name).payloads for name, sink in sinks.items()] == [[b"1"], [b"1"]]
    assert turns["other"] < turns["s"] <= turns["other"] + TURNS_WAITED_MAX


async def test_formats_are_encoded_separately():
    hub = make_hub()
    encoders = [LineEncoder(), LineEncoder()]
    sinks = [LineSink(encoders[0]), LineSink(encoders[1]), LineSink(encoders[1]), EntrySink()]
    for sink in sinks:
        await subscribe(hub, sink, TAIL)
    await hub.publish(publish(b"1"))
    await settle()
    assert [encoder.entries_encoded for encoder in encoders] == [1, 1]
    assert all(sink.of().payloads == [b"1"] for sink in sinks)


async def test_no_task_is_left_for_subscribers_at_the_tail():
    hub = make_hub()
    before = len(asyncio.all_tasks())
    for _ in range(200):
        await subscribe(hub, LineSink(), EARLIEST)
    await hub.publish(publish(b"1"))
    await settle()
    assert len(asyncio.all_tasks()) == before


async def test_entry_is_delivered_only_after_its_append_returned():
    store = HeldStore()
    hub = make_hub(store)
    sink = LineSink()
    await subscribe(hub, sink, TAIL)
    store.shut("append")
    task = asyncio.create_task(hub.publish(publish(b"1")))
    await settle()
    assert not task.done()
    assert sink.calls == 0
    store.open("append")
    await settle()
    assert task.done()
    assert sink.of().payloads == [b"1"]


async def test_publishes_that_wait_for_the_store_go_to_it_together():
    store = HeldStore()
    hub = make_hub(store)
    await hub.publish(publish(b"first"))
    sizes = []
    append_many = store.append_many

    async def counting(requests):
        sizes.append(len(requests))
        return await append_many(requests)

    store.append_many = counting
    store.shut("append")
    done = []
    for n in range(10):
        hub.publisher.submit(publish(b"%d" % n), done.append)
        await settle()
    store.open("append")
    await settle()
    assert sizes == [1, 9]
    assert [outcome.first.offset for outcome in done] == list(range(2, 12))


async def test_duplicate_is_not_delivered_again():
    hub = make_hub()
    sink = LineSink()
    await subscribe(hub, sink, TAIL)
    first = await hub.publish(publish(b"1", stamp=("p", 0, 0)))
    again = await hub.publish(publish(b"1", stamp=("p", 0, 0)))
    await settle()
    assert (again.is_duplicate, again.last) == (True, first.last)
    assert sink.of().payloads == [b"1"]
    assert (hub.counters.published, hub.counters.duplicates) == (1, 1)


async def test_refusals_are_raised_and_counted():
    hub = make_hub()
    await hub.publish(publish(b"1", stamp=("p", 0, 0)))
    with pytest.raises(SequenceGapError):
        await hub.publish(publish(b"1", stamp=("p", 0, 5)))
    with pytest.raises(StreamNameError):
        await hub.publish(publish(b"1", stream="a//b"))
    with pytest.raises(StreamNameError):
        await hub.publish(publish(b"1", stream="$load"))
    await hub.publish(publish(b"1", stream="$load", is_from_server=True))
    assert hub.counters.refused == {"sequence_gap": 1, "bad_stream_name": 2}


async def test_failing_store_is_reported_as_unknown_outcome():
    store = HeldStore()
    hub = make_hub(store)
    store.failures["append"] = [OSError("disk gone"), RuntimeError("bug")]
    for _ in range(2):
        with pytest.raises(StoreUnavailableError):
            await hub.publish(publish(b"1"))
    await hub.publish(publish(b"1"))
    store.failures["seek"] = [OSError("disk gone")]
    with pytest.raises(StoreUnavailableError):
        await subscribe(hub, LineSink(), TAIL)
    assert hub.channel_count == hub.counters.subscriptions == 0


async def test_ended_subscription_gets_nothing_more_and_its_channel_goes():
    hub = make_hub()
    sinks = [LineSink(), LineSink()]
    subscriptions = [await subscribe(hub, sink, TAIL) for sink in sinks]
    await hub.publish(publish(b"1"))
    await settle()
    subscriptions[0].end()
    subscriptions[0].end()
    await hub.publish(publish(b"2"))
    await settle()
    assert [sink.of().payloads for sink in sinks] == [[b"1"], [b"1", b"2"]]
    subscriptions[1].attachment.detach()
    assert hub.channel_count == hub.counters.subscriptions == 0
    await hub.publish(publish(b"3"))
    await settle()


async def test_connection_has_one_subscription_for_a_stream():
    hub = make_hub(subscriptions_per_connection_max=2)
    attachment = hub.attach(LineSink())
    first = await attachment.open("a", TAIL)
    with pytest.raises(AlreadySubscribedError):
        await attachment.open("a", TAIL)
    await attachment.open("b", TAIL)
    with pytest.raises(SubscriptionLimitError) as caught:
        await attachment.open("c", TAIL)
    assert caught.value.details == {"limit": 2}
    first.end()
    await attachment.open("c", TAIL)
    assert {subscription.stream for subscription in attachment.subscriptions} == {"b", "c"}


async def test_subscription_that_is_being_opened_counts():
    store = HeldStore()
    hub = make_hub(store, subscriptions_per_connection_max=1)
    attachment = hub.attach(LineSink())
    store.shut("seek")
    opening = asyncio.create_task(attachment.open("a", TAIL))
    await settle()
    with pytest.raises(AlreadySubscribedError):
        await attachment.open("a", TAIL)
    with pytest.raises(SubscriptionLimitError):
        await attachment.open("b", TAIL)
    store.open("seek")
    await opening


async def test_server_has_a_limit_of_subscriptions():
    hub = make_hub(subscriptions_max=1)
    await subscribe(hub, LineSink(), TAIL)
    with pytest.raises(SubscriptionLimitError):
        await subscribe(hub, LineSink(), TAIL)


async def test_connection_lost_while_subscribing_leaves_nothing():
    store = HeldStore()
    hub = make_hub(store)
    sink = LineSink()
    attachment = hub.attach(sink)
    store.shut("seek")
    opening = asyncio.create_task(attachment.open("s", TAIL))
    await settle()
    attachment.detach()
    store.open("seek")
    subscription = await opening
    subscription.begin()
    await hub.publish(publish(b"1"))
    await settle()
    assert sink.calls == 0
    assert hub.channel_count == hub.counters.subscriptions == 0


async def test_cancelled_subscribe_leaves_nothing():
    store = HeldStore()
    hub = make_hub(store)
    store.shut("seek")
    opening = asyncio.create_task(hub.attach(LineSink()).open("s", TAIL))
    await settle()
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening
    assert hub.channel_count == hub.counters.subscriptions == 0


# -- the end of a stream --------------------------------------------------------------------


@pytest.mark.parametrize("kind", [LineSink, EntrySink])
async def test_closed_stream_ends_subscriptions_after_the_last_entry(kind):
    hub = make_hub()
    live, behind = kind(), kind()
    await subscribe(hub, live, TAIL)
    hub.publisher.submit(publish(b"1"), lambda outcome: None)
    last = await hub.publish(publish(b"2", closes=True))
    await subscribe(hub, behind, EARLIEST)
    await settle()
    for sink in (live, behind):
        assert sink.of().payloads == [b"1", b"2"]
        assert sink.of().closed_at == last.last
    assert hub.counters.subscriptions == 0
    late = kind()
    await subscribe(hub, late, TAIL)
    assert late.of().verdict.is_closed
    await settle()
    assert (late.of().payloads, late.of().closed_at) == ([], last.last)
    with pytest.raises(StreamClosedError):
        await hub.publish(publish(b"3"))


async def test_close_stream_tells_live_subscribers():
    hub = make_hub()
    sink = LineSink()
    await subscribe(hub, sink, TAIL)
    last = await hub.publish(publish(b"1"))
    await hub.close_stream("s")
    await settle()
    assert (sink.of().payloads, sink.of().closed_at) == ([b"1"], last.last)


async def test_subscriber_that_comes_between_store_and_hub_sees_the_end_after_the_last_entry():
    store = HeldStore()
    hub = make_hub(store)
    live, late = LineSink(), LineSink()
    await hub.publish(publish(b"1"))
    await subscribe(hub, live, TAIL)
    store.shut("append")
    task = asyncio.create_task(hub.publish(publish(b"2", closes=True)))
    await settle()
    await subscribe(hub, late, EARLIEST)
    await settle()
    store.open("append")
    await task
    await settle()
    assert live.of().payloads == [b"2"]
    assert late.of().payloads == [b"1", b"2"]
    assert live.of().closed_at == late.of().closed_at is not None


async def test_deleted_stream_is_a_named_gap_and_the_next_life_follows():
    hub = make_hub()
    sink = LineSink()
    await subscribe(hub, sink, TAIL)
    before = await hub.publish(publish(b"1"))
    await settle()
    assert await hub.delete_stream("s")
    await settle()
    (gap,) = sink.of().gaps
    assert (gap.after, gap.upto, gap.reason, gap.is_loss) == (before.last, START, "epoch", True)
    await hub.publish(publish(b"2"))
    await settle()
    assert sink.of().payloads == [b"1", b"2"]
    assert not await hub.delete_stream("t")


async def test_stream_recreated_behind_the_hub_is_noticed():
    hub = make_hub()
    sink = LineSink()
    await subscribe(hub, sink, TAIL)
    await hub.publish(publish(b"1"))
    await hub.publish(publish(b"2"))
    await settle()
    await hub.store.delete("s")
    await hub.publish(publish(b"3"))
    await settle()
    assert sink.of().payloads == [b"1", b"2", b"3"]
    assert [gap.reason for gap in sink.of().gaps] == [Reason.EPOCH.value]


async def test_hub_finishes_publishing_before_it_closes():
    store = HeldStore()
    hub = make_hub(store)
    hub.start()
    sink = LineSink()
    await subscribe(hub, sink, TAIL)
    done = []
    store.shut("append")
    hub.publisher.submit(publish(b"1"), done.append)
    closing = asyncio.create_task(hub.close())
    await settle()
    assert not closing.done()
    store.open("append")
    await closing
    assert len(done) == 1
    assert sink.of().payloads == [b"1"]


async def test_erased_payload_is_shown_to_nobody_who_comes_later():
    hub = make_hub()
    first = (await hub.publish(publish(b"secret", b"2"))).first
    early, late = EntrySink(), EntrySink()
    await subscribe(hub, early, EARLIEST)
    await settle()
    assert await hub.erase("s", first)
    assert not await hub.erase("s", first)
    await subscribe(hub, late, EARLIEST)
    await settle()
    await hub.publish(publish(b"3"))
    await settle()
    assert early.of().payloads == [b"secret", b"2", b"3"]
    assert late.of().payloads == [b"", b"2", b"3"]
    await hub.close()


async def test_streams_are_looked_for_though_the_store_fails_to_expire_what_is_old(monkeypatch):
    class FailingStore(MemoryStore):
        is_shared = True

        async def expire(self):
            raise OSError("the disk is gone")

    monkeypatch.setattr("longwire.hub.hub.EXPIRE_INTERVAL_S", 0.01)
    hub = make_hub(FailingStore())
    await hub.publish(publish(b"1"))
    seen = asyncio.Queue()
    await hub.creations.follow(seen.put_nowait)
    hub.start()
    try:
        assert [await asyncio.wait_for(seen.get(), 30) for _ in range(3)] == ["s"] * 3
    finally:
        await hub.close()
    assert hub.counters.store_failures >= 2
