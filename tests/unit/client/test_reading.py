"""All that one client reads, taken up again in few messages."""

import pytest

from longwire.client.errors import ClientError
from longwire.client.subscription import Subscription
from tests.unit.client.host import Host, at, entry


def subscribe(host, stream, seen):
    subscription = Subscription(host, stream, handler=lambda message: seen.append(message.data))
    host.reading.add(subscription)
    return subscription


def place(position, **members):
    return {"position": str(position), "tail": str(position), **members}


def reconnect(host, **hello):
    host.requests.clear()
    host.reading.disconnected()
    host.reading.connected(hello)


async def test_many_positions_go_in_one_message():
    host, seen = Host(), []
    for stream in ("a", "b", "c"):
        subscribe(host, stream, seen)
    host.answer("subscribe", **place(at(1)))
    host.answer("subscribe", **place(at(2)))
    reconnect(host)
    refusal = {"code": "permission_denied", "message": "no", "retry": False, "action": "read"}
    asked = host.answer(
        "resume",
        streams=[place(at(1), recovered=True), place(at(2), recovered=True), refusal],
    )
    assert asked["streams"] == [
        {"stream": "a", "position": str(at(1))},
        {"stream": "b", "position": str(at(2))},
        {"stream": "c", "start": "tail"},
    ]
    host.reading.received(entry(2, "a"))
    host.reading.received(entry(3, "b"))
    assert (seen, host.errors(), host.requests) == ([2, 3], ["permission_denied"], [])


async def test_messages_are_no_longer_than_the_server_takes():
    host = Host(message_bytes=2_048 + 200, subscriptions=3)
    for number in range(8):
        subscribe(host, f"{number}" * (100 if number > 4 else 1), [])
    reconnect(host)
    counts = [len(members["streams"]) for op, members, _, _ in host.requests if op == "resume"]
    singles = [members["stream"] for op, members, _, _ in host.requests if op == "subscribe"]
    assert counts == [3, 3] and [stream[0] for stream in singles] == ["6", "7"]


async def test_server_that_cannot_resume_is_asked_one_by_one():
    host, seen = Host(), []
    for stream in ("a", "b"):
        subscribe(host, stream, seen)
    reconnect(host)
    host.refuse("resume", "bad_message")
    assert host.answer("subscribe", **place(at(0)))["stream"] == "a"
    host.answer("subscribe", **place(at(0)))
    host.reading.received(entry(1, "b"))
    assert seen == [1]


async def test_resume_that_is_refused_for_now_is_asked_again():
    host = Host()
    for stream in ("a", "b"):
        subscribe(host, stream, [])
    reconnect(host)
    host.refuse("resume", "store_unavailable", retry=True)
    reconnect(host)
    assert len(host.next("resume")["streams"]) == 2


async def test_one_stream_has_one_subscription():
    host = Host()
    subscribe(host, "a", [])
    with pytest.raises(ClientError) as caught:
        subscribe(host, "a", [])
    assert caught.value.code == "already_subscribed"


def inbox(host, seen):
    subscription = Subscription(host, "", handler=lambda message: seen.append(message.data))
    host.reading.add_inbox(subscription)
    return subscription


async def test_inbox_is_taken_up_with_connect():
    host, seen = Host(), []
    host.is_usable = False
    subscription = inbox(host, seen)
    assert host.reading.hello() == {}
    host.is_usable = True
    reconnect(host, inbox={"stream": "$user/ann", **place(at(4))})
    assert (subscription.stream, host.requests) == ("$user/ann", [])
    host.reading.received(entry(5, "$user/ann"))
    host.reading.disconnected()
    assert host.reading.hello() == {"inbox": str(at(5))}
    host.reading.connected({"inbox": {"stream": "$user/ann", **place(at(5), recovered=True)}})
    host.reading.received(entry(6, "$user/ann"))
    assert (seen, host.requests) == ([5, 6], [])


async def test_inbox_that_nobody_reads_is_left_and_can_be_read_later():
    host, seen = Host(), []
    reconnect(host, inbox={"stream": "$user/ann", **place(at(4))})
    assert host.answer("unsubscribe") == {"stream": "$user/ann"}
    inbox(host, seen)
    assert host.answer("subscribe", **place(at(7)))["stream"] == "$user/ann"
    host.reading.received(entry(8, "$user/ann"))
    assert seen == [8]


async def test_inbox_subscribed_by_its_name_is_the_inbox():
    host, seen = Host(), []
    host.is_usable = False
    subscribe(host, "$user/ann", seen)
    host.is_usable = True
    reconnect(host, inbox={"stream": "$user/ann", **place(at(4))})
    host.reading.received(entry(5, "$user/ann"))
    assert (seen, host.requests) == ([5], [])


@pytest.mark.parametrize("hello", [{}, {"inbox": {"stream": "$user/bob", **place(at(0))}}])
async def test_inbox_that_is_not_there_or_anothers_ends(hello):
    host = Host()
    host.is_usable = False
    subscription = inbox(host, [])
    host.is_usable = True
    if hello:
        reconnect(host, inbox={"stream": "$user/ann", **place(at(4))})
    reconnect(host, **hello)
    assert subscription.is_ended
