"""The stream of a user's own."""

from __future__ import annotations

from longwire.gateways.native.inbox import inbox_of
from tests.unit.gateways.native.peer import Peer, make_gateway, settle
from tests.unit.hub.collectors import publish


def send(gateway, user, payload):
    return gateway.hub.publish(publish(payload, stream=inbox_of(user), is_from_server=True))


def test_inbox_is_named_after_its_user():
    assert inbox_of("ann") == "$user/ann"
    assert inbox_of("a/b ü~._-*") == "$user/a%2Fb%20%C3%BC~._-%2A"


async def test_known_user_is_subscribed_to_his_inbox_by_connect():
    gateway = make_gateway()
    await send(gateway, "ann", b'"before"')
    peer = Peer(gateway)
    answer = await peer.ask("connect", version=1, token="ann")
    assert answer["inbox"]["stream"] == "$user/ann"
    await send(gateway, "ann", b'"hello"')
    await send(gateway, "bob", b'"not for ann"')
    await settle()
    assert [entry["data"] for entry in peer.of("entry")] == ["hello"]
    held = peer.of("entry")[0]["position"]
    peer.session.lost()
    await send(gateway, "ann", b'"while away"')
    again = Peer(gateway)
    answer = await again.ask("connect", version=1, token="ann", inbox=held)
    assert (answer["inbox"]["recovered"], answer["inbox"]["position"]) == (True, held)
    await settle()
    assert [entry["data"] for entry in again.of("entry")] == ["while away"]
    history = await again.ask("history", stream="$user/ann")
    assert [entry["data"] for entry in history["entries"]] == ["before", "hello", "while away"]
    assert (await again.ask("unsubscribe", stream="$user/ann"))["op"] == "unsubscribed"


async def test_nobody_else_reads_or_writes_an_inbox():
    gateway = make_gateway()
    peer = await Peer.connected(gateway, token="ann")
    for op in ("subscribe", "history"):
        assert (await peer.ask(op, stream="$user/bob"))["code"] == "bad_stream_name"
    for stream in ("$user/ann", "$user/bob"):
        answer = await peer.ask("publish", stream=stream, data=1)
        assert answer["code"] == "bad_stream_name"
    anonymous = await Peer.connected(gateway)
    assert "inbox" not in anonymous.all[0]
    assert (await anonymous.ask("subscribe", stream="$user/"))["code"] == "bad_stream_name"


async def test_wrong_position_of_the_inbox_is_refused_and_connect_may_be_repeated():
    peer = Peer(make_gateway())
    answer = await peer.ask("connect", version=1, token="ann", inbox="nowhere")
    assert answer["code"] == "bad_position"
    assert (await peer.ask("connect", version=1, token="ann"))["op"] == "connected"


async def test_inboxes_can_be_switched_off():
    peer = await Peer.connected(make_gateway(has_inboxes=False), token="ann")
    assert "inbox" not in peer.all[0]
    assert not peer.session.attachment.subscriptions
