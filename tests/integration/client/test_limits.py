"""Limits of a server, at their edge and one past it, as a client meets them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest

from longwire import App
from longwire.base.limits import (
    ConsumerLimits,
    HubLimits,
    MemoryStoreLimits,
    NativeLimits,
    PresenceLimits,
)
from longwire.client.client import Client, Event
from longwire.client.errors import ClientError
from longwire.client.events import End
from longwire.hub.publishing import Publish
from longwire.server.settings import AnonymousSettings, Settings
from longwire.streams.entry import NewEntry
from tests.integration.server.app_servers import serve_app

WAIT_S = 30.0


@contextlib.asynccontextmanager
async def client_of(**limits: Any) -> AsyncIterator[Client]:
    """A client of a server with these limits."""
    everything = ("**",)
    anonymous = AnonymousSettings(read=everything, publish=everything, presence=everything)
    app = App(settings=Settings(anonymous=anonymous, **limits))

    @app.call("wait")
    async def wait() -> None:
        await asyncio.sleep(WAIT_S)

    async with serve_app(app, "longwire") as url:
        client = Client(url)
        client.on_event(lambda event: None)
        await client.start()
        await client.connected(WAIT_S)
        yield client
        await client.close()


async def refusal(awaitable: Any, code: str, *, retry: bool, **details: Any) -> None:
    with pytest.raises(ClientError) as caught:
        await asyncio.wait_for(awaitable, WAIT_S)
    error = caught.value
    assert (error.code, error.retry) == (code, retry)
    assert error.message
    assert {name: error.details[name] for name in details} == details


async def test_subscriptions_of_a_connection() -> None:
    async with client_of(hub=HubLimits(subscriptions_per_connection_max=3)) as client:
        for number in range(3):
            await client.subscribe(f"s{number}").ready()
        fourth = client.subscribe("s3")
        await refusal(fourth.ready(), "too_many_subscriptions", retry=False, limit=3)


async def test_pattern_with_more_streams_than_subscriptions() -> None:
    events: list[Event] = []
    async with client_of(hub=HubLimits(subscriptions_per_connection_max=3)) as client:
        client.on_event(events.append)
        for number in range(4):
            await client.publish(f"many/{number}", number)
        await client.subscribe_pattern("many/*", lambda message: None).ready()
        async with asyncio.timeout(WAIT_S):
            while not events:
                await asyncio.sleep(0.01)
        assert isinstance(events[0], ClientError)
        assert (events[0].code, events[0].details["limit"]) == ("too_many_subscriptions", 3)


async def test_publishes_on_the_way_are_kept_within_the_limits() -> None:
    limits = NativeLimits(in_flight_max=4, producer_in_flight_max=2)
    events: list[Event] = []
    async with client_of(native=limits) as client:
        client.on_event(events.append)
        acks = [await client.submit(f"s{number % 3}", [number]) for number in range(120)]
        await asyncio.wait_for(asyncio.gather(*acks), WAIT_S)
    assert not [event for event in events if isinstance(event, ClientError)]


async def test_rate_is_waited_for() -> None:
    async with client_of(native=NativeLimits(messages_per_s_max=5)) as client:
        acks = [await client.submit("s", [number]) for number in range(56)]
        async with asyncio.timeout(WAIT_S):
            await asyncio.gather(*acks)
        async with Client(client.url) as other:
            messages = (await other.history("s", limit=100)).messages
        assert [message.data for message in messages] == list(range(56))


async def test_calls_on_the_way() -> None:
    async with client_of(native=NativeLimits(calls_in_flight_max=2)) as client:
        waiting = [asyncio.create_task(client.call("wait")) for _ in range(2)]
        await asyncio.sleep(0)
        await refusal(client.call("wait"), "too_many_in_flight", retry=True, limit=2)
        for call in waiting:
            call.cancel()


async def test_members_of_a_stream() -> None:
    async with client_of(presence=PresenceLimits(members_max=1)) as client:
        await client.enter("room")
        async with Client(client.url) as second:
            await refusal(second.enter("room"), "too_many_members", retry=True, limit=1)


async def test_consumers_of_a_connection() -> None:
    limits = ConsumerLimits(consumers_per_connection_max=1)
    async with client_of(consumers=limits) as client:
        await client.consume("s", "a").ready()
        await refusal(client.consume("s", "b").ready(), "too_many_consumers", retry=False, limit=1)


async def test_store_that_is_full() -> None:
    async with client_of(memory_store=MemoryStoreLimits(streams_max=2)) as client:
        await client.publish("a", 1)
        await client.publish("b", 1)
        publishing = await client.submit("c", [1])
        await asyncio.sleep(0.3)
        assert not publishing.done(), "it may succeed later, so it waits"
        await refusal(client.ask("publish", {"stream": "d", "data": 1}), "store_full", retry=True)


async def test_closed_stream_takes_nothing_and_ends_its_readers() -> None:
    events: list[Event] = []
    anonymous = AnonymousSettings(read=("**",), publish=("**",))
    app = App(settings=Settings(anonymous=anonymous))
    async with serve_app(app, "longwire") as url, Client(url) as client:
        client.on_event(events.append)
        await client.publish("s", 1)
        early = client.subscribe("s", start="earliest")
        messages = aiter(early)
        assert (await anext(messages)).data == 1
        await app.service.hub.publish(Publish("s", (NewEntry(b"2"),), closes=True))
        assert [message.data async for message in messages] == [2]
        await refusal(client.publish("s", 3), "stream_closed", retry=False)
        assert [message.data async for message in client.subscribe("s", start="earliest")] == [1, 2]
        assert [event.position.offset for event in events if isinstance(event, End)] == [2, 2]


async def test_too_many_malformed_messages_end_the_connection_for_good() -> None:
    async with client_of(native=NativeLimits(bad_messages_max=3)) as client:
        for _ in range(2):
            await refusal(client.ask("dance", {}), "bad_message", retry=False)
        await client.publish("s", 1)
        await refusal(client.ask("dance", {}), "bad_message", retry=False)
        async with asyncio.timeout(WAIT_S):
            while client.state.value != "closed":
                await asyncio.sleep(0.01)
        await refusal(client.publish("s", 2), "connection_closed", retry=False)
