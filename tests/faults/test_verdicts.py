"""The verdict of a closing error, each caused for real: nothing here plays a broken peer."""

from __future__ import annotations

import asyncio
import functools
import time
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

import longwire
from longwire.net import loops
from longwire.net.loops import LoopName
from tests.faults.namespaces import far_host
from tests.faults.peers import client_peer, server_peer

Run = Callable[[Coroutine[Any, Any, None]], None]


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Run:
    """Run a coroutine on one kind of event loop."""
    name: LoopName = request.param
    return functools.partial(loops.run, loop=name)


async def closing_error(connection: longwire.Connection) -> longwire.ConnectionClosed:
    """The error that a receiver gets in the end."""
    with pytest.raises(longwire.ConnectionClosed) as caught:
        async with asyncio.timeout(60):
            while True:
                await connection.recv()
    return caught.value


def test_client_tells_a_stopped_peer_process(run: Run) -> None:
    async def main() -> None:
        async with server_peer() as peer:
            ws = await longwire.connect(peer.uri(), ping_interval=0.3, ping_timeout=1)
            await ws.ping()
            peer.stop()
            error = await closing_error(ws)
        assert error.verdict.code == "peer_process_stuck"
        assert isinstance(error, longwire.ConnectionClosedError)
        assert error.code == 1006
        assert error.rcvd is None
        assert error.evidence.tcp is not None
        assert error.evidence.tcp.unacked == 0
        assert error.evidence.has_keepalive_expired

    run(main())


def test_server_tells_a_stopped_peer_process(run: Run) -> None:
    async def main() -> None:
        errors: asyncio.Queue[longwire.ConnectionClosed] = asyncio.Queue()

        async def handler(ws: longwire.Connection) -> None:
            await ws.recv()
            errors.put_nowait(await closing_error(ws))

        async with longwire.serve(
            handler, "127.0.0.1", 0, ping_interval=0.3, ping_timeout=1
        ) as server:
            port = server.sockets[0].getsockname()[1]
            async with client_peer(f"ws://127.0.0.1:{port}/") as peer:
                peer.stop()
                error = await asyncio.wait_for(errors.get(), 60)
        assert error.verdict.code == "peer_process_stuck"

    run(main())


def test_a_stopped_peer_that_was_sent_more_than_it_can_hold_is_still_stuck(run: Run) -> None:
    async def main() -> None:
        async with server_peer() as peer:
            ws = await longwire.connect(
                peer.uri(), ping_interval=0.3, ping_timeout=1, compression=None
            )
            peer.stop()
            sending = asyncio.create_task(send_until_closed(ws))
            error = await closing_error(ws)
            await sending
        assert error.verdict.code == "peer_process_stuck"
        assert error.evidence.bytes_unsent > 0, error.evidence.describe()

    async def send_until_closed(ws: longwire.Connection) -> None:
        with pytest.raises(longwire.ConnectionClosed):
            while True:
                await ws.send(b"x" * 65536)

    run(main())


@pytest.mark.parametrize("traffic", ["idle", "busy"])
def test_client_tells_a_dead_path(run: Run, traffic: str) -> None:
    async def main() -> None:
        with far_host() as host:
            async with server_peer(host.address, prefix=host.prefix) as peer:
                ws = await longwire.connect(
                    peer.uri(host.address), ping_interval=0.3, ping_timeout=1
                )
                await ws.ping()
                host.drop_everything()
                if traffic == "busy":
                    await ws.send("into the dark")
                error = await closing_error(ws)
        assert error.verdict.code == "path_dead"
        assert error.code == 1006
        assert error.evidence.tcp is not None
        assert error.evidence.tcp.unacked > 0

    run(main())


def test_client_tells_a_reset(run: Run) -> None:
    async def main() -> None:
        async with server_peer() as peer:
            ws = await longwire.connect(peer.uri())
            await ws.send("reset")
            error = await closing_error(ws)
        assert error.verdict.code == "reset_by_peer"
        assert error.code == 1006
        assert isinstance(error.evidence.link_error, ConnectionResetError)

    run(main())


@pytest.mark.parametrize("end", ["hang up", "kill -9"])
def test_client_tells_an_end_without_close_frame(run: Run, end: str) -> None:
    async def main() -> None:
        async with server_peer() as peer:
            ws = await longwire.connect(peer.uri())
            if end == "hang up":
                await ws.send("hang up")
            else:
                await ws.ping()
                peer.kill()
            error = await closing_error(ws)
        assert error.verdict.code == "no_close_frame"
        assert error.code == 1006
        assert error.rcvd is None
        assert error.evidence.link_end == "eof"

    run(main())


def test_client_tells_that_its_own_loop_was_blocked(run: Run) -> None:
    async def main() -> None:
        async with server_peer(ping_interval_s=0.3, ping_timeout_s=0.7) as peer:
            ws = await longwire.connect(peer.uri(), ping_interval=None)
            await ws.ping()
            await asyncio.sleep(0.3)
            time.sleep(3)  # noqa: ASYNC251 - what is tested: the peer loses patience
            error = await closing_error(ws)
        assert error.verdict.code == "own_loop_blocked"
        assert error.evidence.loop_block is not None
        assert error.evidence.loop_block.duration_s > 1

    run(main())


def test_a_blocked_loop_does_not_give_up_a_peer_that_lives(run: Run) -> None:
    async def main() -> None:
        async with server_peer() as peer:
            ws = await longwire.connect(peer.uri(), ping_interval=0.3, ping_timeout=1.5)
            for _ in range(2):
                await asyncio.sleep(0.2)
                time.sleep(2)  # noqa: ASYNC251 - longer than the keepalive has patience
                await ws.send("still here")
                assert await ws.recv() == "still here"
            await ws.close()

    run(main())
