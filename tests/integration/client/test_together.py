"""Consumers, presence, and streams that keep the latest, with real servers and lost connections."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from longwire import App
from longwire.client.client import Client, Event
from longwire.client.consumer import Delivery
from longwire.client.errors import ClientError
from longwire.client.events import End, Gap, Message, StateChange
from longwire.client.presence import PresenceChange
from longwire.server.settings import AnonymousSettings, Settings
from tests.integration.server.app_servers import serve_app

WAIT_S = 30.0


def make_app() -> App:
    everything = ("**",)
    anonymous = AnonymousSettings(read=everything, publish=everything, presence=everything)
    app = App(settings=Settings(anonymous=anonymous))
    app.stream("quotes/**", keep_latest=True)

    @app.authenticate
    def who(token: str) -> str:
        return token

    @app.permit("**", actions=("read", "publish", "presence"))
    def anything(access: Any) -> bool:
        return not access.stream.startswith("closed/")

    return app


@pytest.fixture
async def url() -> AsyncIterator[str]:
    async with serve_app(make_app(), "longwire") as url:
        yield url


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(WAIT_S):
        while not condition():
            await asyncio.sleep(0.01)


async def cut(client: Client) -> None:
    """Lose the connection, and wait for the next one."""
    opened = asyncio.Event()

    def look(event: Event) -> None:
        if isinstance(event, StateChange) and event.state.value == "open":
            opened.set()

    stop = client.on_event(look)
    client.restart("the test cuts it")
    await asyncio.wait_for(opened.wait(), WAIT_S)
    stop()


# -- consumers ----------------------------------------------------------------------------------


async def test_workers_share_a_consumer_and_leave_nothing_out(url: str) -> None:
    count = 60
    done: dict[str, list[int]] = {"first": [], "second": []}

    def work(name: str) -> Callable[[Delivery[int]], Any]:
        async def handle(delivery: Delivery[int]) -> None:
            await asyncio.sleep(0.001)
            done[name].append(delivery.data)

        return handle

    async with Client(url, token="w") as first, Client(url, token="w") as second:
        await first.publish_batch("orders", range(count))
        for client, name in ((first, "first"), (second, "second")):
            await client.consume("orders", "billing", work(name), window=5).ready()
        await until(lambda: len(set(done["first"] + done["second"])) == count)
        await cut(second)
        await first.publish_batch("orders", range(count, 2 * count))
        await until(lambda: len(set(done["first"] + done["second"])) == 2 * count)
        assert done["first"] and done["second"]
        async with asyncio.timeout(WAIT_S):
            while (await first.consumer_state("orders", "billing")).unread:
                await asyncio.sleep(0.02)
        state = await first.consumer_state("orders", "billing")
        assert (state.exists, state.pending, state.position) == (True, 0, state.tail)


async def test_delivery_that_failed_comes_again_and_one_that_was_not_acknowledged_too(
    url: str,
) -> None:
    seen: list[tuple[int, int]] = []

    def handle(delivery: Delivery[int]) -> None:
        seen.append((delivery.data, delivery.attempt))
        if delivery.attempt == 1:
            raise ValueError("not yet")

    async with Client(url) as client:
        client.on_event(lambda event: None)
        await client.publish("orders", 7)
        client.consume("orders", "a", handle, retry_after_s=0.05)
        await until(lambda: seen == [(7, 1), (7, 2)])
        held: list[Delivery[int]] = []
        worker = client.consume("orders", "b", held.append, ack_wait_s=0.2, is_manual=True)
        await until(lambda: len(held) >= 2)
        assert [one.attempt for one in held[:2]] == [1, 2]
        worker.ack(held[-1])
        async with asyncio.timeout(WAIT_S):
            while (await client.consumer_state("orders", "b")).unread:
                await asyncio.sleep(0.02)


async def test_loop_goes_on_where_an_earlier_one_stopped(url: str) -> None:
    async with Client(url) as client:
        await client.publish_batch("orders", range(6))
        seen = []
        for stop_at in (2, 5):
            async for delivery in client.consume("orders", "c", window=1):
                seen.append(delivery.data)
                if delivery.data == stop_at:
                    break
            async with asyncio.timeout(WAIT_S):  # until what the loop left is given back
                while (await client.consumer_state("orders", "c")).pending:
                    await asyncio.sleep(0.01)
        assert seen == [0, 1, 2, 2, 3, 4, 5]
        await client.forget_consumer("orders", "c")
        assert not (await client.consumer_state("orders", "c")).exists


async def test_consumer_is_refused_with_a_reason(url: str) -> None:
    async with Client(url) as client:
        for stream, name, code in [
            ("closed/a", "c", "permission_denied"),
            ("s", "", "bad_message"),
        ]:
            with pytest.raises(ClientError) as caught:
                await asyncio.wait_for(client.consume(stream, name).ready(), WAIT_S)
            assert caught.value.code == code
        with pytest.raises(ClientError) as caught:
            await client.ask("release", {"stream": "s", "consumer": "nobody"})
        assert caught.value.code == "not_consuming"
        members = {"stream": "s", "consumer": "twice"}
        await client.ask("consume", members)
        with pytest.raises(ClientError) as caught:
            await client.ask("consume", members)
        assert caught.value.code == "already_consuming"


# -- presence -----------------------------------------------------------------------------------


async def test_members_come_and_go_once_however_often_connections_break(url: str) -> None:
    changes: list[tuple[str, list[str | None]]] = []

    def told(change: PresenceChange) -> None:
        changes.append((change.event, [member.user for member in change.members]))

    async with Client(url, token="ann") as ann, Client(url, token="bob") as bob:
        watch = ann.watch("room", told)
        await watch.ready()
        await ann.enter("room")
        await bob.enter("room", {"mood": "fine"})
        await until(lambda: len(watch.members) == 2)
        await cut(bob)
        await bob.enter("room", {"mood": "better"})
        await until(lambda: changes[-1][0] == "update")
        assert {member.user: member.data for member in await bob.members("room")} == {
            "ann": None,
            "bob": {"mood": "better"},
        }
        await bob.leave("room")
        await until(lambda: len(watch.members) == 1)
        assert changes == [
            ("reset", []),
            ("join", ["ann"]),
            ("join", ["bob"]),
            ("update", ["bob"]),
            ("leave", ["bob"]),
        ]


async def test_presence_is_refused_with_a_reason(url: str) -> None:
    async with Client(url, token="ann") as client:
        for asking, code in [
            (client.enter("closed/a"), "permission_denied"),
            (client.members("closed/a"), "permission_denied"),
            (client.leave("room"), "not_entered"),
            (client.enter("room", "x" * 10_000), "bad_message"),
            (client.enter("a//b"), "bad_stream_name"),
            (client.ask("unwatch", {"stream": "room"}), "not_watching"),
        ]:
            with pytest.raises(ClientError) as caught:
                await asking
            assert caught.value.code == code
            assert caught.value.message


# -- streams that keep the latest ---------------------------------------------------------------


async def test_superseded_entries_are_no_gap(url: str) -> None:
    events: list[Event] = []
    async with Client(url) as client:
        client.on_event(events.append)
        for number in range(10):
            await client.publish("quotes/tea", number, key="ab"[number % 2])
        seen: list[Message[int]] = []
        client.subscribe("quotes/tea", seen.append, start="earliest")
        await until(lambda: len(seen) >= 2)
        assert [(message.key, message.data) for message in seen] == [("a", 8), ("b", 9)]
    assert not [event for event in events if isinstance(event, (Gap, End, ClientError))]
