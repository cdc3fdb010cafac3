"""Presence and consumers over a lost connection, as the protocol has them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from longwire.client.client import Client
from longwire.client.consumer import ConsumerState, Delivery
from longwire.client.errors import ClientError
from longwire.client.presence import Member
from longwire.streams.position import START
from tests.integration.client.scripted import Peer, ScriptedServer
from tests.unit.client.host import at, entry

NAMES = {"stream": "orders", "consumer": "billing"}
ANN = {"user": "ann", "data": {"mood": "fine"}}


@pytest.fixture
async def server() -> AsyncIterator[ScriptedServer]:
    async with ScriptedServer() as server:
        yield server


@pytest.fixture
async def client(server: ScriptedServer) -> AsyncIterator[Client]:
    client = Client(server.url, retry_first_s=0.05, retry_max_s=0.1)
    await client.start()
    yield client
    await client.close()


async def welcome(server: ScriptedServer) -> Peer:
    peer = await server.accept()
    await peer.welcome()
    return peer


async def test_presence(server: ScriptedServer, client: Client) -> None:
    peer = await welcome(server)
    entering = asyncio.create_task(client.enter("room", {"mood": "fine"}))
    request = await peer.expect("enter")
    assert (request["stream"], request["data"]) == ("room", {"mood": "fine"})
    await peer.answer(request, "entered", stream="room")
    await entering
    changes: asyncio.Queue[Any] = asyncio.Queue()
    watch = client.watch("room", changes.put_nowait)
    await peer.answer(await peer.expect("members"), "members", stream="room", members=[ANN])
    await watch.ready()
    await peer.say("presence", stream="room", event="join", user="bob")
    assert [(await changes.get()).event for _ in range(2)] == ["reset", "join"]
    assert watch.members == [Member("ann", None, {"mood": "fine"}), Member("bob", None)]

    await peer.connection.close(1012)
    peer = await welcome(server)
    request = await peer.expect("enter")
    assert request["data"] == {"mood": "fine"}
    await peer.answer(request, "entered", stream="room")
    request = await peer.expect("members")
    assert request["watch"] is True
    await peer.answer(request, "members", stream="room", members=[ANN])
    assert (await changes.get()).event == "reset"
    assert len(watch.members) == 1

    asking = asyncio.create_task(client.members("room"))
    request = await peer.expect("members")
    assert "watch" not in request
    await peer.answer(request, "members", stream="room", members=[{"connection": "9f2c"}])
    assert await asking == [Member(None, "9f2c")]
    leaving = asyncio.create_task(client.leave("room"))
    await peer.answer(await peer.expect("leave"), "left", stream="room")
    await leaving
    watch.unwatch()
    await peer.expect("unwatch")


async def test_consumer(server: ScriptedServer, client: Client) -> None:
    place = {"position": str(START), "tail": str(at(2)), "unread": 2, "pending": 0}
    peer = await welcome(server)
    done: list[Delivery[int]] = []
    worker = client.consume("orders", "billing", done.append, window=2, type=int)
    request = await peer.expect("consume")
    await peer.answer(request, "consuming", **NAMES, **place)
    assert await worker.ready() == ConsumerState(True, START, at(2), 2, 0)
    await peer.say(**delivery(1))
    acknowledgement = await peer.expect("ack")
    assert acknowledgement == {"op": "ack", **NAMES, "positions": [str(at(1))]}

    await peer.connection.close(1012)
    peer = await welcome(server)
    again = await peer.expect("consume")
    assert {**again, "id": 0} == {**request, "id": 0}
    await peer.answer(again, "consuming", **NAMES, **place)
    await peer.say(**delivery(2))
    await peer.expect("ack")
    assert [one.data for one in done] == [1, 2]

    asking = asyncio.create_task(client.consumer_state("orders", "billing"))
    await peer.answer(await peer.expect("consumer"), "consumer", **NAMES, **place, exists=False)
    assert not (await asking).exists
    worker.release()
    await peer.expect("release")
    forgetting = asyncio.create_task(client.forget_consumer("orders", "billing"))
    request = await peer.expect("release")
    assert request["forget"] is True
    await peer.answer(request, "released", **NAMES)
    await forgetting


async def test_last_acknowledgement_leaves_before_the_client_does(
    server: ScriptedServer, client: Client
) -> None:
    peer = await welcome(server)
    may_end = asyncio.Event()

    async def handle(_: Delivery[Any]) -> None:
        await may_end.wait()

    client.consume("orders", "billing", handle)
    place = {"position": str(START), "tail": str(at(1)), "unread": 1, "pending": 0}
    await peer.answer(await peer.expect("consume"), "consuming", **NAMES, **place)
    await peer.say(**delivery(1))
    await peer.say("ping")
    await peer.expect("pong")
    closing = asyncio.create_task(client.close())
    await asyncio.sleep(0.05)
    may_end.set()
    await closing
    assert (await peer.expect("ack"))["positions"] == [str(at(1))]


async def test_server_that_does_not_know_consumers_says_so(
    server: ScriptedServer, client: Client
) -> None:
    peer = await welcome(server)
    worker = client.consume("orders", "billing")
    await peer.refuse(await peer.expect("consume"), "bad_message")
    with pytest.raises(ClientError, match="bad_message"):
        async for _ in worker:
            pass


def delivery(number: int) -> dict[str, Any]:
    return entry(number, "orders", consumer="billing", attempt=1) | {"op": "delivery"}
