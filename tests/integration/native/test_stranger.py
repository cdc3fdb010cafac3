"""docs/protocol.md is enough: a stranger's client against a real server process."""

from __future__ import annotations

import asyncio
import json
import random
import signal
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from longwire.lab.processes import free_port
from tests.integration.native.stranger_client import (
    START,
    ConnectionLost,
    RequestRefused,
    StrangerClient,
)
from tests.integration.server.running import RunningServer

WAIT_S = 20.0


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with RunningServer(tmp_path_factory.mktemp("server"), "--dev") as running:
        yield running


@pytest.fixture
async def make(server: RunningServer) -> Any:
    clients: list[StrangerClient] = []

    async def make_client(url: str = server.websocket_url) -> StrangerClient:
        client = StrangerClient(url + "/ws")
        await client.open()
        clients.append(client)
        return client

    yield make_client
    for client in clients:
        await client.close()


Make = Callable[..., Awaitable[StrangerClient]]


async def wait_for(client: StrangerClient, condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(WAIT_S):
        while not condition():
            client.changed.clear()
            await client.changed.wait()


def values(client: StrangerClient, stream: str) -> list[Any]:
    return [json.loads(payload) for payload in client.streams[stream].payloads]


async def test_stranger_subscribes_publishes_and_is_acknowledged(make: Make) -> None:
    one, other = await make(), await make()
    assert one.connected["version"] == 1
    await one.subscribe("first/room")
    await other.subscribe("first/room")
    sent = [{"text": "hello"}, {"text": "你好"}, [1, 2.5], "bye", None]
    for n, data in enumerate(sent):
        answer = await one.publish("first/room", data)
        assert (answer["op"], answer["duplicate"]) == ("published", False)
        assert int(answer["first"][:16]) == n + 1
    for client in (one, other):
        await wait_for(client, lambda c=client: len(c.streams["first/room"].payloads) == 5)
        assert values(client, "first/room") == sent
        assert client.streams["first/room"].held == answer["last"]


async def test_stranger_reconnects_with_its_position_and_misses_nothing(make: Make) -> None:
    reader, writer = await make(), await make()
    view = await reader.subscribe("recovery")
    for n in range(3):
        await writer.publish("recovery", n)
    await wait_for(reader, lambda: len(view.payloads) == 3)
    reader.cut()
    await reader.wait_lost()
    for n in range(3, 600):
        await writer.publish("recovery", n)
    await reader.open()
    await wait_for(reader, lambda: len(view.payloads) == 600)
    assert values(reader, "recovery") == list(range(600))
    assert (view.recoveries, view.refusals, view.gaps) == (1, [], [])


async def test_publish_whose_answer_was_lost_is_stored_once(make: Make) -> None:
    reader, writer = await make(), await make()
    view = await reader.subscribe("doubt")
    publishing = asyncio.ensure_future(writer.publish("doubt", "once"))
    await wait_for(reader, lambda: len(view.payloads) == 1)
    # The answer may have come already; then the test says less, but still something.
    writer.cut()
    await writer.wait_lost()
    await writer.open()
    answer = await asyncio.wait_for(publishing, WAIT_S)
    assert int(answer["first"][:16]) == 1
    await writer.publish("doubt", "next")
    await wait_for(reader, lambda: len(view.payloads) == 2)
    assert values(reader, "doubt") == ["once", "next"]


async def test_every_sequence_sent_twice_is_stored_once(make: Make) -> None:
    client = await make()
    triple = {"producer": "twice", "epoch": 0}
    for n in range(5):
        for is_duplicate in (False, True):
            answer = await client.ask("publish", stream="twice", data=n, sequence=n, **triple)
            assert answer["duplicate"] is is_duplicate
            assert int(answer["first"][:16]) == n + 1


async def test_clients_whose_links_are_cut_deliver_and_receive_everything_once(make: Make) -> None:
    source = random.Random(4)
    clients = [await make() for _ in range(4)]
    for client in clients:
        await client.subscribe("jitter")
    keepers = [asyncio.create_task(client.keep_connected()) for client in clients]

    async def write(number: int) -> None:
        for n in range(40):
            await clients[number].publish("jitter", [number, n])
            await asyncio.sleep(source.uniform(0, 0.01))

    async def cut() -> None:
        while True:
            await asyncio.sleep(0.03)
            source.choice(clients).cut()

    cutter = asyncio.create_task(cut())
    try:
        async with asyncio.timeout(60):
            await asyncio.gather(*(write(number) for number in range(4)))
        cutter.cancel()
        for client in clients:
            await wait_for(client, lambda c=client: len(c.streams["jitter"].payloads) >= 160)
    finally:
        for task in [cutter, *keepers]:
            task.cancel()
        outcomes = await asyncio.gather(cutter, *keepers, return_exceptions=True)
    assert [o for o in outcomes if not isinstance(o, asyncio.CancelledError)] == []
    everything = values(clients[0], "jitter")
    for number in range(4):
        assert [n for who, n in everything if who == number] == list(range(40))
    for client in clients:
        assert values(client, "jitter") == everything
        assert client.streams["jitter"].gaps == client.streams["jitter"].refusals == []
    assert sum(client.streams["jitter"].recoveries for client in clients) > 0


async def test_stranger_reads_history_backwards(make: Make) -> None:
    client = await make()
    for n in range(7):
        await client.publish("history", n)
    answer = await client.ask("history", stream="history", limit=3)
    seen = [entry["data"] for entry in answer["entries"]]
    while answer["more"]:
        before = answer["entries"][0]["position"]
        answer = await client.ask("history", stream="history", before=before, limit=3)
        seen = [entry["data"] for entry in answer["entries"]] + seen
    assert seen == list(range(7))


async def test_stranger_is_told_exactly_what_is_wrong(make: Make) -> None:
    client = await make()
    for members, code in [
        ({"op": "subscribe", "stream": "a//b"}, "bad_stream_name"),
        ({"op": "subscribe", "stream": "a", "position": "7"}, "bad_position"),
        ({"op": "subscribe", "stream": "a", "begin": 1}, "bad_message"),
        ({"op": "publish", "stream": "a", "data": 1, "producer": "p"}, "bad_message"),
        (
            {"op": "publish", "stream": "a", "data": 1, "producer": "p", "epoch": 0, "sequence": 5},
            "producer_unknown",
        ),
        ({"op": "publish", "stream": "a", "data": "x" * 600_000}, "entry_too_large"),
        ({"op": "unsubscribe", "stream": "a"}, "not_subscribed"),
    ]:
        with pytest.raises(RequestRefused) as caught:
            await client.ask(**members)
        assert caught.value.code == code


async def test_large_payloads_pass_whole(make: Make) -> None:
    client = await make()
    view = await client.subscribe("large")
    sizes = [0, 1, 125, 126, 127, 65_535, 65_536, 500_000]
    for size in sizes:
        await client.publish("large", "é" * (size // 2))
    await wait_for(client, lambda: len(view.payloads) == len(sizes))
    assert [len(value) for value in values(client, "large")] == [size // 2 for size in sizes]


async def test_message_over_the_limit_closes_with_1009(make: Make) -> None:
    client = await make()
    with pytest.raises(ConnectionLost):
        await client.ask("publish", stream="a", data="x" * 1_100_000)
    await client.wait_lost()
    assert client.close_codes == [1009]


async def test_foreign_subprotocol_is_refused_and_none_is_served(server: RunningServer) -> None:
    url = server.websocket_url + "/ws"
    with pytest.raises(InvalidStatus) as caught:
        await connect(url, subprotocols=["mqtt"], proxy=None)  # type: ignore[list-item]
    assert caught.value.response.status_code == 400
    async with connect(url, proxy=None) as socket:
        assert socket.subprotocol is None
        await socket.send('{"op":"connect","id":1,"version":1}')
        assert json.loads(await socket.recv())["op"] == "connected"


async def test_stranger_sees_a_restart_and_is_told_that_history_is_gone(tmp_path: Path) -> None:
    flags = ("--dev", "--store", "memory", "--port", str(free_port()))
    with RunningServer(tmp_path, *flags) as first:
        client = StrangerClient(first.websocket_url + "/ws")
        await client.open()
        view = await client.subscribe("room")
        for n in range(3):
            await client.publish("room", n)
        await wait_for(client, lambda: len(view.payloads) == 3)
        held = view.held
        keeper = asyncio.create_task(client.keep_connected())
        code = await asyncio.to_thread(first.stop, signal.SIGTERM)
        assert code == 0
    (closing,) = client.closings
    assert closing["reconnect"] is True
    assert closing["code"] == client.close_codes[0]
    low, high = closing["after_s"]
    assert 0 <= low <= high
    with RunningServer(tmp_path, *flags):
        await wait_for(client, lambda: bool(view.refusals))
        (refusal,) = view.refusals
        assert (refusal["reason"], refusal["held"]) == ("epoch", held)
        assert refusal["position"] == refusal["tail"] == START
        answer = await client.ask("publish", stream="room", data="new life")
        assert int(answer["first"][:16]) == 1
        await wait_for(client, lambda: len(view.payloads) == 4)
        assert values(client, "room") == [0, 1, 2, "new life"]
        keeper.cancel()
        await client.close()
