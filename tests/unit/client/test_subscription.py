"""A reader of one stream, on its wire side and on the application's."""

import asyncio

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from longwire.client.errors import ClientError
from longwire.client.events import End, Gap, Recovered
from longwire.client.subscription import Subscription
from tests.unit.client.host import Host, at, entry, settle


def subscribe(host, seen=None, **options):
    """A subscription whose handler appends to ``seen``."""
    handler = None if seen is None else lambda message: seen.append(message.data)
    subscription = Subscription(host, "s", handler=handler, **options)
    host.reading.add(subscription)
    return subscription


def answer(host, position, tail=None, **members):
    return host.answer("subscribe", position=str(position), tail=str(tail or position), **members)


async def test_position_advances_when_the_handler_has_returned():
    host, go_on, seen = Host(), asyncio.Event(), []

    async def handle(message):
        seen.append(message.data)
        await go_on.wait()

    subscription = Subscription(host, "s", handler=handle)
    host.reading.add(subscription)
    assert host.next("subscribe") == {"stream": "s", "start": "tail"}
    answer(host, at(4))
    subscription.entry(entry(5))
    subscription.entry(entry(6))
    await settle()
    assert (seen, subscription.position, subscription.received) == ([5], at(4), at(6))
    go_on.set()
    await settle()
    assert (seen, subscription.position) == ([5, 6], at(6))


async def test_position_advances_in_a_loop_when_the_next_is_asked_for():
    host = Host()
    subscription = subscribe(host, start=10)
    assert answer(host, at(0)) == {"stream": "s", "start": {"last": 10}}
    for number in (1, 2):
        subscription.entry(entry(number))
    held = []
    async for _ in subscription:
        held.append(subscription.position)
        if len(held) == 2:
            break
    assert held == [at(0), at(1)]
    await settle()
    assert host.next("unsubscribe") == {"stream": "s"}
    assert subscription.is_ended


async def test_handler_that_fails_is_told_and_the_next_message_comes():
    host, seen = Host(), []

    def handle(message):
        if message.data == 1:
            raise ValueError("no")
        seen.append(message.data)

    subscription = Subscription(host, "s", handler=handle)
    host.reading.add(subscription)
    answer(host, at(0))
    subscription.entry(entry(1))
    subscription.entry(entry(2))
    assert (seen, host.errors(), subscription.position) == ([2], ["handler_failed"], at(2))
    assert isinstance(host.events[0].__cause__, ValueError)


async def test_reconnect_goes_on_from_what_was_received_and_tells_what_was_missed():
    host, seen = Host(), []
    subscription = subscribe(host, seen)
    answer(host, at(0))
    subscription.entry(entry(1))
    subscription.disconnected()
    subscription.entry(entry(2))  # of the old connection
    subscription.connected()
    asked = answer(host, at(1), at(3), recovered=True)
    assert asked == {"stream": "s", "position": str(at(1))}
    assert host.events == [Recovered("s", at(1), 2)]
    for number in (2, 3):
        subscription.entry(entry(number))
    assert seen == [1, 2, 3]


@pytest.mark.parametrize(
    ("reason", "place"),
    [
        ("trimmed", at(9)),
        ("epoch", at(2, "zzzzzzzz")),
        ("diverged", at(8, history="other")),
        ("diverged", at(7, history="other")),
        ("ahead", at(5)),
    ],
)
async def test_position_that_is_not_honoured_is_a_gap(reason, place):
    host, seen = Host(), []
    subscription = subscribe(host, seen, position=at(7))
    answer(host, place, recovered=False, reason=reason, held=str(at(7)))
    assert host.events == [Gap("s", reason, at(7), place)]
    assert subscription.position == subscription.received == place


async def test_gap_on_the_way_is_told_in_its_turn():
    host, seen = Host(), []

    async def handle(message):
        await asyncio.sleep(0)
        seen.append(message.data)

    subscription = Subscription(host, "s", handler=handle)
    host.reading.add(subscription)
    host.announce = seen.append
    answer(host, at(0))
    subscription.entry(entry(1))
    gap = {"after": str(at(1)), "upto": str(at(5)), "reason": "skipped", "lost": True}
    subscription.gap(gap)
    subscription.entry(entry(6))
    await settle()
    assert seen == [1, Gap("s", "skipped", at(1), at(5)), 6]


async def test_superseded_entries_are_no_gap():
    host, seen = Host(), []
    subscription = subscribe(host, seen)
    answer(host, at(0))
    gap = {"after": str(at(0)), "upto": str(at(4)), "reason": "superseded", "lost": False}
    subscription.gap(gap)
    assert (host.events, subscription.position) == ([], at(4))


async def test_what_is_below_the_held_position_is_dropped():
    host, seen = Host(), []
    subscription = subscribe(host, seen)
    answer(host, at(3))
    subscription.entry(entry(4))
    for number in (2, 3, 4):
        subscription.entry(entry(number))
    subscription.entry(entry(5))
    assert (seen, host.events, host.requests) == ([4, 5], [], [])


async def test_interval_that_does_not_fit_is_never_passed_on():
    host, seen = Host(), []
    subscription = subscribe(host, seen)
    answer(host, at(0))
    subscription.entry(entry(1))
    subscription.entry(entry(3))
    assert (seen, host.errors()) == ([1], ["interval_mismatch"])
    subscription.entry(entry(4))  # on the way, from before the server had read what was asked
    host.answer("unsubscribe", position=str(at(4)))
    assert answer(host, at(1), at(4), recovered=True) == {"stream": "s", "position": str(at(1))}
    for number in (2, 3, 4):
        subscription.entry(entry(number))
    assert seen == [1, 2, 3, 4]


async def test_server_that_never_fits_ends_the_subscription():
    host = Host()
    subscription = subscribe(host)
    answer(host, at(0))
    for _ in range(3):
        subscription.entry(entry(9))
        host.answer("unsubscribe")
        answer(host, at(0), recovered=True)
    subscription.entry(entry(9))
    assert subscription.is_ended
    with pytest.raises(ClientError, match="never fit"):
        async for _ in subscription:
            pass


async def test_full_queue_leaves_the_stream_until_it_has_drained():
    host = Host()
    host.queue_messages_max = 4
    subscription = subscribe(host)
    answer(host, at(0))
    for number in range(1, 7):
        subscription.entry(entry(number))
    assert host.answer("unsubscribe", position=str(at(6))) == {"stream": "s"}
    seen = []
    async for message in subscription:
        seen.append(message.data)
        if host.requests and host.requests[0][0] == "subscribe":
            assert answer(host, at(4), at(6), recovered=True)["position"] == str(at(4))
            for number in (5, 6):
                subscription.entry(entry(number))
        if message.data == 6:
            break
    assert seen == [1, 2, 3, 4, 5, 6]


async def test_full_queue_outlives_a_reconnect():
    host = Host()
    host.queue_messages_max = 2
    subscription = subscribe(host)
    answer(host, at(0))
    subscription.entry(entry(1))
    subscription.entry(entry(2))
    host.requests.clear()
    subscription.disconnected()
    subscription.connected()
    assert host.requests == []
    async for message in subscription:
        if message.data == 2:
            break
    assert host.next("subscribe")["position"] == str(at(2))


async def test_refusal_ends_it_unless_it_says_later():
    host = Host()
    subscription = subscribe(host, [])
    host.refuse("subscribe", "store_unavailable", retry=True)
    assert not subscription.is_ended
    while not host.requests:
        await asyncio.sleep(0)
    host.refuse("subscribe", "permission_denied", action="read")
    assert subscription.is_ended
    assert host.errors() == ["store_unavailable", "permission_denied"]
    with pytest.raises(ClientError) as caught:
        await subscription.ready()
    assert caught.value.details == {"action": "read", "stream": "s"}


async def test_server_ends_it():
    host, seen = Host(), []
    subscription = subscribe(host, seen)
    answer(host, at(0))
    host.reading.received(
        {"op": "ended", "stream": "s", "code": "permission_denied", "message": "", "retry": False}
    )
    assert subscription.is_ended and host.errors() == ["permission_denied"]


async def test_closed_stream_ends_the_loop_after_its_last_message():
    host = Host()
    subscription = subscribe(host)
    answer(host, at(0))
    subscription.entry(entry(1))
    subscription.closed({"position": str(at(1))})
    assert [message.data async for message in subscription] == [1]
    assert host.events == [End("s", at(1))]
    assert host.requests == []


class Price(msgspec.Struct):
    name: str
    cents: int


async def test_messages_have_the_type_that_was_asked_for():
    host, seen = Host(), []
    subscription = subscribe(host, seen, data_type=Price)
    answer(host, at(0))
    subscription.entry(entry(1, data={"name": "tea", "cents": 250}))
    subscription.entry(entry(2, data={"name": "tea", "cents": "many"}))
    subscription.entry(entry(3, data={"name": "milk", "cents": 99}))
    assert seen == [Price("tea", 250), Price("milk", 99)]
    assert host.errors() == ["bad_data"]
    assert "Expected `int`, got `str` - at `$.cents`" in host.events[0].message
    assert subscription.position == at(3)


async def test_bytes_keys_and_erasure_are_what_they_were():
    host, seen = Host(), []
    subscription = Subscription(host, "s", handler=seen.append)
    host.reading.add(subscription)
    answer(host, at(0))
    with_bytes = entry(1, base64="AAEC", key="k")
    del with_bytes["data"]
    subscription.entry(with_bytes)
    erased = entry(2, erased=True)
    del erased["data"]
    subscription.entry(erased)
    assert (seen[0].data, seen[0].key, seen[0].time_ms) == (b"\0\1\2", "k", 1001)
    assert (seen[1].data, seen[1].is_erased) == (None, True)


ACTIONS = ["deliver", "deliver", "deliver", "cut", "connect", "answer", "take", "repeat"]


@given(st.lists(st.sampled_from(ACTIONS), max_size=80), st.integers(1, 5))
def test_whatever_is_cut_when_everything_comes_once_in_order(steps, queue_max):
    """A server that keeps the rule, cuts at any point, and an application that takes its time."""

    async def run():
        host = Host()
        host.queue_messages_max = queue_max
        subscription = subscribe(host, start="earliest")
        messages, seen, sent, on_wire = aiter(subscription), [], 0, None

        async def take():
            task = asyncio.ensure_future(anext(messages))
            await settle()
            if not task.done():
                return task
            seen.append(task.result().data)
            return None

        waiting = None
        for step in steps + ["connect", "answer", "take"] * 12:
            if step == "cut":
                host.requests.clear()
                subscription.disconnected()
                host.is_usable, on_wire = False, None
            elif step == "connect" and not host.is_usable:
                host.is_usable = True
                subscription.connected()
            elif step == "answer" and host.requests:
                if host.requests[0][0] == "unsubscribe":
                    host.answer("unsubscribe")
                    on_wire = None
                else:
                    asked = host.next("subscribe").get("position", str(at(0)))
                    on_wire = int(asked[:16])
                    answer(host, at(on_wire), at(max(sent, on_wire)), recovered=True)
            elif step == "deliver" and on_wire is not None and host.is_usable:
                on_wire += 1
                sent = max(sent, on_wire)
                subscription.entry(entry(on_wire))
            elif step == "repeat" and on_wire and host.is_usable:
                subscription.entry(entry(on_wire))
            if waiting is not None and waiting.done():
                seen.append(waiting.result().data)
                waiting = None
            if step in ("take", "connect") and waiting is None:
                waiting = await take()
            await settle()
        assert host.errors() == []
        assert seen == list(range(1, len(seen) + 1))
        assert subscription.received is None or subscription.received.offset >= len(seen)
        if waiting is not None:
            waiting.cancel()
            await asyncio.wait([waiting])

    asyncio.run(run())
