"""The ways to the server: what works is found, kept and left for better, and nothing is lost."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from longwire import App
from longwire.base.limits import NativeLimits
from longwire.client.client import Client, Event
from longwire.client.connection import Timing
from longwire.client.errors import ClientError
from longwire.client.events import Gap, State, StateChange, TransportChange
from longwire.identity.principal import Principal
from longwire.lab.processes import free_port
from longwire.server.settings import AnonymousSettings, ServerSettings, Settings
from tests.integration.client.cutting import CuttingProxy, Direction
from tests.integration.client.hindering import HinderingProxy
from tests.integration.server.app_servers import serve_app
from tests.integration.server.running import RunningServer

WAIT_S = 30.0
SOON_S = 15.0
"""Before a poll that waits for news ends by itself."""
EVERYTHING = ("**",)
TIMING = Timing(events_s=2.0, climb_s=0.3)
OVER_HTTP = pytest.mark.parametrize("transport", ["sse", "long-poll"])


def make_app(long_poll_timeout_s: float = 2.0) -> App:
    app = App(
        settings=Settings(
            anonymous=AnonymousSettings(read=EVERYTHING, publish=EVERYTHING, presence=EVERYTHING),
            server=ServerSettings(long_poll_timeout_s=long_poll_timeout_s),
        )
    )

    @app.authenticate
    def who(token: str) -> Principal | None:
        return Principal(token) if token != "nobody" else None

    @app.call("slow")
    async def slow(data: str) -> str:
        await asyncio.sleep(0.3)
        return data

    return app


@pytest.fixture
async def url() -> AsyncIterator[str]:
    async with serve_app(make_app(), "longwire") as url:
        yield url


def port_of(url: str) -> int:
    return int(url.rpartition(":")[2])


async def until(condition) -> None:
    async with asyncio.timeout(WAIT_S):
        while not condition():
            await asyncio.sleep(0.01)


def transports_of(events: list[Event]) -> list[str]:
    return [event.transport for event in events if isinstance(event, TransportChange)]


@contextlib.asynccontextmanager
async def publishing(client: Client, stream: str) -> AsyncIterator[list[int]]:
    """Publish numbers until the end of the block; what was stored."""
    stored: list[int] = []

    async def publish() -> None:
        while True:
            await client.publish(stream, len(stored))
            stored.append(len(stored))
            await asyncio.sleep(0.005)

    task = asyncio.create_task(publish())
    try:
        yield stored
    finally:
        task.cancel()
        await asyncio.wait([task])


# -- which one ----------------------------------------------------------------------------------


async def test_websocket_is_taken_where_it_works(url: str) -> None:
    events: list[Event] = []
    client = Client(url)
    client.on_event(events.append)
    async with client:
        await client.connected(WAIT_S)
        assert client.transport == "websocket"
    assert events[0] == TransportChange("websocket", None)


async def test_the_best_that_gets_through_is_used_and_left_for_a_better_one(url: str) -> None:
    async with HinderingProxy(port_of(url)) as proxy, Client(url) as reader:
        seen: list[int] = []
        events: list[Event] = []
        await reader.subscribe("s", lambda message: seen.append(message.data)).ready()
        proxy.refuses_upgrade = True
        client = Client(proxy.url, timing=TIMING)
        client.on_event(events.append)
        mine: list[int] = []
        async with client:
            client.subscribe("s", lambda message: mine.append(message.data), start="earliest")
            async with publishing(client, "s") as stored:
                await until(lambda: client.transport == "sse" and len(mine) > 5)
                proxy.buffers_events = True
                proxy.cut_all()
                await until(lambda: client.transport == "long-poll")
                count = len(mine)
                await until(lambda: len(mine) > count + 5)
                proxy.refuses_upgrade = proxy.buffers_events = False
                await until(lambda: client.transport == "websocket")
                count = len(mine)
                await until(lambda: len(mine) > count + 5)
            await client.flush()
            await until(lambda: len(mine) >= len(stored) and len(seen) >= len(stored))
            assert mine == seen == list(range(len(mine)))
        assert transports_of(events) == ["sse", "long-poll", "websocket"]
        assert not [event for event in events if isinstance(event, (Gap, ClientError))]
        # What worked is left without a moment in which there is no connection.
        changes = [event for event in events if isinstance(event, (StateChange, TransportChange))]
        climbed = changes.index(TransportChange("websocket", "long-poll"))
        assert changes[climbed - 1] == TransportChange("long-poll", "sse") or (
            isinstance(changes[climbed - 1], StateChange)
            and changes[climbed - 1].state.value == "open"
        )


async def test_what_worked_is_tried_first_when_the_client_comes_back(url: str) -> None:
    async with HinderingProxy(port_of(url)) as proxy:
        proxy.refuses_upgrade = True
        async with Client(proxy.url) as client:
            await client.connected(WAIT_S)
            refused = proxy.upgrades_refused
            proxy.cut_all()
            await client.publish("s", 1)
            assert (client.transport, proxy.upgrades_refused) == ("sse", refused)
        async with Client(proxy.url, transport=client.transport) as another:
            await another.connected(WAIT_S)
            assert (another.transport, proxy.upgrades_refused) == ("sse", refused)


async def test_a_call_on_the_way_is_answered_although_a_better_way_is_taken(url: str) -> None:
    async with HinderingProxy(port_of(url)) as proxy:
        proxy.refuses_upgrade = True
        async with Client(proxy.url, timing=Timing(climb_s=0.01)) as client:
            await client.connected(WAIT_S)
            calls = [asyncio.create_task(client.call("slow", str(n))) for n in range(3)]
            await asyncio.sleep(0.1)
            proxy.refuses_upgrade = False
            await until(lambda: client.transport == "websocket")
            assert await asyncio.gather(*calls) == ["0", "1", "2"]


async def test_a_server_that_nothing_reaches_is_named_by_the_first_refusal(url: str) -> None:
    async with Client(f"{url}/nothing/here") as client:
        with pytest.raises(ClientError) as caught:
            await client.connected(WAIT_S)
    assert caught.value.code == "connection_refused"


@OVER_HTTP
async def test_a_refused_token_is_told_as_on_a_websocket(url: str, transport: str) -> None:
    async with Client(url, token="nobody", transports=[transport]) as client:
        with pytest.raises(ClientError) as caught:
            await client.connected(WAIT_S)
    assert (caught.value.code, caught.value.retry) == ("unauthorized", False)


@pytest.mark.parametrize("transports", [(), ("websocket", "pigeon"), ("sse", "sse")])
def test_transports_that_are_none_are_refused(transports: tuple[str, ...]) -> None:
    with pytest.raises(ClientError, match="transports"):
        Client("http://localhost", transports=transports)


# -- what goes over them ------------------------------------------------------------------------


@OVER_HTTP
async def test_everything_goes_over_every_transport(url: str, transport: str) -> None:
    async with (
        Client(url, token="ann", transports=[transport]) as ann,
        Client(url, token="bob", transports=[transport]) as bob,
    ):
        watch = ann.watch("room")
        await watch.ready()
        await bob.enter("room", {"mood": "fine"})
        await until(lambda: [one.user for one in watch.members] == ["bob"])
        by_name: list[Any] = []
        by_pattern: list[Any] = []
        await ann.subscribe("a/1", lambda message: by_name.append(message.data)).ready()
        await bob.subscribe_pattern("a/*", lambda one: by_pattern.append(one.data)).ready()
        for n in range(5):
            await ann.publish("a/1", n)
            await bob.publish("a/2", n)
        await until(lambda: len(by_name) == 5 and len(by_pattern) == 10)
        assert by_name == list(range(5))
        assert sorted(by_pattern) == sorted([*range(5)] * 2)
        page = await ann.history("a/1", limit=2)
        assert [message.data for message in page.messages] == [3, 4]
        assert await ann.call("slow", "x") == "x"
        await bob.leave("room")
        await until(lambda: not watch.members)


@OVER_HTTP
async def test_what_was_left_is_not_entered_again_by_a_request_held_up(
    url: str, transport: str
) -> None:
    async with (
        HinderingProxy(port_of(url)) as proxy,
        Client(url, token="ann", transports=[transport]) as ann,
        Client(proxy.url, token="eve", transports=[transport]) as eve,
    ):
        changes: list[tuple[str, list[str | None]]] = []
        watch = ann.watch(
            "room", lambda change: changes.append((change.event, [m.user for m in change.members]))
        )
        await watch.ready()
        await eve.enter("room")
        proxy.holds_up = lambda request: not proxy.held_up and b'"enter"' in request
        if transport == "sse":
            eve.subscribe("elsewhere", lambda message: None)
        await until(lambda: proxy.held_up)
        await eve.leave("room")
        await until(lambda: len(changes) >= 3)
        await asyncio.sleep(0.6)  # what was held up has come
        assert changes == [("reset", []), ("join", ["eve"]), ("leave", ["eve"])]


@OVER_HTTP
async def test_work_is_acknowledged_over_every_transport(url: str, transport: str) -> None:
    done: list[int] = []
    async with Client(url, token="ann", transports=[transport]) as client:
        for n in range(20):
            await client.publish("jobs", n)

        async def work(delivery: Any) -> None:
            await asyncio.sleep(0.01)
            done.append(delivery.data)

        consumer = client.consume("jobs", "c", work, window=5)
        await consumer.ready()
        # What stands changes again and again, and with it the request that brings the deliveries.
        for n in range(5):
            await asyncio.sleep(0.03)
            client.subscribe(f"other/{n}", lambda message: None)
        await until(lambda: len(done) >= 20)
        async with asyncio.timeout(WAIT_S):
            while (await client.consumer_state("jobs", "c")).unread:
                await asyncio.sleep(0.02)
    # What the end of a request swallowed was delivered again, and was not seen before.
    assert sorted(done) == list(range(20))


@OVER_HTTP
@pytest.mark.slow
async def test_random_cuts_lose_and_double_nothing(url: str, transport: str) -> None:
    source = random.Random(7)
    seen: dict[str, list[int]] = {f"cuts/{n}": [] for n in range(3)}
    events: list[Event] = []
    options: dict[str, Any] = {
        "retry_first_s": 0.02,
        "retry_max_s": 0.05,
        "transports": [transport],
        "timing": Timing(events_s=10.0),
    }
    async with CuttingProxy(port_of(url)) as proxy:
        proxy.plans = lambda: (
            source.choice(list(Direction)),
            int(source.expovariate(1 / 8_000)),
        )
        writer, reader = Client(proxy.url, **options), Client(proxy.url, **options)
        for client in (writer, reader):
            client.on_event(events.append)
            await client.start()
        for stream in seen:
            reader.subscribe(
                stream, lambda one: seen[one.stream].append(one.data), start="earliest"
            )
        outcomes, published = [], 0
        async with asyncio.timeout(120):
            while published < 100 or proxy.cuts <= 10:
                outcomes += [await writer.submit(stream, [published]) for stream in seen]
                published += 1
                await asyncio.sleep(0.002)
            await asyncio.gather(*outcomes)
            await until(lambda: all(len(got) >= published for got in seen.values()))
        for client in (writer, reader):
            await client.close()
    assert seen == {stream: list(range(published)) for stream in seen}
    assert not [event for event in events if isinstance(event, (Gap, ClientError))]


async def test_a_restarted_server_is_taken_up_again(tmp_path: Path) -> None:
    flags = ("--dev", "--store", f"sqlite:{tmp_path}/streams.db", "--port", str(free_port()))
    seen: list[int] = []
    with RunningServer(tmp_path, *flags) as first:
        client = Client(first.url, transports=["long-poll"], retry_max_s=0.5)
        await client.start()
        client.subscribe("s", lambda message: seen.append(message.data), start="earliest")
        for n in range(5):
            await client.publish("s", n)
        await until(lambda: len(seen) == 5)
        first.process.kill()
    publishes = [asyncio.create_task(client.publish("s", n)) for n in range(5, 10)]
    with RunningServer(tmp_path, *flags):
        await asyncio.wait_for(asyncio.gather(*publishes), WAIT_S)
        await until(lambda: len(seen) == 10)
        await client.close()
    assert seen == list(range(10))


# -- connections that die without a word ---------------------------------------------------------


@contextlib.asynccontextmanager
async def through_cutting_proxy(
    transport: str, **timing: float
) -> AsyncIterator[tuple[CuttingProxy, Client, list[Event]]]:
    """A server with heartbeats every second, a way to it, and a client."""
    settings = make_app().settings
    assert settings is not None
    app = App(settings=replace(settings, native=NativeLimits(heartbeat_s=1.0)))
    events: list[Event] = []
    async with serve_app(app, "longwire") as url, CuttingProxy(port_of(url)) as proxy:
        client = Client(proxy.url, transports=[transport], timing=Timing(**timing))
        client.on_event(events.append)
        async with client:
            await client.connected(WAIT_S)
            yield proxy, client, events


@OVER_HTTP
async def test_what_is_posted_into_silence_is_posted_again(transport: str) -> None:
    async with through_cutting_proxy(transport, answer_s=0.5, probe_s=0.3) as (proxy, client, _):
        seen: list[int] = []
        await client.subscribe("s", lambda message: seen.append(message.data)).ready()
        await client.publish("s", 0)
        proxy.silence()
        async with asyncio.timeout(WAIT_S):
            assert (await client.publish("s", 1)).position
            await client.publish("s", 2)
        await until(lambda: len(seen) == 3)
        assert seen == [0, 1, 2]


@OVER_HTTP
async def test_acknowledgements_that_are_not_answered_do_not_hold_up_all_that_follow(
    url: str, transport: str
) -> None:
    async with HinderingProxy(port_of(url)) as proxy, Client(url, token="ann") as other:
        proxy.holds_up = lambda request: b'"op":"ack"' in request and not proxy.held_up
        proxy.hold_s = 3600.0
        timing = Timing(answer_s=0.5, probe_s=0.3)
        async with Client(proxy.url, token="ann", transports=[transport], timing=timing) as client:
            await client.consume("jobs", "c", lambda delivery: None).ready()
            await other.publish("jobs", 1)
            await until(lambda: proxy.held_up)
            async with asyncio.timeout(WAIT_S):
                while (await other.consumer_state("jobs", "c")).unread:
                    await asyncio.sleep(0.05)


@OVER_HTTP
async def test_what_the_way_does_not_let_through_is_refused_and_nothing_waits_behind_it(
    url: str, transport: str
) -> None:
    async with HinderingProxy(port_of(url)) as proxy:
        proxy.request_bytes_max = 8_192
        async with Client(proxy.url, token="ann", transports=[transport]) as client:
            await client.connected(WAIT_S)
            waiters = [
                await client.submit("s", [str(n).ljust(20_000 if n == 7 else 1_000)])
                for n in range(20)
            ]
            with pytest.raises(ClientError) as caught:
                await asyncio.wait_for(waiters.pop(7), WAIT_S)
            assert (caught.value.code, caught.value.outcome) == ("entry_too_large", "not_stored")
            acks = await asyncio.wait_for(asyncio.gather(*waiters), WAIT_S)
            assert [ack.position.offset for ack in acks if ack.position] == list(range(1, 20))


@OVER_HTTP
async def test_a_silent_reading_is_noticed_though_posts_are_answered(transport: str) -> None:
    async with through_cutting_proxy(transport, answer_s=0.5) as (proxy, client, events):
        seen: list[int] = []
        await client.subscribe("s", lambda message: seen.append(message.data)).ready()
        await asyncio.sleep(0)  # the request that brings what comes has been made
        proxy.silence()
        sent = 0
        async with asyncio.timeout(WAIT_S):
            while not seen:
                await client.publish("s", sent)
                sent += 1
                await asyncio.sleep(0.05)
        await until(lambda: len(seen) == sent)
        assert seen == list(range(sent))
        assert not [event for event in events if isinstance(event, Gap)]


@pytest.mark.parametrize("is_reading", [False, True])
async def test_a_long_poll_gives_a_sign_of_life_at_once(is_reading: bool) -> None:
    """And does not wait for news, as its answer may be held back until its end."""
    async with (
        serve_app(make_app(long_poll_timeout_s=WAIT_S), "longwire") as url,
        HinderingProxy(port_of(url)) as proxy,
        Client(proxy.url, transports=["long-poll"], timing=Timing(probe_s=WAIT_S)) as client,
    ):
        await client.connected(WAIT_S)
        if is_reading:
            await client.subscribe("s", lambda message: None).ready()
        answered = -1
        while answered < proxy.answered:  # until it waits
            answered = proxy.answered
            await asyncio.sleep(0.3)
        client.wake()
        async with asyncio.timeout(SOON_S):
            while proxy.answered == answered:
                await asyncio.sleep(0.01)


@OVER_HTTP
async def test_a_client_ends_though_its_last_request_is_never_answered(transport: str) -> None:
    async with through_cutting_proxy(transport, probe_s=0.2) as (proxy, client, _):
        await client.publish("s", 1)
        proxy.silence()
        reading = tasks_of_client()
        await client.submit("s", [2])
        await until(lambda: tasks_of_client() - reading)
        posting = tasks_of_client() - reading
        await client.close()
        await until(lambda: all(task.done() for task in posting))


@OVER_HTTP
async def test_a_request_that_was_to_come_as_the_client_ends_is_refused(
    url: str, transport: str
) -> None:
    may_come = asyncio.Event()
    asked = 0

    async def token() -> str:
        nonlocal asked
        asked += 1
        if asked > 1:
            await may_come.wait()
        return "ann"

    async with HinderingProxy(port_of(url)) as proxy:
        proxy.holds_up, proxy.hold_s = lambda request: b'"publish"' in request, 3600.0
        timing = Timing(probe_s=0.5)
        client = Client(proxy.url, token=token, transports=[transport], timing=timing)
        async with client:
            await client.connected(WAIT_S)
            changing = asyncio.create_task(client.authenticate())
            await client.submit("s", [1])
            await until(lambda: proxy.held_up and asked == 2)
            closing = asyncio.create_task(client.close())
            await until(lambda: client.state is State.CLOSED)
            may_come.set()  # while what was said last is given its time
            with pytest.raises(ClientError, match="the client was closed"):
                await changing
            await closing


def tasks_of_client() -> set[asyncio.Task[Any]]:
    """What carriers are doing: reading, and posting."""
    return {task for task in asyncio.all_tasks() if "_guard" in repr(task.get_coro())}
