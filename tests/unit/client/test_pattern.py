"""A reader of every stream that matches a pattern."""

import asyncio

import pytest

from longwire.client.errors import ClientError
from longwire.client.events import End, Gap, Recovered
from longwire.client.pattern import PatternSubscription
from longwire.client.subscription import Subscription
from tests.unit.client.host import Host, at, entry


def subscribe(host, seen=None, **options):
    def handle(message):
        seen.append((message.stream, message.data))

    pattern = PatternSubscription(
        host, "chat/*", handler=None if seen is None else handle, **options
    )
    host.reading.add_pattern(pattern)
    return pattern


def matched(host, stream, position, tail=None, **members):
    tail = str(tail or position)
    message = {"op": "matched", "pattern": "chat/*", "stream": stream}
    host.reading.received({**message, "position": str(position), "tail": tail, **members})


def deliver(host, stream, *numbers):
    for number in numbers:
        host.reading.received(entry(number, stream))


async def test_each_stream_is_read_as_by_a_subscription_of_its_own():
    host, seen = Host(), []
    pattern = subscribe(host, seen)
    assert host.answer("subscribe", streams=2) == {"pattern": "chat/*", "start": "tail"}
    matched(host, "chat/a", at(3))
    matched(host, "chat/b", at(0))
    deliver(host, "chat/a", 4)
    deliver(host, "chat/b", 1)
    deliver(host, "other", 1)
    deliver(host, "chat/a", 5)
    assert seen == [("chat/a", 4), ("chat/b", 1), ("chat/a", 5)]
    assert pattern.positions == {"chat/a": at(5), "chat/b": at(1)}
    await pattern.ready()


async def test_reconnect_sends_positions_and_asks_for_what_was_created_meanwhile():
    host, seen = Host(), []
    pattern = subscribe(host, seen)
    host.answer("subscribe", streams=1)
    matched(host, "chat/a", at(0))
    deliver(host, "chat/a", 1)
    pattern.disconnected()
    deliver(host, "chat/a", 2)
    pattern.connected()
    asked = host.answer("subscribe", streams=2)
    assert asked["start"] == "earliest"
    assert asked["positions"] == {"chat/a": str(at(1))}
    matched(host, "chat/a", at(1), at(2), recovered=True)
    matched(host, "chat/new", at(0), at(1))
    deliver(host, "chat/a", 2)
    deliver(host, "chat/new", 1)
    assert seen == [("chat/a", 1), ("chat/a", 2), ("chat/new", 1)]
    assert host.events == [Recovered("chat/a", at(1), 1)]


async def test_start_is_kept_until_all_that_there_were_are_known():
    host = Host()
    pattern = subscribe(host, [])
    host.answer("subscribe", streams=3)
    matched(host, "chat/a", at(5))
    pattern.disconnected()
    pattern.connected()
    assert host.answer("subscribe", streams=3)["start"] == "tail"
    matched(host, "chat/a", at(5), recovered=True)
    matched(host, "chat/b", at(2))
    refusal = {"code": "too_many_subscriptions", "message": "", "retry": False, "limit": 2}
    host.reading.received({"op": "ended", "stream": "chat/c", **refusal})
    assert host.errors() == ["too_many_subscriptions"]
    pattern.disconnected()
    pattern.connected()
    assert host.next("subscribe")["start"] == "earliest"


async def test_positions_of_an_earlier_life_are_handed_in():
    host, seen = Host(), []
    pattern = subscribe(host, seen, positions={"chat/a": at(2)}, start="earliest")
    assert host.answer("subscribe", streams=1)["positions"] == {"chat/a": str(at(2))}
    members = {"recovered": False, "reason": "trimmed", "held": str(at(2))}
    matched(host, "chat/a", at(4), **members)
    deliver(host, "chat/a", 5)
    assert host.events == [Gap("chat/a", "trimmed", at(2), at(4))]
    assert (seen, pattern.positions) == ([("chat/a", 5)], {"chat/a": at(5)})


async def test_interval_that_does_not_fit_is_asked_for_again():
    host, seen = Host(), []
    subscribe(host, seen)
    host.answer("subscribe", streams=1)
    matched(host, "chat/a", at(0))
    deliver(host, "chat/a", 2)
    assert host.errors() == ["interval_mismatch"]
    host.answer("unsubscribe")
    assert host.answer("subscribe", streams=1)["positions"] == {"chat/a": str(at(0))}
    matched(host, "chat/a", at(0), recovered=True)
    deliver(host, "chat/a", 1, 2)
    assert seen == [("chat/a", 1), ("chat/a", 2)]


async def test_full_queue_leaves_all_of_them_until_it_has_drained():
    host = Host()
    host.queue_messages_max = 2
    pattern = subscribe(host, None)
    host.answer("subscribe", streams=1)
    matched(host, "chat/a", at(0))
    deliver(host, "chat/a", 1, 2, 3)
    host.answer("unsubscribe")
    seen = []
    async for message in pattern:
        seen.append(message.data)
        if host.requests and host.requests[0][0] == "subscribe":
            assert host.answer("subscribe", streams=1)["positions"] == {"chat/a": str(at(2))}
            matched(host, "chat/a", at(2), recovered=True)
            deliver(host, "chat/a", 3)
        if message.data == 3:
            break
    assert seen == [1, 2, 3]


async def test_end_of_one_stream_leaves_the_others():
    host, seen = Host(), []
    pattern = subscribe(host, seen)
    host.answer("subscribe", streams=3)
    for stream in ("chat/a", "chat/b", "chat/c"):
        matched(host, stream, at(0))
    host.reading.received({"op": "closed", "stream": "chat/a", "position": str(at(0))})
    gone = {"code": "permission_denied", "message": "", "retry": False}
    host.reading.received({"op": "ended", "stream": "chat/b", **gone})
    deliver(host, "chat/c", 1)
    assert (seen, host.errors()) == ([("chat/c", 1)], ["permission_denied"])
    assert End("chat/a", at(0)) in host.events
    pattern.disconnected()
    pattern.connected()
    assert host.next("subscribe")["positions"] == {"chat/c": str(at(1))}


async def test_stream_that_cannot_be_read_now_is_asked_for_again():
    host, seen = Host(), []
    subscribe(host, seen)
    host.answer("subscribe", streams=1)
    matched(host, "chat/a", at(0))
    later = {"code": "store_unavailable", "message": "", "retry": True}
    host.reading.received({"op": "ended", "stream": "chat/a", **later})
    while not host.requests:
        await asyncio.sleep(0)
    host.answer("unsubscribe")
    host.answer("subscribe", streams=1)
    matched(host, "chat/a", at(0), recovered=True)
    deliver(host, "chat/a", 1)
    assert seen == [("chat/a", 1)]


async def test_refused_pattern_ends():
    host = Host()
    pattern = subscribe(host, [])
    host.refuse("subscribe", "bad_pattern")
    with pytest.raises(ClientError) as caught:
        await pattern.ready()
    assert caught.value.details == {"pattern": "chat/*"}
    assert pattern.is_ended


async def test_stream_that_a_pattern_reads_takes_no_second_subscription():
    host = Host()
    subscribe(host, [])
    host.answer("subscribe", streams=1)
    matched(host, "chat/a", at(0))
    with pytest.raises(ClientError) as caught:
        host.reading.add(Subscription(host, "chat/a"))
    assert caught.value.code == "already_subscribed"
    with pytest.raises(ClientError):
        subscribe(host, [])


async def test_subscription_and_pattern_both_get_a_stream_that_came_later_to_the_pattern():
    host, seen, own = Host(), [], []
    host.reading.add(Subscription(host, "chat/a", handler=lambda message: own.append(message.data)))
    host.answer("subscribe", position=str(at(0)), tail=str(at(0)))
    subscribe(host, seen)
    host.answer("subscribe", streams=1)
    matched(host, "chat/a", at(0))
    deliver(host, "chat/a", 1)
    assert (own, seen) == ([1], [("chat/a", 1)])


def overtake(host, handler):
    """A subscription that has three messages, and a pattern that had room for two of them."""
    host.reading.add(Subscription(host, "chat/a", handler=handler))
    host.answer("subscribe", position=str(at(0)), tail=str(at(0)))
    pattern = subscribe(host, None)
    host.answer("subscribe", streams=1)
    matched(host, "chat/a", at(0))
    deliver(host, "chat/a", 1, 2, 3)
    host.answer("unsubscribe")  # the pattern's queue is full; the subscription goes on
    return aiter(pattern)


async def test_readers_of_one_stream_at_different_places_are_brought_together():
    host, seen, own = Host(), [], []
    host.queue_messages_max = 2
    messages = overtake(host, lambda message: own.append(message.data))
    seen += [(await anext(messages)).data, (await anext(messages)).data]
    assert host.answer("subscribe", streams=1)["positions"] == {"chat/a": str(at(2))}
    matched(host, "chat/a", at(3))
    assert host.restarts == ["the readers of chat/a stand at different places"]
    host.reading.disconnected()
    host.reading.connected({})
    place = {"position": str(at(2)), "tail": str(at(4)), "recovered": True}
    assert host.answer("subscribe", **place)["position"] == str(at(2))
    host.answer("subscribe", streams=1)
    matched(host, "chat/a", at(2))
    deliver(host, "chat/a", 3, 4)
    seen += [(await anext(messages)).data, (await anext(messages)).data]
    await messages.aclose()
    assert (own, seen) == ([1, 2, 3, 4], [1, 2, 3, 4])


async def test_pattern_follows_what_another_reader_is_delivered_before_the_server_tells():
    host, seen = Host(), []
    host.reading.add(Subscription(host, "chat/a", handler=lambda message: None))
    host.answer("subscribe", position=str(at(0)), tail=str(at(0)))
    subscribe(host, seen)
    host.answer("subscribe", streams=1)
    matched(host, "chat/a", at(0))
    deliver(host, "chat/a", 1)
    host.reading.disconnected()
    host.reading.connected({})
    place = {"position": str(at(1)), "tail": str(at(4)), "recovered": True}
    host.answer("subscribe", **place)
    deliver(host, "chat/a", 2)  # while the server looks for the streams that match
    host.answer("subscribe", streams=1)
    deliver(host, "chat/a", 3)
    matched(host, "chat/a", at(3))
    deliver(host, "chat/a", 4)
    assert seen == [("chat/a", number) for number in (1, 2, 3, 4)]
    assert host.restarts == []


async def test_stream_that_came_later_is_read_from_its_start_though_another_reader_is_ahead():
    host, seen = Host(), []
    subscribe(host, seen)
    host.answer("subscribe", streams=0)
    host.reading.add(Subscription(host, "chat/a", handler=lambda message: None))
    host.answer("subscribe", position=str(at(0)), tail=str(at(0)))
    deliver(host, "chat/a", 1)
    matched(host, "chat/a", at(1))
    assert host.restarts == ["the readers of chat/a stand at different places"]
    host.reading.disconnected()
    host.reading.connected({})
    place = {"position": str(at(0)), "tail": str(at(2)), "recovered": True}
    assert host.answer("subscribe", **place)["position"] == str(at(0))
    assert host.answer("subscribe", streams=1)["positions"] == {"chat/a": str(at(0))}
    matched(host, "chat/a", at(0))
    deliver(host, "chat/a", 1, 2)
    assert seen == [("chat/a", 1), ("chat/a", 2)]


async def test_pattern_hears_of_the_gap_that_another_reader_is_told_of():
    host, seen = Host(), []
    host.queue_messages_max = 2
    messages = overtake(host, lambda message: None)
    seen += [(await anext(messages)).data, (await anext(messages)).data]
    host.answer("subscribe", streams=1)
    matched(host, "chat/a", at(3))
    assert len(host.restarts) == 1
    host.reading.disconnected()
    host.reading.connected({})
    # Meanwhile 3 and 4 were trimmed.
    trimmed = {"recovered": False, "reason": "trimmed"}
    asked = host.answer("subscribe", position=str(at(4)), tail=str(at(5)), **trimmed)
    assert asked["position"] == str(at(2))
    host.answer("subscribe", streams=1)
    deliver(host, "chat/a", 5)
    matched(host, "chat/a", at(5))
    seen.append((await asyncio.wait_for(anext(messages), 10)).data)
    await messages.aclose()
    assert seen == [1, 2, 5]
    gaps = [event for event in host.events if isinstance(event, Gap)]
    assert Gap("chat/a", "trimmed", at(2), at(4)) in gaps
    assert len(host.restarts) == 1


async def test_what_was_trimmed_before_the_place_of_another_reader_is_no_gap_here():
    host, seen = Host(), []
    host.queue_messages_max = 2
    paused = Subscription(host, "chat/a")
    host.reading.add(paused)
    host.answer("subscribe", position=str(at(0)), tail=str(at(0)))
    subscribe(host, seen)
    host.answer("subscribe", streams=1)
    matched(host, "chat/a", at(0))
    deliver(host, "chat/a", 1, 2, 3, 4)
    host.answer("unsubscribe")  # the queue of the subscription is full: it stands at 2
    host.reading.disconnected()
    host.reading.connected({})
    asked = host.answer("subscribe", streams=1)
    assert asked["positions"] == {"chat/a": str(at(2))}
    trimmed = {"recovered": False, "reason": "trimmed"}
    matched(host, "chat/a", at(3), tail=str(at(5)), **trimmed)
    deliver(host, "chat/a", 4, 5)
    assert seen == [("chat/a", number) for number in (1, 2, 3, 4, 5)]
    assert not [event for event in host.events if isinstance(event, Gap)]


async def test_paused_subscription_that_a_pattern_overtook_is_taken_up_on_another_connection():
    host = Host()
    host.reading.add(Subscription(host, "chat/a", handler=lambda message: None))
    host.refuse("subscribe", "already_subscribed")
    assert host.restarts and host.errors() == ["already_subscribed"]
    host.reading.disconnected()
    host.reading.connected({})
    assert host.next("subscribe")["stream"] == "chat/a"
