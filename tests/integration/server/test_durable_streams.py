"""Durable Streams over HTTP, behind our own server, uvicorn, and mounted in Starlette: what the
conformance suite (tests/conformance/durable_streams) does not ask."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator

import httpx
import pytest

from longwire import Access, App, Publication, PublishRefused
from longwire.base.limits import DurableLimits, HttpLimits, RetentionLimits, StreamLimits
from longwire.server.settings import (
    AnonymousSettings,
    OriginSettings,
    ServerSettings,
    Settings,
)
from longwire.streams.errors import PositionError
from longwire.streams.position import parse_position
from tests.integration.server.app_servers import WAYS, serve_app
from tests.integration.server.native_client import TIMEOUT_S, native_client

TEXT = {"Content-Type": "text/plain"}
JSON = {"Content-Type": "application/json"}
CLOSE = {"Stream-Closed": "true"}
START = "0000000000000000_" + "0" * 24


def make_app() -> App:
    app = App(
        settings=Settings(
            server=ServerSettings(long_poll_timeout_s=0.3),
            anonymous=AnonymousSettings(
                read=("open/**",), publish=("open/**", "drop/**"), manage=("open/**",)
            ),
            origins=OriginSettings(allowed=("same", "https://*.example.com")),
            durable=DurableLimits(page_entries_max=4, page_bytes_max=2_000),
            streams=StreamLimits(entry_bytes_max=1_000, batch_entries_max=20),
            retention=RetentionLimits(entries_max=30),
            http=HttpLimits(body_bytes_max=50_000),
        )
    )

    @app.authenticate
    def who(token: str) -> str | None:
        return token.removeprefix("token-of-") if token.startswith("token-of-") else None

    @app.permit("rooms/*")
    def members(access: Access) -> bool:
        return access.action == "read" or not access.principal.is_anonymous

    @app.permit("rooms/*", actions=["manage"])
    async def owner(access: Access) -> bool:
        return access.principal.name == "ann"

    @app.on_publish("rooms/*")
    def check(publication: Publication) -> None:
        if publication.data == "refuse me":
            raise PublishRefused("Not here, please.")
        publication.data = {"said": publication.data, "by": publication.principal.name}

    return app


@pytest.fixture
def app() -> App:
    return make_app()


@pytest.fixture(params=WAYS)
async def url(app: App, request: pytest.FixtureRequest) -> AsyncIterator[str]:
    async with serve_app(app, request.param) as served:
        yield served


@pytest.fixture
async def http(url: str) -> AsyncIterator[httpx.AsyncClient]:
    base_url = f"{url}/streams/"
    async with httpx.AsyncClient(trust_env=False, timeout=TIMEOUT_S, base_url=base_url) as client:
        yield client


def place(answer: httpx.Response) -> str:
    return answer.headers["stream-next-offset"]


def user(name: str, **more: str) -> dict[str, str]:
    return {"Authorization": f"Bearer token-of-{name}", **more}


class Events:
    """The events of one response."""

    def __init__(self, response: httpx.Response) -> None:
        self._lines = response.aiter_lines()

    async def until(self, text: str) -> list[tuple[str, str]]:
        """Events (type, data) up to the first whose data has ``text`` in it, or to the end."""
        events: list[tuple[str, str]] = []
        kind, data = "", []
        async with asyncio.timeout(TIMEOUT_S):
            async for line in self._lines:
                if line.startswith("event:"):
                    kind = line[6:].strip()
                elif line.startswith("data:"):
                    data.append(line[5:].removeprefix(" "))
                elif not line and data:
                    events.append((kind, "\n".join(data)))
                    if text in events[-1][1]:
                        break
                    kind, data = "", []
        return events


# -- one log on all faces ---------------------------------------------------------------------


async def test_what_one_face_appends_another_reads_at_the_same_positions(
    url: str, http: httpx.AsyncClient, app: App
) -> None:
    created = await http.put("open/s", headers=JSON, content='[{"n":1},{"n":2}]')
    assert created.status_code == 201
    assert created.headers["location"] == f"{url}/streams/open/s"
    appended = await app.publish("open/s", {"n": 3})
    async with native_client(url) as native:
        subscribed = await native.ask("subscribe", stream="open/s", start="earliest")
        assert subscribed["tail"] == str(appended.last)
        entries = [await native.receive_op("entry") for _ in range(3)]
        assert [entry["data"]["n"] for entry in entries] == [1, 2, 3]
        assert entries[1]["position"] == place(created)
        posted = await http.post("open/s", headers=JSON, content='{"n":4}')
        live = await native.receive_op("entry")
        assert (live["data"], live["position"]) == ({"n": 4}, place(posted))
        published = await native.ask("publish", stream="open/s", data={"n": "last"})
    rest = await http.get("open/s", params={"offset": place(created)})
    assert rest.json() == [{"n": 3}, {"n": 4}, {"n": "last"}]
    assert place(rest) == published["last"]
    headers = {"Accept": "text/event-stream", "Last-Event-ID": place(posted)}
    async with http.stream("GET", "open/s", headers=headers) as response:
        events = await Events(response).until("last")
    assert [kind for kind, _ in events] == ["subscribed", ""]


async def test_subscriber_that_waits_for_a_name_gets_what_it_is_created_with(
    url: str, http: httpx.AsyncClient
) -> None:
    await http.put("open/source", headers=JSON, content="[1,2]")
    async with native_client(url) as native:
        for name in ("new", "fork", "empty"):
            await native.ask("subscribe", stream=f"open/{name}")
        await http.put("open/new", headers=JSON, content="[7]")
        assert (await native.receive_op("entry"))["data"] == 7
        await http.put("open/fork", headers={"Stream-Forked-From": "/open/source"}, content=b"")
        assert [(await native.receive_op("entry"))["data"] for _ in range(2)] == [1, 2]
        await http.put("open/empty", headers=JSON | CLOSE)
        assert (await native.receive_op("closed"))["stream"] == "open/empty"


# -- permissions ------------------------------------------------------------------------------


async def test_permissions_are_asked_for_each_method(http: httpx.AsyncClient) -> None:
    async def status(method: str, path: str, headers: dict[str, str], content: str = "1") -> int:
        body = content if method in ("PUT", "POST") else None
        answer = await http.request(method, path, headers={**JSON, **headers}, content=body)
        if answer.status_code in (401, 403):
            assert answer.headers["www-authenticate"].startswith("Bearer")
            assert method == "HEAD" or "permission" in answer.text or "token" in answer.text
        return answer.status_code

    for method in ("GET", "HEAD", "PUT", "POST", "DELETE"):
        assert await status(method, "private", {}) == 401
        assert await status(method, "private", user("bob")) == 403
        assert await status(method, "private", {"Authorization": "Bearer stolen"}) == 401
    assert await status("PUT", "rooms/a", {}) == 401
    assert await status("PUT", "rooms/a", user("bob")) == 201
    assert await status("POST", "rooms/a", {}) == 401
    assert await status("POST", "rooms/a", user("bob")) == 204
    assert await status("GET", "rooms/a", {}) == 200
    # Ending a stream is more than publishing to it.
    for ending in (CLOSE, {"Stream-TTL": "9"}, {"Stream-Expires-At": "2099-01-01T00:00:00Z"}):
        assert await status("PUT", "rooms/b", user("bob", **ending)) == 403
    assert await status("POST", "rooms/a", user("bob", **CLOSE)) == 403
    assert await status("DELETE", "rooms/a", user("bob")) == 403
    assert await status("POST", "rooms/a", user("ann", **CLOSE)) == 204
    assert await status("DELETE", "rooms/a", user("ann")) == 204
    # A fork shows what its source holds.
    assert await status("PUT", "open/f", {"Stream-Forked-From": "/drop/s"}) == 401
    assert await status("PUT", "drop/s", {}) == 201
    assert await status("DELETE", "drop/s", {}) == 401


async def test_publish_hook_sees_what_is_put_and_posted(http: httpx.AsyncClient) -> None:
    ann = user("ann", **JSON)
    refused = await http.put("rooms/a", headers=ann, content='["fine","refuse me"]')
    assert (refused.status_code, refused.json()["detail"]) == (403, "Not here, please.")
    assert (await http.get("rooms/a")).status_code == 404
    await http.put("rooms/a", headers=ann, content='["one"]')
    assert (await http.post("rooms/a", headers=ann, content='"refuse me"')).status_code == 403
    await http.post("rooms/a", headers=ann, content='["two"]')
    said = [message["said"] for message in (await http.get("rooms/a")).json()]
    assert said == ["one", "two"]


async def test_producers_of_two_users_do_not_meet(http: httpx.AsyncClient) -> None:
    await http.put("rooms/a", headers=user("ann", **JSON))
    stamp = {"Producer-Id": "p", "Producer-Epoch": "0", "Producer-Seq": "0"}
    for name in ("ann", "bob"):
        for expected in (200, 204):
            headers = {**user(name, **JSON), **stamp}
            answer = await http.post("rooms/a", headers=headers, content="1")
            assert answer.status_code == expected
    assert len((await http.get("rooms/a")).json()) == 2


# -- refusals ---------------------------------------------------------------------------------


async def test_position_that_is_lost_is_gone_with_the_reason(http: httpx.AsyncClient) -> None:
    first = await http.put("open/s", headers=JSON, content="[1,2,3]")
    for _ in range(4):
        await http.post("open/s", headers=JSON, content=json.dumps(list(range(10))))
    tail = place(await http.head("open/s"))
    other = tail[:25] + "0" * 16
    ahead = "0000000000000999" + tail[16:]
    foreign = tail[:17] + "00000000" + tail[25:]
    for offset, reason in (
        (place(first), "trimmed"),
        (START, "trimmed"),
        (other, "diverged"),
        (ahead, "ahead"),
        (foreign, "epoch"),
    ):
        for live in ({}, {"live": "long-poll"}, {"live": "sse"}):
            answer = await http.get("open/s", params={"offset": offset, **live})
            assert answer.status_code == 410
            assert answer.headers["content-type"] == "application/problem+json"
            problem = answer.json()
            assert (problem["reason"], problem["tail"]) == (reason, tail)
            assert problem["position"] == place(answer)
            assert answer.headers["cache-control"] == "no-store"
        # Reading goes on where the answer says.
        assert (await http.get("open/s", params={"offset": place(answer)})).status_code == 200
    # The beginning of a stream is where what is kept begins: 43 entries, of which 30 are.
    assert (await http.get("open/s", params={"offset": "-1"})).json() == [0, 1, 2, 3]
    page = await http.get("open/s", headers={"Accept": "text/html"}, params={"offset": START})
    assert page.headers["content-type"].startswith("text/html")


async def test_bodies_are_limited_and_not_decoded(http: httpx.AsyncClient) -> None:
    await http.put("open/j", headers=JSON)
    fits = json.dumps(["x" * 998])
    assert (await http.post("open/j", headers=JSON, content=fits)).status_code == 204
    for content in (json.dumps(["x" * 999]), json.dumps([1] * 21)):
        answer = await http.post("open/j", headers=JSON, content=content)
        assert (answer.status_code, answer.json()["code"]) == (413, "entry_too_large")
    await http.put("open/b", headers=TEXT)
    assert (await http.post("open/b", headers=TEXT, content="x" * 20_000)).status_code == 204
    assert (await http.post("open/b", headers=TEXT, content="x" * 20_001)).status_code == 413
    coded = await http.post("open/b", headers={**TEXT, "Content-Encoding": "gzip"}, content=b"x")
    assert (coded.status_code, coded.json()["code"]) == (415, "coded_body")
    plain = await http.post(
        "open/b", headers={**TEXT, "Content-Encoding": "identity"}, content=b"x"
    )
    assert plain.status_code == 204
    try:
        huge = await http.post("open/b", headers=TEXT, content="x" * 50_001)
        assert huge.status_code == 413
    except httpx.WriteError:
        pass  # refused before all of it was sent


@pytest.mark.parametrize("body", ["no JSON", "[]"])
async def test_body_of_another_type_is_told_before_what_is_wrong_with_it(
    http: httpx.AsyncClient, body: str
) -> None:
    assert (await http.post("/open/a", content=body, headers=JSON)).status_code == 404
    await http.put("/open/a", headers=TEXT)
    refused = await http.post("/open/a", content=body, headers=JSON)
    assert (refused.status_code, refused.json()["code"]) == (409, "wrong_content_type")
    await http.put("/open/b", headers=JSON)
    assert (await http.post("/open/b", content=body, headers=JSON)).status_code == 400
    await http.put("/open/c", headers={"Stream-Forked-From": "/open/b"})
    await http.delete("/open/b")
    assert (await http.post("/open/b", content=body, headers=JSON)).status_code == 410


async def test_stream_may_live_as_long_as_dates_can_be_written(http: httpx.AsyncClient) -> None:
    last = "9999-12-31T23:59:59.999Z"
    for name, text in {"a": last, "b": "9999-12-31T22:59:59.999999999-01:00"}.items():
        created = await http.put(f"/open/{name}", headers=TEXT | {"Stream-Expires-At": text})
        told = await http.head(f"/open/{name}")
        assert (created.status_code, told.headers["Stream-Expires-At"]) == (201, last)
    beyond = TEXT | {"Stream-Expires-At": "9999-12-31T23:59:59-00:01"}
    assert (await http.put("/open/c", headers=beyond)).status_code == 400


async def test_what_is_there_otherwise_is_told_in_words(http: httpx.AsyncClient) -> None:
    await http.put("/open/a", headers=TEXT)
    await http.put("/open/fork", headers={"Stream-Forked-From": "/open/a"})

    async def difference(name: str, **headers: str) -> str:
        wanted = TEXT | {name.replace("_", "-"): value for name, value in headers.items()}
        refused = await http.put(f"/open/{name}", headers=wanted)
        assert refused.status_code == 409
        return str(refused.json()["detail"]).partition(" exists with ")[2]

    assert await difference("a", Stream_TTL="60") == "ttl_s unset and not 60"
    assert await difference("a", Stream_Forked_From="/open/fork") == "no origin: it is no fork"
    assert await difference("fork") == "another origin"


async def test_content_types_that_say_the_same_are_the_same(http: httpx.AsyncClient) -> None:
    kinds = {
        "a": ("application/json", "application/json; charset=UTF-8"),
        "b": ('text/plain; charset="utf-8"', "Text/Plain;charset=UTF-8"),
    }
    for name, (first, second) in kinds.items():
        url = f"/open/{name}"
        assert (await http.put(url, headers={"Content-Type": first})).status_code == 201
        assert (await http.put(url, headers={"Content-Type": second})).status_code == 200
        appended = await http.post(url, content="1", headers={"Content-Type": second})
        assert appended.status_code == 204


async def test_what_a_stream_holds_runs_nothing_as_a_page(http: httpx.AsyncClient) -> None:
    html = {"Content-Type": "text/html"}
    await http.put("open/page", headers=html, content="<script>alert(1)</script>")
    answer = await http.get("open/page", headers={"Accept": "text/html"})
    assert answer.text.startswith("<script>")
    assert answer.headers["content-security-policy"] == "default-src 'none'; sandbox"
    assert answer.headers["x-content-type-options"] == "nosniff"


async def test_reserved_names_are_no_streams(http: httpx.AsyncClient) -> None:
    for method in ("GET", "PUT", "POST", "DELETE"):
        answer = await http.request(method, "__ds/subscriptions/x", headers=TEXT)
        assert (answer.status_code, answer.json()["code"]) == (501, "not_offered")
        answer = await http.request(method, "$inbox/ann", headers=TEXT)
        assert (answer.status_code, answer.json()["code"]) == (400, "bad_stream_name")


# -- caches -----------------------------------------------------------------------------------


async def test_pages_are_full_kept_by_caches_and_end_at_the_tail(http: httpx.AsyncClient) -> None:
    await http.put("open/s", headers=JSON, content=json.dumps(list(range(10))))
    offset, second, pages = "-1", "", []
    while True:
        page = await http.get("open/s", params={"offset": offset})
        pages.append(page.json())
        is_last = page.headers.get("stream-up-to-date") == "true"
        is_fixed = offset != "-1" and not is_last
        expected = (
            "max-age=3600, immutable" if is_fixed else "max-age=60, stale-while-revalidate=300"
        )
        assert page.headers["cache-control"] == f"public, {expected}"
        assert "stream-closed" not in page.headers
        second = place(page) if offset == "-1" else second
        offset = place(page)
        if is_last:
            break
    assert pages == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    at_tail = await http.get("open/s", params={"offset": offset})
    assert (at_tail.json(), at_tail.headers["cache-control"]) == ([], "public, no-cache")
    mine = await http.get("open/s", params={"offset": second}, headers=user("ann"))
    assert mine.headers["cache-control"] == "private, max-age=3600, immutable"
    vary = ", ".join(mine.headers.get_list("vary"))
    assert "Origin" in vary and "Accept" in vary


async def test_entity_tag_changes_with_what_is_shown(http: httpx.AsyncClient, app: App) -> None:
    created = await http.put("open/s", headers=JSON, content="[1,2]")
    tags = []

    async def changed() -> None:
        for tag in tags:
            answer = await http.get("open/s", headers={"If-None-Match": tag})
            assert answer.status_code == 200, tag
        answer = await http.get("open/s")
        tags.append(answer.headers["etag"])
        for condition in (tags[-1], f'"x", W/{tags[-1]}', "*"):
            unchanged = await http.get("open/s", headers={"If-None-Match": condition})
            assert (unchanged.status_code, unchanged.content) == (304, b"")
            assert unchanged.headers["etag"] == tags[-1]
            assert place(unchanged) == place(answer)

    await changed()
    await http.post("open/s", headers=JSON, content="3")
    await changed()
    assert await app.erase("open/s", parse_position(place(created)))
    assert (await http.get("open/s")).json() == [1, 3]
    await changed()
    await http.post("open/s", headers=CLOSE)
    await changed()
    assert len(set(tags)) == 4


async def test_page_that_is_kept_is_not_shown_when_it_is_erased_trimmed_or_deleted(
    http: httpx.AsyncClient, app: App
) -> None:
    pages = app.service.gateways.durable.pages
    created = await http.put("open/s", headers=JSON, content="[0]")
    await http.post("open/s", headers=JSON, content=json.dumps(list(range(1, 10))))

    async def first() -> list[int]:
        return (await http.get("open/s")).json()

    assert await first() == await first() == [0, 1, 2, 3]
    assert pages.hits == 1
    with pytest.raises(PositionError, match=r'"newest" is no position'):
        await app.erase("open/s", "newest")
    assert await app.erase("open/s", place(created))  # as text, which is what clients have
    assert await first() == await first() == [1, 2, 3]
    assert pages.hits == 2
    for _ in range(2):
        await http.post("open/s", headers=JSON, content=json.dumps(list(range(15))))
    assert await first() == [0, 1, 2, 3]  # 40 entries, of which 30 are kept
    assert (await http.get("open/s", params={"offset": START})).status_code == 410
    await http.delete("open/s")
    assert (await http.get("open/s")).status_code == 404
    await http.put("open/s", headers=JSON, content="[7]")
    assert await first() == [7]


# -- waiting ----------------------------------------------------------------------------------


async def test_long_poll_ends_with_what_comes_or_in_time(http: httpx.AsyncClient, app: App) -> None:
    tail = place(await http.put("open/s", headers=JSON))
    wait = {"offset": tail, "live": "long-poll"}
    began = time.monotonic()
    nothing = await http.get("open/s", params=wait)
    assert 0.25 < time.monotonic() - began < TIMEOUT_S
    assert (nothing.status_code, place(nothing)) == (204, tail)
    assert nothing.headers["stream-up-to-date"] == "true"
    assert nothing.headers["cache-control"] == "no-store"
    waiting = app.service.gateways.durable.waiting
    waiting.long_poll_timeout_s = 600.0
    readers = [asyncio.create_task(http.get("open/s", params=wait)) for _ in range(5)]
    while waiting.poll_count < 5:
        await asyncio.sleep(0.005)
    await http.post("open/s", headers=JSON, content="[1,2]")
    for answer in await asyncio.gather(*readers):
        assert (answer.status_code, answer.json()) == (200, [1, 2])
        assert answer.headers["stream-up-to-date"] == "true"
        assert int(answer.headers["stream-cursor"]) > 0
    assert waiting.poll_count == 0
    assert app.service.hub.counters.subscriptions == 0


async def test_readers_that_go_away_leave_nothing_behind(http: httpx.AsyncClient, app: App) -> None:
    tail = place(await http.put("open/s", headers=JSON))
    waiting = app.service.gateways.durable.waiting
    waiting.long_poll_timeout_s = 600.0
    poll = asyncio.create_task(http.get("open/s", params={"offset": tail, "live": "long-poll"}))
    async with http.stream("GET", "open/s", params={"offset": tail, "live": "sse"}) as response:
        events = Events(response)
        await events.until("upToDate")
        async with asyncio.timeout(TIMEOUT_S):
            while not waiting.poll_count:
                await asyncio.sleep(0.005)
        assert waiting.response_count == 1
        poll.cancel()
    async with asyncio.timeout(TIMEOUT_S):
        while waiting.poll_count or waiting.response_count or app.service.hub.channel_count:
            await asyncio.sleep(0.01)
    figures = app.service.metrics.render().decode()
    assert "longwire_durable_long_polls 0.0" in figures
    assert "longwire_durable_event_streams 0.0" in figures


async def test_deleted_stream_is_told_to_those_who_wait(http: httpx.AsyncClient, app: App) -> None:
    tail = place(await http.put("open/s", headers=JSON, content="[1]"))
    waiting = app.service.gateways.durable.waiting
    waiting.long_poll_timeout_s = 600.0
    poll = asyncio.create_task(http.get("open/s", params={"offset": tail, "live": "long-poll"}))
    async with http.stream("GET", "open/s", params={"offset": tail, "live": "sse"}) as response:
        events = Events(response)
        await events.until("upToDate")
        while not waiting.poll_count:
            await asyncio.sleep(0.005)
        await http.delete("open/s")
        assert (await poll).status_code == 404
        assert await events.until("nothing more") == []  # it ends
    assert (await http.get("open/s", params={"offset": tail})).status_code == 404


async def test_stop_answers_those_who_wait(url: str, http: httpx.AsyncClient, app: App) -> None:
    tail = place(await http.put("open/s", headers=JSON))
    waiting = app.service.gateways.durable.waiting
    waiting.long_poll_timeout_s = 60.0
    poll = asyncio.create_task(http.get("open/s", params={"offset": tail, "live": "long-poll"}))
    async with http.stream("GET", "open/s", params={"offset": tail, "live": "sse"}) as response:
        events = Events(response)
        await events.until("upToDate")
        while not waiting.poll_count:
            await asyncio.sleep(0.005)
        await app.service.say_goodbye()
        assert await events.until("nothing more") == []
        assert (await poll).status_code == 204


async def test_slow_reader_of_events_is_held_back_and_misses_nothing(
    http: httpx.AsyncClient, app: App
) -> None:
    """More than the server holds for one client; it is read again from the log."""
    await http.put("open/big", headers=JSON)
    count = 30
    async with http.stream("GET", "open/big", params={"offset": "-1", "live": "sse"}) as response:
        for number in range(count):
            await app.publish("open/big", [number, "x" * 900])
        events, received, positions = Events(response), [], []
        async with asyncio.timeout(TIMEOUT_S):
            while len(received) < count:
                for kind, data in await events.until("streamNextOffset"):
                    if kind == "data":
                        received += [number for number, _ in json.loads(data)]
                    else:
                        positions.append(json.loads(data)["streamNextOffset"])
    assert received == list(range(count))
    assert positions == sorted(positions)


async def test_pages_of_allowed_origins_may_use_streams(http: httpx.AsyncClient) -> None:
    await http.put("open/s", headers=TEXT, content="x")
    origin = "https://chat.example.com"
    allowed = await http.get("open/s", headers={"Origin": origin})
    assert allowed.headers["access-control-allow-origin"] == origin
    assert "Stream-Next-Offset" in allowed.headers["access-control-expose-headers"]
    ask = {
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type,stream-seq",
    }
    preflight = await http.options("open/s", headers={"Origin": origin, **ask})
    assert preflight.headers["access-control-allow-origin"] == origin
    assert "POST" in preflight.headers["access-control-allow-methods"]
    assert "stream-seq" in preflight.headers["access-control-allow-headers"]
    foreign = {"Origin": "https://evil.example"}
    for method in ("GET", "PUT", "POST", "DELETE"):
        answer = await http.request(method, "open/s", headers={**TEXT, **foreign})
        assert answer.status_code == 403
    preflight = await http.options("open/s", headers={**foreign, **ask})
    assert "access-control-allow-origin" not in preflight.headers
