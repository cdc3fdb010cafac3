"""Who is there: entered and watched anew on each connection."""

import asyncio

import pytest

from longwire.client.errors import ClientError
from longwire.client.presence import Member, Presence, PresenceChange
from tests.unit.client.host import Host, settle

ANN, BOB = {"user": "ann", "data": {"mood": "fine"}}, {"user": "bob"}
STRANGER = {"connection": "9f2c"}


async def test_entered_again_after_a_reconnect_until_left():
    host = Host()
    presence = Presence(host)
    entering = asyncio.ensure_future(presence.enter("room", {"stream": "room", "data": 1}))
    await settle()
    assert host.answer("enter") == {"stream": "room", "data": 1}
    await entering
    presence.disconnected()
    presence.connected()
    assert host.answer("enter") == {"stream": "room", "data": 1}
    leaving = asyncio.ensure_future(presence.leave("room"))
    await settle()
    assert host.answer("leave") == {"stream": "room"}
    await leaving
    presence.connected()
    assert host.requests == []


async def test_refused_is_not_entered_again():
    host = Host()
    presence = Presence(host)
    entering = asyncio.ensure_future(presence.enter("room", {"stream": "room"}))
    await settle()
    host.refuse("enter", "permission_denied", action="presence")
    with pytest.raises(ClientError, match="permission_denied"):
        await entering
    presence.connected()
    assert host.requests == []


async def test_lost_connection_leaves_it_to_the_next():
    host = Host()
    presence = Presence(host)
    entering = asyncio.ensure_future(presence.enter("room", {"stream": "room"}))
    await settle()
    host.refuse("enter", "connection_lost", retry=True)
    await entering
    presence.connected()
    host.refuse("enter", "too_many_members", retry=True, limit=5)
    while not host.requests:
        await asyncio.sleep(0)
    host.refuse("enter", "permission_denied")
    await settle()
    assert (host.errors(), host.requests) == (["too_many_members", "permission_denied"], [])


async def test_watch_follows_every_change():
    host, changes = Host(), []
    presence = Presence(host)
    watch = presence.watch("room", changes.append)
    assert host.answer("members", members=[ANN, STRANGER]) == {"stream": "room", "watch": True}
    await watch.ready()

    def tell(**members):
        presence.received({"op": "presence", "stream": "room", **members})

    tell(event="join", **BOB)
    tell(event="update", user="ann", data={"mood": "better"})
    tell(event="leave", **STRANGER)
    ann = Member("ann", None, {"mood": "better"})
    assert watch.members == [ann, Member("bob", None)]
    assert [change.event for change in changes] == ["reset", "join", "update", "leave"]
    assert changes[-1] == PresenceChange("room", "leave", [Member(None, "9f2c")])
    tell(event="reset", members=[BOB])
    assert watch.members == [Member("bob", None)]
    presence.disconnected()
    presence.connected()
    host.answer("members", members=[ANN])
    assert watch.members == [Member("ann", None, {"mood": "fine"})]
    watch.unwatch()
    assert host.answer("unwatch") == {"stream": "room"}
    tell(event="join", **BOB)
    assert len(watch.members) == 1


async def test_watch_that_is_refused_or_ended_says_so():
    host = Host()
    presence = Presence(host)
    watch = presence.watch("room", None)
    with pytest.raises(ClientError) as caught:
        presence.watch("room", None)
    assert caught.value.code == "already_watching"
    host.refuse("members", "store_unavailable", retry=True)
    while not host.requests:
        await asyncio.sleep(0)
    host.refuse("members", "permission_denied")
    with pytest.raises(ClientError, match="permission_denied"):
        await watch.ready()
    other = presence.watch("room", None)
    presence.stop(ClientError("closed", "the client was closed"))
    with pytest.raises(ClientError, match="closed"):
        await other.ready()


async def test_handler_that_fails_is_told():
    host = Host()
    presence = Presence(host)

    def handle(change):
        raise ValueError("no")

    presence.watch("room", handle)
    host.answer("members", members=[])
    assert host.errors() == ["handler_failed"]
