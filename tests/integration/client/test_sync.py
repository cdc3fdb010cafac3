"""The client for programs without an event loop: threads, forks, and the end of the program."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import longwire
from longwire.client.events import State, StateChange
from longwire.client.sync import _Engine
from longwire.lab.processes import free_port
from tests.integration.server.running import RunningServer

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


WAIT_S = 20.0


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RunningServer]:
    with RunningServer(tmp_path, "--dev", "--store", "memory") as server:
        yield server


def payloads(url: str, stream: str) -> list[object]:
    """What a stream holds, as another client sees it."""
    with longwire.SyncClient(url) as client:
        return [message.data for message in client.history(stream, limit=1000).messages]


def in_child(work: Callable[[], None]) -> int:
    """Fork; run ``work`` in the child; return its exit code."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            work()
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_one_line_publishes_and_returns_when_stored(server: RunningServer) -> None:
    with longwire.SyncClient(server.url) as client:
        ack = client.publish("orders", {"paid": True})
        assert ack.position is not None and ack.position.offset == 1
        batch = client.publish_batch("orders", [{"paid": 2}, {"paid": 3}])
        assert batch.position is not None and batch.position.offset == 3
        assert client.submit("orders", {"paid": 4}).result(30).durability == "memory"
        client.flush()
        assert client.pending == 0
    assert payloads(server.url, "orders") == [{"paid": paid} for paid in (True, 2, 3, 4)]


def test_threads_share_one_client(server: RunningServer) -> None:
    changes: list[object] = []
    with longwire.SyncClient(server.url) as client:
        client.on_event(changes.append)

        def publish(name: int) -> None:
            for number in range(20):
                client.publish("shared", [name, number])

        threads = [threading.Thread(target=publish, args=(name,)) for name in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    seen = [data for data in payloads(server.url, "shared") if isinstance(data, list)]
    for name in range(8):
        assert [number for owner, number in seen if owner == name] == list(range(20))
    opened = [change for change in changes if isinstance(change, StateChange)]
    assert sum(change.state.value == "open" for change in opened) == 1


def test_children_begin_connections_of_their_own(server: RunningServer) -> None:
    client = longwire.SyncClient(server.url)
    client.publish("forks", "parent")
    for number in range(3):
        assert in_child(lambda number=number: client.publish("forks", f"child {number}")) == 0  # type: ignore[misc]
    client.publish("forks", "parent again")
    client.close()
    expected = ["parent", "child 0", "child 1", "child 2", "parent again"]
    assert payloads(server.url, "forks") == expected


def test_outbox_on_disk_stays_with_the_parent(server: RunningServer, tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    client = longwire.SyncClient(server.url, outbox_path=path)
    client.publish("owned", 1)

    def use() -> None:
        with pytest.raises(longwire.ClientError) as caught:
            client.publish("owned", 2)
        assert caught.value.code == "outbox_in_use"

    assert in_child(use) == 0
    client.publish("owned", 3)
    # A child that lives on does not hold the file after its parent has let it go.
    read_end, write_end = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(write_end)
        os.read(read_end, 1)
        os._exit(0)
    client.close()
    with longwire.SyncClient(server.url, outbox_path=path) as second:
        second.publish("owned", 4)
    os.close(write_end)
    os.waitpid(child, 0)
    assert payloads(server.url, "owned") == [1, 3, 4]


PROGRAM = """
import sys, longwire
client = longwire.SyncClient(sys.argv[1], **({"outbox_path": sys.argv[2]} if sys.argv[2:] else {}))
for number in range(50):
    client.submit("exit", number)
"""


@pytest.mark.parametrize("is_on_disk", [False, True], ids=["memory", "disk"])
def test_end_of_the_program_waits_for_acknowledgements(
    server: RunningServer, tmp_path: Path, is_on_disk: bool
) -> None:
    arguments = [server.url] + ([str(tmp_path / "outbox.db")] if is_on_disk else [])
    finished = subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (finished.returncode, finished.stderr) == (0, "")
    assert payloads(server.url, "exit") == list(range(50))


def test_messages_are_read_from_a_position(server: RunningServer) -> None:
    with longwire.SyncClient(server.url) as client:
        for number in range(5):
            client.publish("read", number)
        held = None
        for message in client.messages("read", start="earliest"):
            if message.data == 2:
                held = message.position
                break
        rest = [message.data for message in client.messages("read", position=held, timeout_s=1)]
        assert rest == [3, 4]


def test_wait_that_is_over_leaves_the_publish_in_the_outbox(tmp_path: Path) -> None:
    port = free_port()
    with longwire.SyncClient(f"ws://127.0.0.1:{port}", retry_max_s=0.5) as client:
        with pytest.raises(longwire.ClientError) as caught:
            client.publish("late", 1, timeout_s=0.2)
        assert (caught.value.code, caught.value.outcome) == ("timeout", "unknown")
        assert client.pending == 1
        has_failed = threading.Event()
        client.on_event(lambda event: has_failed.set() if getattr(event, "reason", "") else None)
        assert has_failed.wait(60)
        with pytest.raises(longwire.ClientError, match=r"for there is no connection: .*refused"):
            client.publish("late", 2, timeout_s=0.2)
        with RunningServer(tmp_path, "--dev", "--store", "memory", "--port", str(port)) as again:
            client.flush()
            assert payloads(again.url, "late") == [1, 2]


APPLICATION = """
import longwire
app = longwire.App()

@app.call("double")
def double(number: int) -> int:
    return 2 * number

@app.call("sleep")
async def sleep() -> None:
    import asyncio
    await asyncio.sleep(60)
"""


def test_calls_from_threads(tmp_path: Path) -> None:
    (tmp_path / "doubling.py").write_text(APPLICATION)
    with (
        RunningServer(tmp_path, "doubling:app", "--dev") as server,
        longwire.SyncClient(server.url) as client,
    ):
        assert client.call("double", 21, type=int) == 42
        with pytest.raises(longwire.ClientError) as caught:
            client.call("sleep", timeout_s=0.2)
        assert caught.value.code == "call_timeout"


def test_use_that_cannot_work_is_told() -> None:
    with pytest.raises(longwire.ClientError, match="is no URL of a server"):
        longwire.SyncClient("live.example.com")
    client = longwire.SyncClient("ws://127.0.0.1:9")
    client.close()
    with pytest.raises(longwire.ClientError) as caught:
        client.publish("s", 1)
    assert caught.value.code == "closed"


def test_listener_that_waits_for_its_client_is_told_while_others_begin_anew(
    server: RunningServer,
) -> None:
    client = longwire.SyncClient(f"{server.url}/nothing", transports=["websocket"])
    is_heard, is_going_on = threading.Event(), threading.Event()
    told: list[str] = []

    def listen(event: Any) -> None:
        if isinstance(event, StateChange) and event.state is State.CLOSED and not told:
            is_heard.set()
            is_going_on.wait(WAIT_S)
            try:
                client.publish("s", 1)
            except longwire.ClientError as error:
                told.append(error.code)

    def call() -> None:
        with contextlib.suppress(longwire.ClientError):
            client.history("s", timeout_s=1.0)

    client.on_event(listen)
    first = threading.Thread(target=call, daemon=True)
    first.start()
    assert is_heard.wait(WAIT_S)
    second = threading.Thread(target=call, daemon=True)
    second.start()  # finds that the client has ended, and waits for its thread
    while not client._lock.locked():
        time.sleep(0.01)
    is_going_on.set()
    for thread in (first, second):
        thread.join(WAIT_S)
        assert not thread.is_alive()
    assert told == ["bad_use"]
    client.close()


def test_listener_is_told_though_whoever_began_the_client_is_not_back_yet(
    server: RunningServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The thread of the client may be far ahead of the one whose call began it."""
    client = longwire.SyncClient(server.url)
    has_been_told = threading.Event()
    told: list[str] = []

    def listen(event: Any) -> None:
        if not told:
            client.on_event(lambda event: None)
            for use in (lambda: client.publish("s", 1, timeout_s=1.0), client.close):
                try:
                    use()
                except longwire.ClientError as error:
                    told.append(error.code)
        has_been_told.set()

    begin = _Engine.begin

    def begin_slowly(engine: _Engine) -> None:
        begin(engine)
        assert has_been_told.wait(WAIT_S)

    monkeypatch.setattr(_Engine, "begin", begin_slowly)
    client.on_event(listen)
    assert client.publish("s", 0).position is not None
    client.close()
    assert told == ["bad_use", "bad_use"]


def test_client_that_was_refused_begins_anew_with_its_outbox_on_disk(
    server: RunningServer, tmp_path: Path
) -> None:
    options = {"transports": ["websocket"], "outbox_path": tmp_path / "outbox"}
    codes: list[str] = []

    def call() -> None:
        for _ in range(20):
            with pytest.raises(longwire.ClientError) as caught:
                client.history("s", timeout_s=WAIT_S)
            codes.append(caught.value.code)

    with longwire.SyncClient(f"{server.url}/nothing", **options) as client:
        threads = [threading.Thread(target=call) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert codes == ["connection_refused"] * 60
