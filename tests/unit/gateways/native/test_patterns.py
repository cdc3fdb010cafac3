"""Subscriptions to every stream that matches a pattern."""

from __future__ import annotations

import asyncio

import pytest

from longwire.base.limits import HubLimits
from longwire.gateways.native.patterns import AGAIN_FIRST_S
from longwire.hub.errors import BackendTimeoutError
from longwire.streams.errors import StoreUnavailableError
from longwire.streams.position import START
from tests.integration.net.local import eventually
from tests.unit.gateways.native.peer import Application, Peer, make_gateway, settle
from tests.unit.hub.collectors import HeldStore, publish


async def fill(gateway, *streams):
    for stream in streams:
        payload = b'"%s"' % stream.encode()
        await gateway.hub.publish(publish(payload, stream=stream, is_from_server=True))


def delivered(peer):
    return [(entry["stream"], entry["data"]) for entry in peer.of("entry")]


async def test_pattern_brings_what_exists_and_what_is_created_later():
    gateway = make_gateway()
    await fill(gateway, "chat/a", "chat/b", "other", "chat/b/deep")
    peer = await Peer.connected(gateway)
    answer = await peer.ask("subscribe", pattern="chat/*", start="earliest")
    assert (answer["op"], answer["pattern"], answer["streams"]) == ("subscribed", "chat/*", 2)
    await settle()
    assert sorted(delivered(peer)) == [("chat/a", "chat/a"), ("chat/b", "chat/b")]
    await fill(gateway, "chat/new", "chat/new", "$own", "elsewhere")
    await settle()
    assert delivered(peer)[2:] == [("chat/new", "chat/new")] * 2
    matched = [message["stream"] for message in peer.of("matched")]
    assert sorted(matched) == ["chat/a", "chat/b", "chat/new"]
    # Each is announced before its first delivery.
    seen = [(m["op"], m["stream"]) for m in peer.all if m["op"] in ("matched", "entry")]
    for stream in matched:
        assert seen.index(("matched", stream)) < seen.index(("entry", stream))


async def test_pattern_goes_on_from_positions():
    gateway = make_gateway()
    await fill(gateway, "a", "a", "b")
    first = await Peer.connected(gateway)
    history = await first.ask("history", stream="a")
    held = history["entries"][0]["position"]
    peer = await Peer.connected(gateway)
    positions = {"a": held, "gone": held}
    await peer.ask("subscribe", pattern="*", start="earliest", positions=positions)
    await settle()
    matched = {message["stream"]: message for message in peer.of("matched")}
    assert (matched["a"]["recovered"], matched["a"]["position"]) == (True, held)
    assert (matched["gone"]["recovered"], matched["gone"]["reason"]) == (False, "epoch")
    assert "recovered" not in matched["b"]
    assert sorted(delivered(peer)) == [("a", "a"), ("b", "b")]


async def test_each_stream_is_delivered_once_however_many_patterns_want_it():
    gateway = make_gateway()
    await fill(gateway, "a/x")
    peer = await Peer.connected(gateway)
    direct = await peer.ask("subscribe", stream="a/x", start="earliest")
    for pattern in ("a/*", "**"):
        await peer.ask("subscribe", pattern=pattern)
    await settle()
    assert [m["pattern"] for m in peer.of("matched")] == ["a/*", "**"]
    assert peer.of("matched")[0]["position"] == peer.of("entry")[0]["position"]
    assert direct["position"] != peer.of("entry")[0]["position"]
    for members in ({"pattern": "a/*"}, {"stream": "a/x"}):
        assert (await peer.ask("unsubscribe", **members))["op"] == "unsubscribed"
        await fill(gateway, "a/x")
        await settle()
    assert len(delivered(peer)) == 3
    assert (await peer.ask("unsubscribe", pattern="**"))["pattern"] == "**"
    await fill(gateway, "a/x", "a/new")
    await settle()
    assert len(delivered(peer)) == 3
    assert gateway.hub.counters.subscriptions == 0


async def test_connection_lost_while_streams_are_looked_for_leaves_nothing(caplog):
    store = HeldStore()
    gateway = make_gateway(store)
    await fill(gateway, "a/x")
    peer = await Peer.connected(gateway)
    store.shut("names")
    peer.send("subscribe", pattern="a/*")
    await settle()
    peer.session.lost()
    await settle()
    store.open("names")
    await settle()
    assert caplog.text == ""
    assert gateway.hub.counters.subscriptions == 0


async def test_pattern_leaves_out_what_may_not_be_read():
    gateway = make_gateway(application=Application(denied={("read", "secret")}))
    await fill(gateway, "secret", "open")
    peer = await Peer.connected(gateway)
    assert (await peer.ask("subscribe", pattern="*", start="earliest"))["streams"] == 1
    await settle()
    assert delivered(peer) == [("open", "open")]


async def test_one_stream_too_many_is_named():
    limits = HubLimits(subscriptions_per_connection_max=2)
    gateway = make_gateway(hub_options={"limits": limits})
    await fill(gateway, "a", "b", "c")
    peer = await Peer.connected(gateway)
    await peer.ask("subscribe", pattern="*", start="earliest")
    await settle()
    (ended,) = peer.of("ended")
    assert (ended["code"], ended["pattern"], ended["limit"]) == ("too_many_subscriptions", "*", 2)
    assert len(delivered(peer)) == 2


@pytest.mark.parametrize(
    ("members", "code"),
    [
        ({"pattern": ""}, "bad_pattern"),
        ({"pattern": "a//b"}, "bad_pattern"),
        ({"pattern": "a**"}, "bad_pattern"),
        ({"pattern": "a/../*"}, "bad_pattern"),
        ({"pattern": "$user/*"}, "bad_pattern"),
        ({"pattern": "x" * 513}, "bad_pattern"),
        ({"pattern": "*", "stream": "s"}, "bad_message"),
        ({"pattern": "*", "positions": {"s": "x"}}, "bad_position"),
        ({"pattern": "*", "positions": {"s//": "x"}}, "bad_stream_name"),
        ({"stream": "s", "positions": {"s": "x"}}, "bad_message"),
        ({}, "bad_message"),
    ],
)
async def test_wrong_subscriptions_are_named(members, code):
    peer = await Peer.connected(make_gateway())
    answer = await peer.ask("subscribe", **members)
    assert (answer["op"], answer["code"]) == ("error", code)
    assert not peer.session.attachment.subscriptions


async def test_pattern_is_subscribed_once_and_unsubscribed_once():
    peer = await Peer.connected(make_gateway())
    assert (await peer.ask("subscribe", pattern="x" * 512))["streams"] == 0
    assert (await peer.ask("subscribe", pattern="x" * 512))["code"] == "already_subscribed"
    assert (await peer.ask("unsubscribe", pattern="*"))["code"] == "not_subscribed"
    assert (await peer.ask("unsubscribe", pattern="*", stream="s"))["code"] == "bad_message"
    assert (await peer.ask("unsubscribe"))["code"] == "bad_message"
    peer.session.lost()
    await fill(peer.gateway, "x" * 512)
    await settle()
    assert peer.of("matched") == []


async def test_pattern_of_a_connection_that_ended_before_its_turn_follows_nothing():
    gateway = make_gateway()
    peer = await Peer.connected(gateway)
    peer.send("subscribe", pattern="**")
    peer.session.lost()
    await settle()
    assert not gateway.hub.creations._followers


async def test_stream_whose_permission_is_not_told_holds_up_no_other_and_comes_later():
    backend = SilentBackend("chat/a")
    gateway = make_gateway(application=backend)
    peer = await Peer.connected(gateway)
    await peer.ask("subscribe", pattern="chat/*")
    await asyncio.gather(fill(gateway, "chat/a"), fill(gateway, "chat/b"))
    await settle()
    assert delivered(peer) == [("chat/b", "chat/b")]
    backend.stream = ""
    await eventually(lambda: len(peer.of("entry")) == 2)
    assert delivered(peer) == [("chat/b", "chat/b"), ("chat/a", "chat/a")]


async def test_stream_that_the_store_fails_to_open_holds_up_no_other_and_comes_later():
    store = HeldStore()
    gateway = make_gateway(store=store)
    await fill(gateway, "a", "b")
    held = (await store.read("a", START, entries_max=1, bytes_max=1000)).upto
    await fill(gateway, "a")
    peer = await Peer.connected(gateway)
    store.failures["seek"] = [StoreUnavailableError("the disk is busy")]
    positions = {"a": str(held)}
    await peer.ask("subscribe", pattern="*", start="earliest", positions=positions)
    await settle()
    assert delivered(peer) == [("b", "b")]
    await eventually(lambda: len(peer.of("entry")) == 2)
    (matched,) = (message for message in peer.of("matched") if message["stream"] == "a")
    assert (matched["recovered"], matched["position"]) == (True, str(held))
    assert delivered(peer) == [("b", "b"), ("a", "a")]


async def test_stream_that_is_to_come_later_goes_with_its_pattern():
    store = HeldStore()
    gateway = make_gateway(store=store)
    await fill(gateway, "a")
    peer = await Peer.connected(gateway)
    store.failures["seek"] = [StoreUnavailableError("the disk is busy")]
    await peer.ask("subscribe", pattern="*", start="earliest")
    await peer.ask("unsubscribe", pattern="*")
    await peer.ask("subscribe", pattern="a*", start="tail")
    await asyncio.sleep(1.2 * AGAIN_FIRST_S)
    assert [message["pattern"] for message in peer.of("matched")] == ["a*"]
    assert delivered(peer) == []


class SilentBackend(Application):
    """Does not tell who may read one stream."""

    def __init__(self, stream):
        super().__init__()
        self.stream = stream

    def may(self, principal, action, stream):
        if stream == self.stream:
            raise BackendTimeoutError
        return True
