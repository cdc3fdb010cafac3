"""What an ASGI server or an application does wrong, and that requests and services end all the
same."""

from __future__ import annotations

import asyncio
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

import pytest

from longwire import App
from longwire.server.settings import AnonymousSettings, Settings, StoreSettings
from tests.integration.native.over_http import WAIT_S


def scope_of(path: str, **headers: str) -> dict[str, Any]:
    """The scope of a GET."""
    return {
        "type": "http",
        "method": "GET",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "scheme": "http",
        "http_version": "1.1",
        "headers": [(b"host", b"here")]
        + [(name.encode(), value.encode()) for name, value in headers.items()],
        "client": ("127.0.0.1", 1),
    }


class Server:
    """An ASGI server whose client stays, as far as ``receive`` tells."""

    def __init__(self, fails_after: int | None = None) -> None:
        self.sent: list[MutableMapping[str, Any]] = []
        self._fails_after = fails_after
        self._is_asked = False

    async def receive(self) -> MutableMapping[str, Any]:
        if self._is_asked:
            await asyncio.get_running_loop().create_future()
        self._is_asked = True
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(self, event: MutableMapping[str, Any]) -> None:
        if self._fails_after is not None and len(self.sent) >= self._fails_after:
            raise RuntimeError("the response was cut off")
        self.sent.append(event)


async def test_events_end_when_the_server_takes_no_more_of_them() -> None:
    app = App(settings=Settings(anonymous=AnonymousSettings(read=("**",))))
    server = Server(fails_after=1)
    async with app.lifespan():
        scope = scope_of("/streams/s", accept="text/event-stream")
        serving = asyncio.create_task(app(scope, server.receive, server.send))
        ended, _ = await asyncio.wait([serving], timeout=WAIT_S)
        serving.cancel()
        with pytest.raises(RuntimeError, match="the response was cut off"):
            await serving
    assert ended
    assert [event["type"] for event in server.sent] == ["http.response.start"]


@pytest.mark.parametrize("store", ["memory", "sqlite"])
async def test_application_that_could_not_start_starts_with_a_later_request(
    tmp_path: Path, store: str
) -> None:
    url = store if store == "memory" else f"sqlite:{tmp_path / 'streams.db'}"
    app = App(settings=Settings(store=StoreSettings(url=url)))
    attempts = 0

    @app.on_start
    def prepare() -> None:
        nonlocal attempts
        attempts += 1
        if attempts == 1:
            raise OSError("the database of the site is not there yet")

    server = Server()
    with pytest.raises(OSError, match="not there yet"):
        await app(scope_of("/readyz"), server.receive, server.send)
    assert server.sent == []
    async with asyncio.timeout(WAIT_S):
        await app(scope_of("/readyz"), server.receive, server.send)
    assert server.sent[0]["status"] == 200
    async with app.lifespan():
        pass
