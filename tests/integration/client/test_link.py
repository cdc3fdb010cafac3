"""When a client connects, doubts, comes back, stays away, and with which token."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import random
import re
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from longwire.client import backoff, link
from longwire.client.carrier import CarrierOwner, MakeCarrier, allows_reconnect
from longwire.client.client import Client, Event
from longwire.client.connection import Timing
from longwire.client.errors import ClientError
from longwire.client.events import Message, State, StateChange
from longwire.client.subscription import Subscription
from longwire.client.transports import Transports
from longwire.streams.position import START
from tests.integration.client.cutting import CuttingProxy
from tests.integration.client.scripted import WAIT_S, ScriptedServer
from tests.needs import ROOT
from tests.unit.client.host import entry

FAST = Timing(connect_s=5.0, answer_s=0.3, probe_s=0.2)
STORED = {"first": None, "last": None, "duplicate": True, "durability": "disk"}


@pytest.fixture
async def server() -> AsyncIterator[ScriptedServer]:
    async with ScriptedServer() as server:
        yield server


@contextlib.asynccontextmanager
async def client_of(
    server: ScriptedServer, events: list[Event] | None = None, **options: Any
) -> AsyncIterator[Client]:
    client = Client(server.url, retry_first_s=0.05, retry_max_s=0.1, **options)
    client.on_event((events if events is not None else []).append)
    await client.start()
    try:
        yield client
    finally:
        await client.close()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(WAIT_S):
        while not condition():
            await asyncio.sleep(0.01)


def codes(events: list[Event]) -> list[str]:
    return [event.code for event in events if isinstance(event, ClientError)]


# -- doubts -------------------------------------------------------------------------------------


async def test_publish_that_is_not_answered_on_a_live_connection_is_sent_on_another(
    server: ScriptedServer,
) -> None:
    async with client_of(server, timing=FAST) as client:
        first = await server.accept()
        await first.welcome()
        publishing = asyncio.create_task(client.publish("s", {"text": "once"}))
        sent = await first.expect("publish")
        await first.expect("ping")  # answered: it lives
        second = await server.accept()
        await second.welcome()
        again = await second.expect("publish")
        assert {**sent, "id": again["id"]} == again
        await second.answer(again, "published", stream="s", **STORED)
        assert (await publishing).is_duplicate


async def test_silence_of_two_heartbeats_is_the_end_of_a_connection(server: ScriptedServer) -> None:
    events: list[Event] = []
    async with client_of(server, events):
        first = await server.accept()
        await first.welcome(heartbeat_s=0.2)
        await first.say("ping")
        await first.expect("pong")
        await (await server.accept()).welcome()
    reasons = [event.reason for event in events if isinstance(event, StateChange)]
    assert "nothing came for 0.4 s" in reasons


async def test_machine_that_slept_asks_for_a_sign_of_life(
    server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link, "WAKE_CHECK_S", 0.05)
    offset_s = 0.0
    monkeypatch.setattr(link, "time", FakeTime(lambda: time.time() + offset_s))
    async with client_of(server, timing=FAST):
        peer = await server.accept()
        peer.is_answering_pings = False
        await peer.welcome()
        offset_s = 3600.0
        await peer.expect("ping")
        await (await server.accept()).welcome()  # it trusted no silence


class FakeTime:
    def __init__(self, now: Callable[[], float]) -> None:
        self.time = now


async def test_wake_ends_the_wait_for_a_retry(server: ScriptedServer) -> None:
    events: list[Event] = []
    async with client_of(server, events) as client:
        peer = await server.accept()
        await peer.welcome()
        await peer.say("closing", code=1013, reason="busy", reconnect=True, after_s=[500, 600])
        await peer.connection.close(1013)
        await until(lambda: client.state is State.WAITING)
        client.wake()
        await (await server.accept()).welcome()
    waits = [event.retry_in_s for event in events if isinstance(event, StateChange)]
    assert any(wait_s is not None and 500 <= wait_s <= 600 for wait_s in waits)


async def test_what_is_no_message_of_the_protocol_ends_the_connection(
    server: ScriptedServer,
) -> None:
    async with client_of(server):
        peer = await server.accept()
        await peer.welcome()
        await peer.connection.send("hello?")
        await (await server.accept()).welcome()


@pytest.mark.parametrize("transport", ["websocket", "sse", "long-poll"])
async def test_client_ends_while_its_token_is_waited_for(transport: str) -> None:
    is_asked = asyncio.Event()

    async def token() -> str:
        is_asked.set()
        await asyncio.sleep(WAIT_S)
        return "late"

    client = Client("ws://127.0.0.1:1", transports=[transport], token=token)
    await client.start()
    await asyncio.wait_for(is_asked.wait(), WAIT_S)
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    await client.close()
    assert client.state is State.CLOSED
    assert all(task.done() for task in tasks)


async def test_end_that_does_not_wait_for_handlers_is_an_end(
    server: ScriptedServer, tmp_path: Path
) -> None:
    is_handling = asyncio.Event()

    async def handle(message: Message[Any]) -> None:
        is_handling.set()
        await asyncio.sleep(WAIT_S)

    async def iterate(subscription: Subscription[Any]) -> None:
        async for _ in subscription:
            pass

    async with client_of(server, outbox_path=tmp_path / "outbox") as client:
        peer = await server.accept()
        await peer.welcome()
        client.subscribe("s", handle)
        place = {"position": str(START), "tail": str(START)}
        await peer.answer(await peer.expect("subscribe"), "subscribed", stream="s", **place)
        await peer.say(**entry(1))
        await asyncio.wait_for(is_handling.wait(), WAIT_S)
        iterating = asyncio.create_task(iterate(client.subscribe("t")))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(client.close(), 0.05)
        assert client.state is State.CLOSED
        with pytest.raises(ClientError):
            await asyncio.wait_for(iterating, WAIT_S)
        await asyncio.wait_for(peer.closed.wait(), WAIT_S)
    async with Client(server.url, outbox_path=tmp_path / "outbox"):
        pass  # it has no other owner


@contextlib.asynccontextmanager
async def over_slow_network(
    server: ScriptedServer, timing: Timing
) -> AsyncIterator[tuple[CuttingProxy, Client]]:
    """What takes two seconds on it takes longer than any of the client's waits."""
    async with CuttingProxy(int(server.url.rpartition(":")[2])) as proxy:
        proxy.bytes_per_s = 100_000.0
        async with Client(proxy.url, transports=["websocket"], timing=timing) as client:
            yield proxy, client


LARGE = base64.b64encode(random.Random(1).randbytes(200_000)).decode()


async def test_large_publish_gets_through_a_slow_network(server: ScriptedServer) -> None:
    timing = Timing(answer_s=0.5, probe_s=0.5)
    async with over_slow_network(server, timing) as (proxy, client):
        peer = await server.accept()
        await peer.welcome()
        publishing = asyncio.create_task(client.publish("s", LARGE))
        await peer.answer(await peer.expect("publish"), "published", stream="s", **STORED)
        await asyncio.wait_for(publishing, WAIT_S)
        assert len(proxy.forwarded) == 1


async def test_large_message_and_answers_behind_it_get_through_a_slow_network(
    server: ScriptedServer,
) -> None:
    timing = Timing(answer_s=0.5, probe_s=0.5)
    async with over_slow_network(server, timing) as (proxy, client):
        peer = await server.accept()
        await peer.welcome(heartbeat_s=0.5)
        messages = aiter(client.subscribe("s"))
        first = asyncio.ensure_future(anext(messages))
        place = {"position": str(START), "tail": str(START)}
        await peer.answer(await peer.expect("subscribe"), "subscribed", stream="s", **place)
        await peer.say(**entry(1) | {"data": LARGE})
        publishing = asyncio.create_task(client.publish("s", 1))
        await peer.answer(await peer.expect("publish"), "published", stream="s", **STORED)
        await asyncio.wait_for(publishing, WAIT_S)
        assert (await asyncio.wait_for(first, WAIT_S)).data == LARGE
        assert len(proxy.forwarded) == 1


# -- coming back --------------------------------------------------------------------------------


async def test_first_retry_is_at_once_when_the_connection_had_lived(
    server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backoff, "LIVED_S", 0.0)
    events: list[Event] = []
    async with client_of(server, events, random=lambda: 1.0):
        peer = await server.accept()
        await peer.welcome()
        await peer.connection.close(1012)
        await (await server.accept()).welcome()
    waits = [event.retry_in_s for event in events if isinstance(event, StateChange)]
    assert [wait_s for wait_s in waits if wait_s is not None] == [0.0]


async def test_advice_when_to_come_back_is_obeyed(server: ScriptedServer) -> None:
    async with client_of(server):
        peer = await server.accept()
        await peer.welcome()
        await peer.say("closing", code=1012, reason="", reconnect=True, after_s=[0.5, 0.6])
        began_s = time.monotonic()
        await peer.connection.close(1012)
        await (await server.accept()).welcome()
        assert time.monotonic() - began_s >= 0.45


async def test_advice_to_stay_away_is_obeyed(server: ScriptedServer) -> None:
    events: list[Event] = []
    async with client_of(server, events) as client:
        peer = await server.accept()
        await peer.welcome()
        publishing = asyncio.create_task(client.publish("s", 1))
        await peer.expect("publish")
        reason = "the application ended it"
        await peer.say("closing", code=1001, reason=reason, reconnect=False)
        await peer.connection.close(1001)
        with pytest.raises(ClientError) as caught:
            await publishing
        assert (caught.value.outcome, caught.value.message) == ("unknown", reason)
        with pytest.raises(ClientError, match=reason):
            await client.publish("s", 2)
        await until(lambda: client.state is State.CLOSED)
    assert codes(events) == ["connection_closed"]
    assert not server.has_another


@pytest.mark.parametrize("code", [1000, 1001, 1008, 1012, 1013, 3000, 3500, 4003, 4500, 4504])
async def test_close_code_says_whether_to_come_back(server: ScriptedServer, code: int) -> None:
    async with client_of(server) as client:
        peer = await server.accept()
        await peer.welcome()
        await peer.connection.close(code)
        if allows_reconnect(code):
            await (await server.accept()).welcome()
        else:
            await until(lambda: client.state is State.CLOSED)
            assert not server.has_another


def test_close_codes_stand_in_the_protocol() -> None:
    text = (ROOT / "docs" / "protocol.md").read_text()
    table = text[text.index("### 10.2") : text.index("### 10.3")]
    rows = re.findall(r"^\| ([0-9–, ]+) \| (yes|no) \|", table, re.MULTILINE)
    assert len(rows) > 10
    for numbers, answer in rows:
        for number in re.findall(r"\d{4}", numbers):
            assert allows_reconnect(int(number)) == (answer == "yes"), number


# -- tokens -------------------------------------------------------------------------------------


async def test_token_function_is_asked_before_each_attempt(server: ScriptedServer) -> None:
    asked = 0

    async def token() -> str:
        nonlocal asked
        asked += 1
        if asked == 2:
            raise OSError("the issuer is away")
        return f"token {asked}"

    events: list[Event] = []
    async with client_of(server, events, token=token) as client:
        peer = await server.accept()
        assert (await peer.welcome(user="ann"))["token"] == "token 1"
        await client.connected()
        assert client.user == "ann"
        await peer.connection.close(1012)
        peer = await server.accept()
        request = await peer.expect("connect")
        assert request["token"] == "token 3"
        await peer.refuse(request, "unauthorized")
        await peer.connection.close(4503)
        assert (await (await server.accept()).welcome())["token"] == "token 4"
    reasons = [event.reason for event in events if isinstance(event, StateChange)]
    assert any("the issuer is away" in reason for reason in reasons)


async def test_fixed_token_that_is_refused_is_the_end(server: ScriptedServer) -> None:
    async with client_of(server, token="bad") as client:
        peer = await server.accept()
        await peer.refuse(await peer.expect("connect"), "unauthorized")
        with pytest.raises(ClientError) as caught:
            await client.connected(WAIT_S)
        assert caught.value.code == "unauthorized"
        assert not server.has_another


async def test_token_is_renewed_in_time_without_another_connection(server: ScriptedServer) -> None:
    tokens = iter(f"token {number}" for number in range(1, 9))
    async with client_of(server, token=lambda: next(tokens)) as client:
        peer = await server.accept()
        welcomed_s = time.monotonic()
        await peer.welcome(user="ann", expires_in_s=0.8)
        request = await peer.expect("authenticate")
        assert request["token"] == "token 2"
        assert time.monotonic() - welcomed_s >= 0.5
        await peer.answer(request, "authenticated", user="ann", expires_in_s=0.4)
        request = await peer.expect("authenticate")
        await peer.answer(request, "authenticated", user="ann")
        assert client.state is State.OPEN and not server.has_another


async def test_token_that_cannot_be_renewed_is_told_and_tried_again(
    server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link, "RENEW_AGAIN_MIN_S", 0.05)
    events: list[Event] = []
    async with client_of(server, events, token=lambda: "token"):
        peer = await server.accept()
        await peer.welcome(expires_in_s=0.4)
        await peer.refuse(await peer.expect("authenticate"), "foreign_token")
        await peer.refuse(await peer.expect("authenticate"), "unauthorized")
        await peer.answer(await peer.expect("authenticate"), "authenticated", expires_in_s=60)
        assert codes(events) == ["foreign_token", "unauthorized"]
        # Too late after all: with a new one it may come back.
        await peer.connection.close(4002)
        await (await server.accept()).welcome()


async def test_token_is_changed_by_hand(server: ScriptedServer) -> None:
    async with client_of(server, token="old") as client:
        peer = await server.accept()
        await peer.welcome(user="ann")
        await client.connected()
        changing = asyncio.create_task(client.authenticate("foreign"))
        await peer.refuse(await peer.expect("authenticate"), "foreign_token")
        with pytest.raises(ClientError, match="foreign_token"):
            await changing
        changing = asyncio.create_task(client.authenticate("new"))
        request = await peer.expect("authenticate")
        assert request["token"] == "new"
        await peer.answer(request, "authenticated", user="ann")
        await changing
        await peer.connection.close(1012)
        assert (await (await server.accept()).welcome())["token"] == "new"


async def test_token_function_that_never_returns_is_asked_again(
    server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link, "RENEW_AT", 0.01)
    monkeypatch.setattr(link, "RENEW_AGAIN_AT", 0.005)
    monkeypatch.setattr(link, "RENEW_AGAIN_MIN_S", 0.05)
    asked = 0

    async def token() -> str:
        nonlocal asked
        asked += 1
        if asked == 2:
            await asyncio.sleep(3600.0)
        return f"token {asked}"

    events: list[Event] = []
    async with client_of(server, events, token=token, timing=Timing(connect_s=1.0)):
        peer = await server.accept()
        await peer.welcome(expires_in_s=20.0)
        assert (await peer.expect("authenticate"))["token"] == "token 3"
        assert codes(events) == ["token_failed"]


async def test_token_that_is_changed_while_the_old_one_is_refused_is_shown(
    server: ScriptedServer,
) -> None:
    async with client_of(server, token="old") as client:
        peer = await server.accept()
        request = await peer.expect("connect")
        await client.authenticate("new")
        await peer.refuse(request, "unauthorized")
        peer = await server.accept()
        assert (await peer.welcome())["token"] == "new"
        await client.connected(WAIT_S)
        changing = asyncio.create_task(client.authenticate("newer"))
        await peer.expect("authenticate")
        await peer.connection.close(4002)  # the one before has expired
        peer = await server.accept()
        request = await peer.expect("connect")
        assert request["token"] == "newer"
        await peer.refuse(request, "unauthorized")
        with pytest.raises(ClientError, match="unauthorized"):
            await client.connected(WAIT_S)
        with pytest.raises(ClientError, match="connection_lost"):
            await changing


# -- transports ---------------------------------------------------------------------------------


class Carried:
    """A carrier that says what it is told to."""

    received_bytes = 0

    def __init__(self, owner: CarrierOwner) -> None:
        self.owner = owner
        self.is_connecting = asyncio.Event()
        self.is_over = False

    async def open(self) -> None: ...

    def send(self, op: str, text: bytes) -> None:
        self.is_connecting.set()

    def close(self, code: int, reason: str) -> None:
        self.is_over = True

    async def finish(self) -> None: ...

    def abort(self) -> None:
        self.is_over = True

    def welcome(self) -> None:
        self.owner.received({"op": "connected", "id": 1})


async def test_better_way_that_opens_as_the_other_is_lost_is_not_left_open(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    carriers: asyncio.Queue[Carried] = asyncio.Queue()

    def make(owner: CarrierOwner) -> Carried:
        carried = Carried(owner)
        carriers.put_nowait(carried)
        return carried

    def make_carrier(self: Transports, name: str) -> MakeCarrier:
        return make

    monkeypatch.setattr(Transports, "make_carrier", make_carrier)
    timing = Timing(climb_s=0.01)
    async with Client("ws://127.0.0.1:1", transport="sse", timing=timing, retry_first_s=3600):
        lesser = await asyncio.wait_for(carriers.get(), WAIT_S)
        await asyncio.wait_for(lesser.is_connecting.wait(), WAIT_S)
        lesser.welcome()
        better = await asyncio.wait_for(carriers.get(), WAIT_S)
        await asyncio.wait_for(better.is_connecting.wait(), WAIT_S)
        lesser.owner.lost(1006, "gone")
        better.welcome()
        await until(lambda: better.is_over)


# -- requests -----------------------------------------------------------------------------------


class Room(msgspec.Struct):
    number: int


async def test_calls_are_answered_refused_and_lost(server: ScriptedServer) -> None:
    async with client_of(server) as client:
        peer = await server.accept()
        await peer.welcome()
        calls = [
            asyncio.create_task(client.call("rooms.create", {"title": "Tea"}, type=Room)),
            asyncio.create_task(client.call("rooms.close", timeout_s=5)),
            asyncio.create_task(client.call("rooms.count")),
        ]
        first, second, third = [await peer.expect("call") for _ in calls]
        assert (first["method"], first["data"]) == ("rooms.create", {"title": "Tea"})
        assert "data" not in second and second["timeout_s"] == 5
        await peer.refuse(second, "call_refused", reason="not_empty")
        await peer.answer(first, "result", data={"number": 7})
        assert await calls[0] == Room(7)
        with pytest.raises(ClientError) as caught:
            await calls[1]
        assert caught.value.details == {"reason": "not_empty"}
        await peer.connection.close(1012)
        with pytest.raises(ClientError) as caught:
            await calls[2]
        assert (third["method"], caught.value.code) == ("rooms.count", "connection_lost")


async def test_call_may_take_longer_than_other_requests(server: ScriptedServer) -> None:
    async with client_of(server, timing=FAST) as client:
        peer = await server.accept()
        await peer.welcome(limits={"call_timeout_s": 30})
        call = asyncio.create_task(client.call("slow", timeout_s=5))
        request = await peer.expect("call")
        await asyncio.sleep(0.8)
        await peer.answer(request, "result")
        assert await call is None
        assert not server.has_another


def protocol_errors() -> list[tuple[str, bool]]:
    """The codes of docs/protocol.md, section 9, and whether the same may succeed later."""
    text = (ROOT / "docs" / "protocol.md").read_text()
    section = text[text.index("## 9. Errors") : text.index("## 10. Closing")]
    rows = re.findall(r"^\| ((?:`\w+`(?:, )?)+) \| (yes|no) \|", section, re.MULTILINE)
    return [(code, retry == "yes") for names, retry in rows for code in re.findall(r"\w+", names)]


async def test_every_error_of_the_protocol_reaches_who_asked(server: ScriptedServer) -> None:
    errors = protocol_errors()
    assert len(errors) > 40
    async with client_of(server) as client:
        peer = await server.accept()
        await peer.welcome()
        for code, retry in errors:
            asking = asyncio.create_task(client.history("s"))
            await peer.refuse(await peer.expect("history"), code, retry=retry, limit=7)
            with pytest.raises(ClientError) as caught:
                await asking
            error = caught.value
            assert (error.code, error.retry, error.details) == (code, retry, {"limit": 7})
            assert error.message == f"the sentence of {code}"


async def test_request_made_as_the_server_ends_it_for_good_is_told_why(
    server: ScriptedServer,
) -> None:
    """Between the end of the connection and that of the client."""
    is_told = asyncio.Event()
    async with client_of(server) as client:
        client.on_event(lambda event: is_told.set() if isinstance(event, ClientError) else None)
        peer = await server.accept()
        await peer.welcome()
        await client.connected(WAIT_S)
        await peer.connection.close(4504, "go away")
        async with asyncio.timeout(WAIT_S):
            await is_told.wait()
        with pytest.raises(ClientError, match="go away"):
            await client.history("s")


async def test_publish_ends_with_final_errors_and_outlives_others(server: ScriptedServer) -> None:
    # Those that the producer rule deals with have tests of their own.
    numbered = {"sequence_gap", "producer_epoch_start", "producer_unknown"}
    async with client_of(server) as client:
        peer = await server.accept()
        await peer.welcome()
        for code, retry in protocol_errors():
            if code in numbered:
                continue
            publishing = asyncio.create_task(client.publish(code, 1))
            request = await peer.expect("publish")
            await peer.refuse(request, code, retry=retry, after_s=0.01)
            if retry:
                again = await peer.expect("publish")
                assert {**request, "id": again["id"]} == again
                await peer.answer(again, "published", stream=code, **STORED)
                await publishing
            else:
                with pytest.raises(ClientError) as caught:
                    await publishing
                assert (caught.value.code, caught.value.outcome) == (code, "not_stored")


async def test_error_without_a_request_is_an_event(server: ScriptedServer) -> None:
    events: list[Event] = []
    async with client_of(server, events):
        peer = await server.accept()
        await peer.welcome()
        await peer.say("error", code="bad_json", message="byte 7", retry=False)
        await until(lambda: codes(events) == ["bad_json"])
