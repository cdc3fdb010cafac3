"""A backend that is told what is appended: another application of ours, which can fail."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any

import pytest

from longwire import App, Request, Response
from longwire.hub.publishing import Publish
from longwire.server import backend_events
from longwire.server.config import SettingsError, load_settings
from longwire.server.settings import BackendSettings, Settings, StoreSettings
from longwire.streams.entry import NewEntry
from longwire.streams.store import Store, StreamSettings
from tests.integration.server.app_servers import serve_app

SILENT = 0
"""A status with which the backend never answers."""


@dataclass
class Backend:
    """How it answers the next ones, and what it was told."""

    settings: BackendSettings
    statuses: list[int] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    told: list[dict[str, Any]] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    news: asyncio.Event = field(default_factory=asyncio.Event)

    def data_of(self, stream: str) -> list[Any]:
        return [event["data"] for event in self.told if event["stream"] == stream]

    async def wait_for(self, count: int) -> None:
        await self.wait_until(lambda: len(self.told) >= count)

    async def wait_until(self, is_so: Callable[[], bool]) -> None:
        async with asyncio.timeout(60):
            while not is_so():
                self.news.clear()
                await self.news.wait()

    def settings_with(self, **changes: Any) -> Settings:
        return Settings(backend=replace(self.settings, **changes))


@pytest.fixture
async def backend() -> AsyncIterator[Backend]:
    app = App()
    end = asyncio.Event()

    @app.route("/events", methods=["POST"])
    async def take(request: Request) -> Response:
        backend.requests.append(request)
        backend.told.append(json.loads(await request.body()))
        backend.news.set()
        status = backend.statuses.pop(0) if backend.statuses else 204
        if status == SILENT:
            await end.wait()
        return Response(status, dict(backend.headers))

    async with app.test_client() as server:
        settings = BackendSettings(
            events_url=f"{server.url}/events", events_streams=("a/*",), token="s3cret", timeout_s=5
        )
        backend = Backend(settings)
        yield backend
        end.set()


@pytest.fixture(autouse=True)
def short_waits(monkeypatch):
    monkeypatch.setattr(backend_events, "RETRY_FIRST_S", 0.05)


async def figures(test: Any) -> dict[str, float]:
    text = (await test.get("/metrics")).text
    rows = (line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    return {
        name.removeprefix("longwire_backend_events_").removesuffix("_total"): float(value)
        for name, value in rows
        if name.startswith("longwire_backend_events_")
    }


async def consumer_records(store: Store) -> int:
    names = [name async for name in store.names()]
    return sum(name.startswith("$consumer/") for name in names)


async def wait_for_figure(test: Any, name: str, value: float) -> None:
    async with asyncio.timeout(60):
        while (await figures(test))[name] < value:
            await asyncio.sleep(0.02)


async def test_entries_of_matching_streams_are_told_in_order(backend):
    app = App()
    async with app.test_client(settings=backend.settings_with()) as test:
        for number in range(5):
            await app.publish("a/b", number)
            await app.publish("b", "not asked for")
        await app.publish("a/c", {"text": "ü"})
        await backend.wait_for(6)
        assert backend.data_of("a/b") == [0, 1, 2, 3, 4]
        assert backend.data_of("a/c") == [{"text": "ü"}]
        await wait_for_figure(test, "taken", 6)
        assert (await figures(test))["streams"] == 2
    event, request = backend.told[0], backend.requests[0]
    assert (event["op"], event["consumer"], event["attempt"]) == ("delivery", "backend", 1)
    assert {"position", "after", "time"} <= event.keys()
    assert request.headers.get("Authorization") == "Bearer s3cret"
    assert request.headers.get("Content-Type") == "application/json"


@pytest.mark.parametrize("status", [500, 503, 302, 401, 404, 408, 429, SILENT])
async def test_what_failed_comes_again_before_what_follows(backend, status):
    backend.statuses = [204, status, status]
    app = App()
    settings = backend.settings_with(timeout_s=1 if status == SILENT else 30)
    async with app.test_client(settings=settings) as test:
        for number in range(4):
            await app.publish("a/b", number)
        await backend.wait_for(6)
        await wait_for_figure(test, "taken", 4)
        assert (await figures(test))["failures"] == 2
    assert backend.data_of("a/b") == [0, 1, 1, 1, 2, 3]
    assert [event["attempt"] for event in backend.told] == [1, 1, 2, 3, 1, 1]


async def test_stream_that_fails_does_not_hold_up_the_others(backend):
    backend.statuses = [503]
    backend.headers = {"Retry-After": "120"}
    app = App()
    async with app.test_client(settings=backend.settings_with()) as test:
        await app.publish("a/slow", 1)
        await wait_for_figure(test, "failures", 1)
        await app.publish("a/other", 2)
        await backend.wait_for(2)
        await wait_for_figure(test, "taken", 1)
    assert [event["stream"] for event in backend.told] == ["a/slow", "a/other"]


@pytest.mark.parametrize("status", [400, 410, 413, 415, 422])
async def test_what_is_not_wanted_is_passed_over(backend, status):
    backend.statuses = [status]
    app = App()
    async with app.test_client(settings=backend.settings_with()) as test:
        await app.publish("a/b", "bad")
        await app.publish("a/b", "good")
        await backend.wait_for(2)
        await wait_for_figure(test, "taken", 1)
        assert (await figures(test))["unwanted"] == 1
    assert backend.data_of("a/b") == ["bad", "good"]


async def test_what_was_not_taken_survives_a_restart(backend, tmp_path):
    store = StoreSettings(url=f"sqlite:{tmp_path / 'streams.db'}")
    settings = replace(backend.settings_with(), store=store)
    app = App(settings=settings)
    async with serve_app(app, "longwire"):
        await app.publish("a/b", 0)
        await backend.wait_for(1)
    backend.statuses = [500] * 1_000
    app = App(settings=settings)
    async with serve_app(app, "longwire"):
        await app.publish("a/b", 1)
        await app.publish("a/new", 2)
        await backend.wait_for(5)
        await app.publish("a/b", 3)
    backend.statuses.clear()
    told = len(backend.told)
    async with serve_app(App(settings=settings), "longwire"):
        await backend.wait_until(lambda: {3, 2} <= {event["data"] for event in backend.told[told:]})
    # Each may have come again, but none is missing, and none came before its time.
    assert backend.data_of("a/b") == sorted(backend.data_of("a/b"))
    assert set(backend.data_of("a/b")) == {0, 1, 3}
    assert set(backend.data_of("a/new")) == {2}


async def test_streams_at_the_limit_and_past_it(backend, caplog):
    app = App()
    async with app.test_client(settings=backend.settings_with(events_streams_max=2)) as test:
        for stream in ("a/1", "a/2", "a/3"):
            await app.publish(stream, stream)
        await wait_for_figure(test, "taken", 2)
        assert (await figures(test))["streams_refused"] == 1
    assert {event["stream"] for event in backend.told} == {"a/1", "a/2"}
    assert "'a/3'" in caplog.text
    assert "backend.events_streams_max" in caplog.text


async def test_stream_past_the_limit_is_said_once(backend, caplog):
    app = App()
    async with app.test_client(settings=backend.settings_with(events_streams_max=1)) as test:
        await app.publish("a/1", 1)
        await app.publish("a/2", 2)
        await wait_for_figure(test, "taken", 1)
        for _ in range(3):
            await app.service.hub.creations.look_again()
        assert (await figures(test))["streams_refused"] == 1
    assert caplog.text.count("'a/2'") == 1


async def test_stream_past_the_limit_has_the_place_of_one_that_ends(backend):
    app = App()
    async with app.test_client(settings=backend.settings_with(events_streams_max=1)) as test:
        for stream in ("a/1", "a/2", "a/3"):
            await app.publish(stream, stream)
        await app.service.hub.publish(Publish("a/1", (), closes=True))
        await backend.wait_for(2)
        await app.service.hub.publish(Publish("a/2", (), closes=True))
        await backend.wait_for(3)
        await wait_for_figure(test, "taken", 3)
        assert (await figures(test))["streams_refused"] == 0
    assert [event["stream"] for event in backend.told] == ["a/1", "a/2", "a/3"]


async def test_stream_that_is_deleted_gives_its_place(backend):
    app = App()
    async with app.test_client(settings=backend.settings_with(events_streams_max=1)) as test:
        hub = app.service.hub
        for stream in ("a/1", "a/2", "a/3"):
            await app.publish(stream, stream)
        await wait_for_figure(test, "taken", 1)
        await hub.delete_stream("a/2")  # it only waits for a place
        await hub.delete_stream("a/1")
        await wait_for_figure(test, "taken", 2)
        assert [name async for name in hub.store.names() if name[0] != "$"] == ["a/3"]
        assert await consumer_records(hub.store) == 1
        assert (await figures(test))["streams"] == 1
        assert (await figures(test))["streams_refused"] == 0
    assert [event["stream"] for event in backend.told] == ["a/1", "a/3"]


async def test_stream_that_expires_gives_its_place(backend, monkeypatch):
    monkeypatch.setattr(backend_events, "SWEEP_INTERVAL_S", 0.05)
    app = App()
    async with app.test_client(settings=backend.settings_with(events_streams_max=1)) as test:
        hub = app.service.hub
        soon = StreamSettings(expires_ms=time.time_ns() // 1_000_000 + 1_000)
        await hub.create_stream(Publish("a/1", (NewEntry(b"1"),)), soon)
        await app.publish("a/2", 2)
        await backend.wait_until(lambda: backend.data_of("a/2") == [2])
        await wait_for_figure(test, "taken", 2)
        assert (await figures(test))["streams"] == 1


async def test_stream_that_is_created_anew_is_told_of_from_its_beginning(backend, caplog):
    app = App()
    async with app.test_client(settings=backend.settings_with()) as test:
        for life in range(3):
            await app.publish("a/b", [life, 0])
            await app.publish("a/b", [life, 1])
            await wait_for_figure(test, "taken", 2 * life + 2)
            await app.service.hub.delete_stream("a/b")
    assert backend.data_of("a/b") == [[life, number] for life in range(3) for number in range(2)]
    assert "was not told" not in caplog.text


async def test_stream_that_is_deleted_while_the_backend_fails_is_let_go(backend):
    backend.statuses = [503]
    backend.headers = {"Retry-After": "120"}
    app = App()
    async with app.test_client(settings=backend.settings_with(events_streams_max=1)) as test:
        await app.publish("a/1", 1)
        await wait_for_figure(test, "failures", 1)
        await app.publish("a/2", 2)
        await app.service.hub.delete_stream("a/1")
        await wait_for_figure(test, "taken", 1)
    assert [event["stream"] for event in backend.told] == ["a/1", "a/2"]


async def test_no_more_names_of_refused_streams_are_kept_than_allowed(backend, caplog, monkeypatch):
    monkeypatch.setattr(backend_events, "REFUSED_STREAMS_MAX", 2)
    app = App()
    async with app.test_client(settings=backend.settings_with(events_streams_max=1)) as test:
        for stream in ("a/1", "a/2", "a/3"):
            await app.publish(stream, stream)
        assert "no more are named" not in caplog.text
        for stream in ("a/4", "a/5"):
            await app.publish(stream, stream)
        await app.service.hub.creations.look_again()
        assert (await figures(test))["streams_refused"] == 2
    assert caplog.text.count("no more are named") == 1
    assert "'a/4'" not in caplog.text


@pytest.mark.parametrize("broken", ["JSON_FORMAT", "parse_retry_after"])
async def test_unexpected_exception_is_logged_and_the_entry_comes_again(
    backend, caplog, monkeypatch, broken
):
    app = App()

    def fail(*arguments: Any) -> Any:
        monkeypatch.undo()
        monkeypatch.setattr(backend_events, "RETRY_FIRST_S", 0.05)
        raise RuntimeError("nobody thought of this")

    stand_in = SimpleNamespace(delivery=fail) if broken == "JSON_FORMAT" else fail
    monkeypatch.setattr(backend_events, broken, stand_in)
    async with app.test_client(settings=backend.settings_with()) as test:
        await app.publish("a/b", 0)
        await app.publish("a/b", 1)
        await wait_for_figure(test, "taken", 2)
        assert (await figures(test))["failures"] == 1
    assert backend.data_of("a/b")[-2:] == [0, 1]
    assert caplog.text.count("nobody thought of this") >= 1
    assert "Traceback" in caplog.text


async def test_no_more_at_a_time_than_allowed(backend):
    backend.statuses = [SILENT, SILENT]
    app = App()
    settings = backend.settings_with(events_in_flight_max=2, timeout_s=2)
    async with app.test_client(settings=settings):
        for stream in ("a/1", "a/2", "a/3"):
            await app.publish(stream, stream)
        await backend.wait_for(2)
        assert {event["stream"] for event in backend.told} <= {"a/1", "a/2", "a/3"}
        await backend.wait_for(5)
    # The third had to wait for one of the two that got no answer.
    assert len({event["stream"] for event in backend.told[:2]}) == 2
    assert [event["attempt"] for event in backend.told[:2]] == [1, 1]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("events_url = 'http://a/b'", "backend.events_url is given without events_streams"),
        ("events_streams = ['a']", "backend.events_streams is given without events_url"),
        ("events_url = 'ftp://a'\nevents_streams = ['a']", 'is "ftp://a", which is no URL'),
        ("events_url = 'http://a/b'\nevents_streams = ['a//b']", "has an empty part"),
        ("events_url = 'http://a/b'\nevents_streams = ['$user/*']", "belong to the server"),
    ],
)
def test_wrong_settings_are_named(tmp_path, text, problem):
    path = tmp_path / "longwire.toml"
    path.write_text(f"[backend]\n{text}\n")
    with pytest.raises(SettingsError) as raised:
        load_settings(path, {})
    assert problem in str(raised.value)
