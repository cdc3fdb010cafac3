"""The native protocol in HTTP requests: answers, polls, events, refusals, and work that is kept."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from longwire import App, Call
from longwire.base.limits import NativeLimits, PresenceLimits
from longwire.identity.principal import Principal
from longwire.server.settings import AnonymousSettings, ServerSettings, Settings
from tests.integration.native.over_http import CONNECT, KEY, WAIT_S, ask, body_of, events, post
from tests.integration.server.app_servers import serve_app

START = "0" * 16 + "_" + "0" * 24
EVERYTHING = ("**",)
SETTINGS = Settings(
    anonymous=AnonymousSettings(read=EVERYTHING, publish=EVERYTHING, presence=EVERYTHING),
    presence=PresenceLimits(grace_s=0.5),
    server=ServerSettings(long_poll_timeout_s=15.0),
    native=NativeLimits(operations_per_request_max=4),
)


def make_app(settings: Settings = SETTINGS) -> App:
    app = App(settings=settings)

    @app.authenticate
    def who(token: str) -> Principal | None:
        name, _, expires = token.partition(" until ")
        return Principal(name, float(expires) if expires else None) if name != "nobody" else None

    @app.call("echo")
    async def echo(call: Call, text: str) -> str:
        await asyncio.sleep(0.05)
        return f"{text} for {call.principal.name or 'a guest'}"

    return app


@pytest.fixture
def app() -> App:
    return make_app()


@pytest.fixture(params=("longwire", "uvicorn", "starlette"))
async def url(app: App, request) -> AsyncIterator[str]:
    async with serve_app(app, request.param) as url:
        yield url


@pytest.fixture
async def ours(app: App) -> AsyncIterator[str]:
    async with serve_app(app, "longwire") as url:
        yield url


def publish(data, number=2, stream="s", **members):
    return {"op": "publish", "id": number, "stream": stream, "data": data, **members}


def subscribe(number=2, stream="s", **members):
    return {"op": "subscribe", "id": number, "stream": stream, **members}


def consume(number=2, **members):
    return {"op": "consume", "id": number, "stream": "s", "consumer": "billing", **members}


def of(messages, op):
    return [message for message in messages if message["op"] == op]


# -- requests and answers -----------------------------------------------------------------------


async def test_every_operation_of_a_request_is_answered(url):
    call = {"op": "call", "id": 4, "method": "echo", "data": "x"}
    history = {"op": "history", "id": 3, "stream": "s"}
    messages = await ask(url, publish({"n": 1}), history, call, connect={"token": "ann"})
    assert sorted(m["id"] for m in messages) == [1, 2, 3, 4]
    (hello,) = of(messages, "connected")
    assert (hello["user"], "inbox" in hello) == ("ann", False)
    assert of(messages, "result")[0]["data"] == "x for ann"


async def test_publishing_again_with_the_same_triple_stores_nothing(ours):
    triple = {"producer": "p-5d1c3a7f", "epoch": 0, "sequence": 0}
    for is_duplicate in (False, True):
        messages = await ask(ours, publish(1, **triple))
        assert of(messages, "published")[0]["duplicate"] is is_duplicate
    (page,) = of(await ask(ours, {"op": "history", "id": 2, "stream": "s"}), "history")
    assert [entry["data"] for entry in page["entries"]] == [1]


async def test_an_operation_that_is_refused_does_not_touch_the_others(ours):
    messages = await ask(ours, publish(1, stream="a//b"), publish(2, 3))
    assert (
        of(messages, "error")[0] | {"id": 2, "code": "bad_stream_name"} == of(messages, "error")[0]
    )
    assert len(of(messages, "published")) == 1


async def test_line_breaks_of_a_payload_do_not_cut_its_message(ours):
    text = b'{"a":\r\n[1,\n2]}'
    operation = b'{"op":"publish","id":2,"stream":"s","data":' + text + b"}"
    body = b"\x1e" + json.dumps(CONNECT).encode() + b"\n\x1e" + operation + b"\n"
    status, _, _ = await post(ours, body, content_type="application/json-seq")
    assert status == 200
    asked = subscribe(start="earliest")
    assert of(await ask(ours, asked), "entry")[0]["data"] == {"a": [1, 2]}
    async with events(ours, asked) as response:
        assert (await response.until("entry"))["data"] == {"a": [1, 2]}
    # Byte for byte in a text sequence, for those who prove links.
    _, fields, answer = await post(ours, body_of(asked), accept="application/json-seq")
    assert fields["content-type"] == "application/json-seq"
    assert answer.rpartition(b',"data":')[2] == text + b"}\n"


# -- long-polls ---------------------------------------------------------------------------------


async def test_a_poll_waits_for_the_first_entry(url):
    polling = asyncio.create_task(ask(url, subscribe(position=START)))
    await asyncio.sleep(0.05)
    await ask(url, publish({"n": 1}))
    messages = await polling
    assert [m["op"] for m in messages] == ["connected", "subscribed", "entry"]
    # It goes on where this one ended, without anything in between.
    held = messages[-1]["position"]
    await ask(url, publish({"n": 2}))
    messages = await ask(url, subscribe(position=held))
    assert of(messages, "subscribed")[0]["recovered"] is True
    assert [m["data"] for m in of(messages, "entry")] == [{"n": 2}]


async def test_a_poll_without_news_is_answered_when_its_time_is_up():
    app = make_app(replace(SETTINGS, server=ServerSettings(long_poll_timeout_s=0.3)))
    async with serve_app(app, "longwire") as url:
        began = time.monotonic()
        messages = await ask(url, subscribe())
        assert time.monotonic() - began >= 0.3
        assert [m["op"] for m in messages] == ["connected", "subscribed"]


async def test_a_poll_waits_no_longer_than_its_client_prefers():
    app = make_app(replace(SETTINGS, server=ServerSettings(long_poll_timeout_s=3600.0)))
    async with serve_app(app, "longwire") as url:
        messages = await ask(url, subscribe(), prefer="respond-async, wait=0")
        assert [m["op"] for m in messages] == ["connected", "subscribed"]


async def test_a_poll_that_reads_nothing_does_not_wait():
    app = make_app(replace(SETTINGS, server=ServerSettings(long_poll_timeout_s=3600.0)))
    async with serve_app(app, "longwire") as url:
        assert of(await ask(url, subscribe(stream="a//b")), "error")
        assert len(await ask(url)) == 1


async def test_a_poll_does_not_wait_for_the_answer_to_a_pong():
    settings = replace(SETTINGS, server=ServerSettings(long_poll_timeout_s=1.0))
    async with serve_app(make_app(settings), "longwire") as url:
        (connected,) = await ask(url, {"op": "pong", "id": 2})
        assert connected["op"] == "connected"


async def test_a_request_whose_client_is_not_known_in_time_is_answered():
    settings = replace(SETTINGS, native=NativeLimits(connect_timeout_s=0.2))
    app, asked = App(settings=settings), asyncio.Event()

    @app.authenticate
    async def who(token: str) -> Principal | None:
        await asked.wait()
        return None

    async with serve_app(app, "longwire") as url:
        status, _, _ = await post(url, body_of(connect={"token": "ann"}))
        asked.set()
        assert status == 503


async def test_streams_of_a_pattern_that_the_client_knows_are_no_news():
    app = make_app(replace(SETTINGS, server=ServerSettings(long_poll_timeout_s=3600.0)))
    async with serve_app(app, "longwire") as url:
        await ask(url, publish(1, stream="a/b"))
        pattern = {"op": "subscribe", "id": 2, "pattern": "a/*"}
        matched = of(await ask(url, pattern), "matched")
        positions = {m["stream"]: m["position"] for m in matched}
        again = pattern | {"positions": positions, "start": "earliest"}
        polling = asyncio.create_task(ask(url, again))
        await asyncio.sleep(0.2)
        assert not polling.done()
        await ask(url, publish(2, stream="a/new"))
        news = await asyncio.wait_for(polling, WAIT_S)
        assert of(news, "matched")[-1]["stream"] == "a/new"


async def test_a_poll_reads_the_inbox_only_when_it_is_asked_for(app, ours):
    connect = {"token": "ann", "inbox": "tail"}
    (hello,) = of(await ask(ours, connect=connect, prefer="wait=0"), "connected")
    await app.send_to_user("ann", {"n": 1})
    connect["inbox"] = hello["inbox"]["position"]
    messages = await ask(ours, connect=connect)
    assert [m["data"] for m in of(messages, "entry")] == [{"n": 1}]


# -- events -------------------------------------------------------------------------------------


async def test_events_bring_answers_and_then_everything(url):
    async with events(url, subscribe(start="earliest"), connect={"token": "ann"}) as response:
        assert "text/event-stream" in response.head
        assert "no-store" in response.head
        hello = await response.next()
        assert (hello["op"], hello["user"]) == ("connected", "ann")
        assert (await response.next())["op"] == "subscribed"
        for n in range(3):
            await ask(url, publish(n))
            entry = await response.until("entry")
            assert entry["data"] == n


async def test_silence_is_broken_by_heartbeats():
    app = make_app(replace(SETTINGS, native=NativeLimits(heartbeat_s=0.1)))
    async with serve_app(app, "longwire") as url, events(url) as response:
        # For longer than a connection lives that does not answer them.
        for _ in range(8):
            await response.until("ping")


async def test_a_response_of_events_ends_when_it_has_lasted_long_enough():
    app = make_app(replace(SETTINGS, native=NativeLimits(http_events_lifetime_s=0.1)))
    async with serve_app(app, "longwire") as url, events(url, subscribe()) as response:
        closing = await response.until("closing")
        assert (closing["reconnect"], closing["code"]) == (True, 4005)
        assert await response.next() is None


async def test_events_end_when_the_server_goes():
    app = make_app()
    async with app.test_client() as running:
        following = events(running.url, subscribe())
        response = await following.__aenter__()
        await response.until("subscribed")
    assert (await response.until("closing"))["code"] == 1001
    assert await response.next() is None
    await following.__aexit__(None, None, None)


async def test_a_token_that_has_expired_is_refused(ours):
    token = f"ann until {time.time() - 9.5}"
    async with events(ours, connect={"token": token}) as response:
        assert "401" in response.head.split("\r\n")[0]


# -- refusals -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "headers", "status", "code"),
    [
        (b"", {}, 400, "not_connected"),
        (b"\n\n", {}, 400, "not_connected"),
        (b"{}", {}, 400, "bad_message"),
        (b"{", {}, 400, "bad_json"),
        (b"\xff", {}, 400, "bad_json"),
        (b'{"op":"ping","id":1}', {}, 400, "not_connected"),
        (b'{"op":"connect","id":1,"version":9}', {}, 400, "bad_version"),
        (body_of(connect={"token": "nobody"}), {}, 401, "unauthorized"),
        (body_of(), {"content_type": "application/json"}, 415, "unsupported_media_type"),
        (body_of(), {"accept": "image/png"}, 406, "not_acceptable"),
        (body_of(), {"longwire_client_key": "short"}, 400, "bad_client_key"),
        (body_of(*[publish(1, n) for n in range(2, 6)]), {}, 413, "too_many_operations"),
        (body_of(publish("x" * (1 << 20))), {}, 413, "message_too_long"),
    ],
)
async def test_a_request_that_cannot_be_is_refused_with_a_status(ours, body, headers, status, code):
    got, fields, text = await post(ours, body, **headers)
    problem = json.loads(text)
    assert (got, problem["status"], problem["code"]) == (status, status, code)
    assert fields["content-type"] == "application/problem+json"
    assert fields["cache-control"] == "no-store"
    assert ("www-authenticate" in fields) == (status == 401)


async def test_as_many_operations_as_are_allowed_are_taken(ours):
    messages = await ask(ours, *[publish(1, n) for n in range(2, 5)])
    assert len(of(messages, "published")) == 3


async def test_a_user_has_no_more_requests_at_a_time_than_connections():
    app = make_app(replace(SETTINGS, native=NativeLimits(connections_per_user_max=1)))
    ann = {"token": "ann"}
    async with serve_app(app, "longwire") as url, events(url, connect=ann) as response:
        await response.until("connected")
        status, fields, body = await post(url, body_of(connect=ann))
        assert (status, json.loads(body)["code"]) == (429, "too_many_connections")
        assert int(fields["retry-after"]) > 0
        assert await ask(url, connect={"token": "bob"})


async def test_pages_of_other_origins_are_refused(ours):
    status, _, _ = await post(ours, body_of(), origin="https://evil.example")
    assert status == 403


async def test_the_token_may_stand_in_the_head(ours):
    (hello,) = await ask(ours, authorization="Bearer ann")
    assert hello["user"] == "ann"
    status, _, _ = await post(ours, body_of(), authorization="Bearer nobody")
    assert status == 401


# -- what several requests of one client have in common -----------------------------------------


async def test_a_worker_acknowledges_in_another_request(url):
    await ask(url, publish(1), publish(2, 3))
    key = {"longwire_client_key": KEY}
    async with events(url, consume(window=1), **key) as response:
        first = await response.until("delivery")
        ack = {"op": "ack", "id": 2, "stream": "s", "consumer": "billing"}
        (acked,) = of(await ask(url, ack | {"positions": [first["position"]]}, **key), "acked")
        assert acked["unread"] == 1
        second = await response.until("delivery")
        assert (second["data"], second["attempt"]) == (2, 1)
    # Who does not know the key is another worker.
    assert of(await ask(url, ack | {"upto": second["position"]}), "error")[0]["code"] == (
        "not_consuming"
    )


async def test_a_worker_goes_on_with_the_next_poll(ours):
    await ask(ours, publish(1), publish(2, 3), publish(3, 4))
    key = {"longwire_client_key": KEY}
    deliveries = of(await ask(ours, consume(window=2), **key), "delivery")
    assert [(one["data"], one["attempt"]) for one in deliveries] == [(1, 1), (2, 1)]
    # It says that it has got only one of the two: the other comes again, at once.
    held = [deliveries[0]["position"]]
    again = of(await ask(ours, consume(window=2, held=held), **key), "delivery")
    assert [(one["data"], one["attempt"]) for one in again] == [(2, 2)]
    release = {"op": "release", "id": 2, "stream": "s", "consumer": "billing"}
    assert of(await ask(ours, release, **key), "released")
    # What it gives back goes to others at once.
    others = of(await ask(ours, consume()), "delivery")
    assert [(one["data"], one["attempt"]) for one in others] == [(1, 2), (2, 3), (3, 1)]


async def test_a_member_stays_from_poll_to_poll():
    app = make_app(replace(SETTINGS, presence=PresenceLimits(grace_s=2.5)))
    key = {"longwire_client_key": KEY}
    watch = {"op": "members", "id": 2, "stream": "s", "watch": True}
    enter = {"op": "enter", "id": 2, "stream": "s"}
    async with serve_app(app, "longwire") as url, events(url, watch) as response:
        assert (await response.until("members"))["members"] == []
        (hello, _) = await ask(url, enter, prefer="wait=0", **key)
        joined = await response.until("presence")
        assert (joined["event"], joined["connection"]) == ("join", hello["connection"])
        for _ in range(3):  # together longer than the grace period
            await ask(url, enter, subscribe(3, "other"), prefer="wait=1", **key)
        leave = {"op": "leave", "id": 3, "stream": "s"}
        await ask(url, leave, **key)
        left = await response.until("presence")
        assert (left["event"], left["connection"]) == ("leave", hello["connection"])
        assert len(of(response.all, "presence")) == 2


async def test_the_end_of_an_older_request_takes_no_membership_from_a_newer_one(ours):
    key = {"longwire_client_key": KEY}
    enter = {"op": "enter", "id": 2, "stream": "s"}
    async with events(ours, enter, **key) as newer:
        async with events(ours, enter, **key) as older:
            await older.until("entered")
        await newer.until("entered")
        await asyncio.sleep(0.8)
        ask_members = {"op": "members", "id": 2, "stream": "s"}
        (members,) = of(await ask(ours, ask_members), "members")
        assert len(members["members"]) == 1
