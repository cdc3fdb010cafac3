"""Why connections end, caused for real; the verdict is asserted by its code."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest
import websockets

import longwire
from longwire.net.asyncio_link import AsyncioLink
from longwire.net.endpoint import Endpoint
from longwire.websocket.connection import State
from tests.integration.net.local import RawServer, echo, eventually, reset, serving

ECHO_PROCESS = """
import asyncio, longwire
async def echo(ws):
    async for message in ws:
        await ws.send(message)
async def main():
    async with longwire.serve(echo, "127.0.0.1", 0, ping_interval=None) as server:
        print(server.sockets[0].getsockname()[1], flush=True)
        await server.serve_forever()
asyncio.run(main())
"""


@pytest.fixture
def peer() -> Iterator[tuple[subprocess.Popen[str], str]]:
    """An echo server in a process of its own, and its URI."""
    process = subprocess.Popen(
        [sys.executable, "-c", ECHO_PROCESS], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        yield process, f"ws://127.0.0.1:{int(process.stdout.readline())}/"
    finally:
        process.send_signal(signal.SIGCONT)
        process.kill()
        process.wait()
        process.stdout.close()


async def verdict_of(ws: longwire.Connection) -> longwire.ConnectionClosed:
    with pytest.raises(longwire.ConnectionClosed) as caught:
        async with asyncio.timeout(30):
            while True:
                await ws.recv()
    return caught.value


async def test_stopped_peer_process_is_told_from_a_dead_path(
    peer: tuple[subprocess.Popen[str], str],
) -> None:
    process, uri = peer
    ws = await longwire.connect(uri, ping_interval=0.2, ping_timeout=0.5)
    await ws.send("alive")
    assert await ws.recv() == "alive"
    process.send_signal(signal.SIGSTOP)
    error = await verdict_of(ws)
    assert error.verdict.code == "peer_process_stuck"
    assert error.evidence.tcp is not None
    assert error.evidence.tcp.unacked == 0
    assert error.evidence.tcp.state == "ESTABLISHED"
    assert error.sent is not None and error.sent.code == 1011
    assert error.rcvd is None


async def test_stopped_peer_with_a_full_window_is_still_a_stuck_process(
    peer: tuple[subprocess.Popen[str], str],
) -> None:
    process, uri = peer
    ws = await longwire.connect(uri, ping_interval=0.5, ping_timeout=1, compression=None)
    process.send_signal(signal.SIGSTOP)

    async def flood() -> None:
        while True:
            await ws.send(b"x" * 60_000)

    task = asyncio.create_task(flood())
    error = await verdict_of(ws)
    with pytest.raises(longwire.ConnectionClosed):
        await task
    assert error.verdict.code == "peer_process_stuck"
    assert error.evidence.bytes_unsent > 0


async def test_killed_peer_process_ends_without_a_close_frame(
    peer: tuple[subprocess.Popen[str], str],
) -> None:
    process, uri = peer
    ws = await longwire.connect(uri)
    await ws.send("alive")
    await ws.recv()
    process.kill()
    error = await verdict_of(ws)
    assert error.code == 1006
    # The kernel closes a dead process's socket: FIN, or RST when it had not read everything.
    assert error.verdict.code in ("no_close_frame", "reset_by_peer")


async def test_reset_by_peer() -> None:
    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(raw.accept())
        await writer.drain()
        await asyncio.sleep(0.05)
        reset(writer)

    async with RawServer(play) as raw:
        ws = await longwire.connect(raw.uri)
        error = await verdict_of(ws)
    assert isinstance(error, longwire.ConnectionClosedError)
    assert error.verdict.code == "reset_by_peer"
    assert isinstance(error.evidence.link_error, ConnectionResetError)
    assert (error.code, error.rcvd, error.sent) == (1006, None, None)


async def test_end_without_a_close_frame() -> None:
    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(raw.accept() + b"\x81\x02hi")
        await writer.drain()

    async with RawServer(play) as raw:
        ws = await longwire.connect(raw.uri)
        assert await ws.recv() == "hi"
        error = await verdict_of(ws)
    assert error.verdict.code == "no_close_frame"
    assert error.evidence.link_end == "eof"
    assert error.code == 1006


async def test_end_in_answer_to_our_close_is_no_close_frame_either() -> None:
    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(raw.accept())
        await reader.read(100)  # our Close

    async with RawServer(play) as raw:
        ws = await longwire.connect(raw.uri)
        await ws.close()
        assert ws.closed is not None
        assert ws.closed.verdict.code == "no_close_frame"
        assert not ws.closed.is_ok
        assert "We closed with 1000" in ws.closed.verdict.sentence


async def test_close_frame_is_read_though_our_writes_fail() -> None:
    """The peer says why and hangs up; our next write breaks first, the words still count."""

    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(raw.accept())
        await reader.readexactly(1)
        writer.write(b"\x88\x0e" + (1008).to_bytes(2, "big") + b"not like this")
        await writer.drain()
        said.set()

    said = asyncio.Event()
    codes = []
    for _ in range(5):
        said.clear()
        async with RawServer(play) as raw:
            ws = await longwire.connect(raw.uri, compression=None)
            # The Close frame waits unread in our socket while we keep the loop to ourselves.
            ws.endpoint.pause_reading()
            await ws.send("x")
            await said.wait()
            await asyncio.sleep(0.02)
            for _ in range(20):
                try:
                    await ws.send("y" * 1000)
                except longwire.ConnectionClosed:
                    break
                await asyncio.sleep(0.005)
            codes.append((await verdict_of(ws)).verdict.code)
    assert set(codes) == {"peer_said_error"}


async def test_own_loop_blocked() -> None:
    """The peer gives us up while our loop stands still; nobody else is to blame."""

    async def handler(connection: longwire.Connection) -> None:
        await connection.recv()
        # Let the flush and a beat of the lag watch happen first.
        await asyncio.sleep(0.01)
        time.sleep(2.5)  # noqa: ASYNC251 - that is the point
        try:
            await connection.recv()
        except longwire.ConnectionClosed as error:
            errors.append(error)

    errors: list[longwire.ConnectionClosed] = []
    client = """
import asyncio, sys, websockets
async def main():
    async with websockets.connect(sys.argv[1], ping_interval=0.3, ping_timeout=0.5) as ws:
        await ws.send("go")
        try:
            await ws.recv()
        except websockets.ConnectionClosed:
            pass
asyncio.run(main())
"""
    async with serving(handler, ping_interval=None) as (_, uri):
        process = await asyncio.create_subprocess_exec(sys.executable, "-c", client, uri)
        (error,) = await eventually(lambda: errors)
        await process.wait()
    assert error.verdict.code == "own_loop_blocked"
    assert error.evidence.loop_block is not None
    assert error.evidence.loop_block.duration_s > 1.5
    assert error.code in (1006, 1011)


async def test_own_block_does_not_kill_a_living_peer() -> None:
    """Keepalive must not count time in which our loop could not have seen an answer."""
    async with serving(echo, ping_interval=None) as (_, uri):
        server_process_uri = uri
        ws = await longwire.connect(server_process_uri, ping_interval=0.2, ping_timeout=0.4)
        for _ in range(3):
            await asyncio.sleep(0.3)
            time.sleep(0.9)  # noqa: ASYNC251 - that is the point
        await asyncio.sleep(0.7)
        assert ws.state is State.OPEN
        await ws.send("alive")
        assert await ws.recv() == "alive"
        await ws.close()


async def test_ping_stuck_behind_our_own_block_gets_its_full_time(
    peer: tuple[subprocess.Popen[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A ping made right before a block leaves after it; the peer's time begins there."""
    end_burst = AsyncioLink._end_burst
    blocks = 0
    pinged_s: float | None = None

    def block_and_end(link: AsyncioLink) -> None:
        nonlocal blocks, pinged_s
        sent_s = (
            link.handler.engine.last_ping_sent_s if isinstance(link.handler, Endpoint) else None
        )
        if sent_s != pinged_s:
            pinged_s = sent_s
            blocks += 1
            time.sleep(2.5)
        end_burst(link)

    monkeypatch.setattr(AsyncioLink, "_end_burst", block_and_end)
    _, uri = peer
    # The wheel's own wait of 31 ms after a block would be enough for an answer of this machine.
    monkeypatch.setattr("longwire.net.timers.LATE_S", 1e9)
    ws = await longwire.connect(uri, ping_interval=0.1, ping_timeout=2)
    await eventually(lambda: blocks >= 2 or ws.closed)
    assert ws.state is State.OPEN
    await ws.close()


async def test_peer_that_breaks_the_protocol() -> None:
    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(raw.accept() + b"\x81\x81\0\0\0\0x")  # a masked frame from a server
        await reader.read()

    async with RawServer(play) as raw:
        ws = await longwire.connect(raw.uri, close_timeout=0.5)
        error = await verdict_of(ws)
    assert error.verdict.code == "peer_protocol_error"
    assert error.sent is not None and error.sent.code == 1002


async def test_going_away_clean_and_said_error() -> None:
    async def handler(connection: longwire.Connection) -> None:
        await connection.close(int(connection.request.target[1:]), "why")

    async with serving(handler) as (_, uri):
        for code, verdict in (
            (1000, "clean"),
            (1001, "going_away"),
            (1012, "service_restart"),
            (1013, "try_again_later"),
            (1011, "peer_said_error"),
            (3000, "peer_said_error"),
        ):
            ws = await longwire.connect(f"{uri}{code}")
            error = await verdict_of(ws)
            assert (error.code, error.verdict.code) == (code, verdict)
            assert "why" in str(error)


async def test_aborted_by_us() -> None:
    async with serving() as (_, uri):
        ws = await longwire.connect(uri)
        ws.endpoint.abort()
        error = await verdict_of(ws)
    assert error.verdict.code == "aborted_by_us"


async def test_evidence_counts_what_was_pending() -> None:
    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(raw.accept() + b"\x81\x02hi" * 3)
        await writer.drain()
        await asyncio.sleep(0.2)

    async with RawServer(play) as raw:
        ws = await longwire.connect(raw.uri)
        await ws.wait_closed()
        assert ws.closed is not None
        evidence = ws.closed.evidence
        assert (evidence.messages_received, evidence.messages_unread) == (3, 3)
        assert evidence.bytes_unread == 6
        assert evidence.bytes_received == 12
        assert evidence.last_received_age_s is not None
        assert evidence.last_sent_age_s is None
        text = evidence.describe()
        assert "3 messages" in text and "kernel: " in text
        assert evidence.as_dict()["messages_unread"] == 3


async def test_peer_of_another_library_that_times_out_is_heard() -> None:
    """`websockets` says "keepalive ping timeout" with 1011; without a block that is its verdict."""

    async def handler(connection: websockets.ServerConnection) -> None:
        await connection.close(1011, "keepalive ping timeout")

    async with websockets.serve(handler, "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        ws = await longwire.connect(f"ws://127.0.0.1:{port}/")
        error = await verdict_of(ws)
    assert error.verdict.code == "peer_said_error"
    assert "keepalive ping timeout" in error.verdict.sentence
