"""Who is there: members, those who watch them, grace, and clients that read too slowly."""

from __future__ import annotations

import asyncio

import pytest

from longwire.base.limits import HubLimits, PresenceLimits
from tests.unit.gateways.native.peer import Application, Peer, make_gateway, settle


def make(application=None, hub_options=None, **limits):
    options = {"presence_limits": PresenceLimits(**{"grace_s": 0.02, **limits})}
    return make_gateway(application=application, hub_options=options | (hub_options or {}))


def events(peer):
    return [(m["event"], m.get("user", "anonymous"), m.get("data")) for m in peer.of("presence")]


async def until(condition):
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.005)


async def test_members_come_change_and_go():
    gateway = make()
    ann, watcher = await Peer.connected(gateway, token="ann"), await Peer.connected(gateway)
    assert (await watcher.ask("members", stream="room", watch=True))["members"] == []
    assert (await ann.ask("enter", stream="room", data={"mood": "fine"}))["op"] == "entered"
    await ann.ask("enter", stream="room", data={"mood": "fine"})
    await ann.ask("enter", stream="room", data={"mood": "better"})
    await watcher.ask("enter", stream="room")
    answer = await ann.ask("members", stream="room")
    assert answer["members"] == [
        {"user": "ann", "data": {"mood": "better"}},
        {"connection": watcher.session.name},
    ]
    assert (await ann.ask("leave", stream="room"))["op"] == "left"
    assert events(watcher) == [
        ("join", "ann", {"mood": "fine"}),
        ("update", "ann", {"mood": "better"}),
        ("join", "anonymous", None),
        ("leave", "ann", {"mood": "better"}),
    ]
    assert (await watcher.ask("unwatch", stream="room"))["op"] == "unwatched"
    await ann.ask("enter", stream="room")
    await settle()
    assert len(watcher.of("presence")) == 4


async def test_user_with_several_tabs_is_one_member():
    gateway = make()
    tabs = [await Peer.connected(gateway, token="ann") for _ in range(3)]
    watcher = await Peer.connected(gateway)
    await watcher.ask("members", stream="room", watch=True)
    for number, tab in enumerate(tabs):
        await tab.ask("enter", stream="room", data=number)
    await tabs[2].ask("leave", stream="room")
    tabs[1].session.lost()
    assert len((await watcher.ask("members", stream="room"))["members"]) == 1
    tabs[0].session.lost()
    await until(lambda: events(watcher)[-1][0] == "leave")
    assert [event[0] for event in events(watcher)] == [
        "join",
        "update",
        "update",
        "update",
        "update",
        "leave",
    ]
    assert gateway.hub.presence.find("room") is not None  # it is watched
    watcher.session.lost()
    assert gateway.hub.presence.find("room") is None


async def test_who_is_back_within_the_grace_period_has_neither_left_nor_joined():
    gateway = make(grace_s=30.0)
    watcher = await Peer.connected(gateway)
    await watcher.ask("members", stream="room", watch=True)
    ann = await Peer.connected(gateway, token="ann")
    await ann.ask("enter", stream="room")
    ann.session.lost()
    again = await Peer.connected(gateway, token="ann")
    await again.ask("enter", stream="room")
    assert [event[0] for event in events(watcher)] == ["join"]
    await gateway.hub.close()


async def test_lost_member_is_gone_after_the_grace_period():
    gateway = make()
    watcher = await Peer.connected(gateway)
    await watcher.ask("members", stream="room", watch=True)
    ann = await Peer.connected(gateway, token="ann")
    await ann.ask("enter", stream="room")
    ann.session.lost()
    assert len((await watcher.ask("members", stream="room"))["members"]) == 1
    await until(lambda: len(watcher.of("presence")) == 2)
    assert (await watcher.ask("members", stream="room"))["members"] == []


async def test_client_that_reads_too_slowly_gets_everything_anew():
    gateway = make(hub_options={"limits": HubLimits(held_bytes_max=100)})
    watcher = await Peer.connected(gateway)
    await watcher.ask("members", stream="room", watch=True)
    peers = [await Peer.connected(gateway) for _ in range(4)]
    watcher.wire.is_stuck, watcher.wire.held_bytes = True, 200
    for peer in peers:
        await peer.ask("enter", stream="room")
    assert watcher.of("presence") == []
    watcher.wire.is_stuck, watcher.wire.held_bytes = False, 0
    watcher.session.drained()
    (reset,) = watcher.of("presence")
    assert reset["event"] == "reset"
    assert [m["connection"] for m in reset["members"]] == [peer.session.name for peer in peers]
    await peers[0].ask("leave", stream="room")
    assert watcher.of("presence")[-1]["event"] == "leave"


async def test_wrong_requests_are_named():
    gateway = make(Application(denied={("presence", "secret")}), members_max=1, data_bytes_max=10)
    peer = await Peer.connected(gateway)
    for op, members, code in [
        ("leave", {"stream": "room"}, "not_entered"),
        ("unwatch", {"stream": "room"}, "not_watching"),
        ("enter", {"stream": "a//b"}, "bad_stream_name"),
        ("enter", {"stream": "$own"}, "bad_stream_name"),
        ("enter", {"stream": "room", "data": "x" * 9}, "bad_message"),
        ("enter", {"stream": "secret"}, "permission_denied"),
        ("members", {"stream": "secret"}, "permission_denied"),
    ]:
        answer = await peer.ask(op, **members)
        assert (answer["op"], answer["code"]) == ("error", code), (op, members)
        if code == "permission_denied":
            assert "not allowed to see or enter the members of" in answer["message"]
    assert (await peer.ask("enter", stream="room", data="x" * 8))["op"] == "entered"
    answer = await (await Peer.connected(gateway)).ask("enter", stream="room")
    assert (answer["code"], answer["limit"], answer["retry"]) == ("too_many_members", 1, True)


@pytest.mark.parametrize("op", ["enter", "members"])
async def test_nothing_is_left_of_a_connection_that_ends_while_it_waits(op):
    gateway = make(Application(later=True))
    peer = await Peer.connected(gateway)
    peer.send(op, stream="room", **({"watch": True} if op == "members" else {}))
    peer.session.lost()
    await settle()
    assert gateway.hub.presence.find("room") is None
