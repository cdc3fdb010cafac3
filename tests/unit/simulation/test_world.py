"""Time, names, deadlocks, refusals: what a world does besides carrying packets."""

from __future__ import annotations

import asyncio
import calendar
import os
import secrets
import socket
import subprocess
import threading
import time
import uuid
from pathlib import Path

import pytest

from longwire.simulation import (
    DeadlockError,
    LivelockError,
    NotSimulatedError,
    SimulationError,
    World,
    run,
)
from longwire.simulation import selector as selector_module
from tests.unit.simulation.worlds import pair, serve_echo


def test_a_day_of_sleep_takes_no_time_and_is_a_day_everywhere() -> None:
    async def main() -> tuple[float, float, float]:
        before = time.time(), time.monotonic(), asyncio.get_running_loop().time()
        await asyncio.sleep(86_400)
        after = time.time(), time.monotonic(), asyncio.get_running_loop().time()
        return tuple(b - a for a, b in zip(before, after, strict=True))  # type: ignore[return-value]

    started = time.monotonic()
    assert run(main()) == (86_400, 86_400, 86_400)
    assert time.monotonic() - started < 60


def test_deadlock_names_every_task_and_socket() -> None:
    world, server, client = pair()

    async def wait_for_data() -> None:
        reader, _ = await asyncio.open_connection("server", 7)
        await reader.read(1)

    async def main() -> None:
        server.start(serve_echo())
        await client.run(wait_for_data())

    with pytest.raises(DeadlockError) as raised:
        world.run(main())
    text = str(raised.value)
    assert "of client/wait_for_data-1" in text and "StreamReader.read" in text
    assert "listener at 0.0.0.0:7" in text and "ESTABLISHED" in text


def test_spinning_program_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selector_module, "_TURNS_MAX", 1000)

    async def spin() -> None:
        while True:
            await asyncio.sleep(0)

    with pytest.raises(LivelockError, match="without waiting no time passes"):
        run(spin())


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda: time.sleep(1), "time.sleep"),
        (lambda: threading.Thread(target=print).start(), "threading.Thread.start"),
        (lambda: subprocess.run(["true"], check=False), "subprocess.Popen"),
        (lambda: os.fork(), "os.fork"),
        (lambda: socket.create_connection(("a", 1)), "socket.create_connection"),
        (lambda: socket.socketpair(), "socket.socketpair"),
        (lambda: socket.socket(socket.AF_UNIX), "socket.socket"),
        (lambda: socket.socket().recv(1), "Transport endpoint is not connected"),
    ],
)
def test_what_cannot_be_simulated_refuses_by_name(call, name) -> None:  # type: ignore[no-untyped-def]
    async def main() -> None:
        call()

    with pytest.raises((NotSimulatedError, OSError), match=name):
        run(main())


def test_blocking_socket_that_would_wait_refuses_by_name() -> None:
    world, _, client = pair()

    async def main() -> None:
        socket.socket().connect(("10.0.1.1", 7))

    with pytest.raises(NotSimulatedError, match=r"socket\.connect on a blocking socket"):
        world.run(main(), on=client)


async def test_loop_refuses_child_processes_by_name() -> None:
    def inside() -> None:
        run(asyncio.create_subprocess_exec("true"))

    with pytest.raises(NotSimulatedError, match="subprocess_exec"):
        await asyncio.to_thread(inside)


def test_code_on_no_host_is_told_how_to_get_onto_one() -> None:
    async def main() -> None:
        socket.socket()

    with pytest.raises(SimulationError, match=r"host\.start\(\)"):
        World().run(main())


def test_unknown_name_fails_as_a_resolver_says_it() -> None:
    world, _, client = pair()

    async def main() -> None:
        with pytest.raises(socket.gaierror, match="Name or service not known"):
            await asyncio.open_connection("nowhere", 80)

    world.run(main(), on=client)


def test_names_of_addresses_come_from_the_world() -> None:
    world, _, client = pair()
    world.names.add("shop.example", "10.0.0.7", "2001:db8::7")

    async def main() -> None:
        loop = asyncio.get_running_loop()
        numeric = socket.NI_NUMERICHOST | socket.NI_NUMERICSERV
        assert await loop.getnameinfo(("10.0.0.7", 443)) == ("shop.example", "https")
        assert await loop.getnameinfo(("10.0.0.7", 443), numeric) == ("10.0.0.7", "443")
        assert socket.getnameinfo(("2001:db8::7", 8080, 0, 0), 0) == ("shop.example", "8080")
        assert socket.getnameinfo(("10.9.9.9", 80), socket.NI_NUMERICSERV) == ("10.9.9.9", "80")
        with pytest.raises(socket.gaierror, match="no name in this world"):
            await loop.getnameinfo(("10.9.9.9", 80), socket.NI_NAMEREQD)
        with pytest.raises(socket.gaierror, match="not an address"):
            await loop.getnameinfo(("shop.example", 80))

    world.run(main(), on=client)


def test_everything_is_given_back_after_a_world() -> None:
    before = time.time, os.urandom, socket.socket, socket.getaddrinfo, threading.Thread.start
    run(asyncio.sleep(1))
    after = time.time, os.urandom, socket.socket, socket.getaddrinfo, threading.Thread.start
    assert before == after
    assert os.urandom(16) != os.urandom(16)


def test_randomness_depends_on_the_seed_alone() -> None:
    async def draw() -> tuple[object, ...]:
        return os.urandom(8), secrets.token_hex(8), uuid.uuid4(), uuid.uuid1()

    assert run(draw(), seed=1) == run(draw(), seed=1)
    assert not set(run(draw(), seed=1)) & set(run(draw(), seed=2))


def test_world_runs_once_and_worlds_take_turns() -> None:
    world = World()

    async def nested() -> None:
        with pytest.raises(SimulationError, match="take turns"):
            World().run(asyncio.sleep(0))

    world.run(nested())
    with pytest.raises(SimulationError, match="make another"):
        world.run(asyncio.sleep(0))


def test_work_for_threads_is_done_later_and_in_order() -> None:
    from concurrent.futures import ThreadPoolExecutor

    done: list[int] = []

    async def main() -> float:
        loop = asyncio.get_running_loop()
        one = ThreadPoolExecutor(max_workers=1)
        started = loop.time()
        await asyncio.gather(*(loop.run_in_executor(one, done.append, n) for n in range(20)))
        assert await asyncio.to_thread(lambda: 7) == 7
        with pytest.raises(ZeroDivisionError):
            await asyncio.to_thread(lambda: 1 // 0)
        return loop.time() - started

    assert run(main()) > 0
    assert done == list(range(20))


def test_wall_clock_of_a_host_may_be_wrong_and_go_wrong() -> None:
    world, server, client = pair()
    server.set_clock(offset=3600, drift_ppm=50)

    async def now() -> tuple[float, ...]:
        return (
            time.time(),
            time.clock_gettime(time.CLOCK_REALTIME),
            time.mktime(time.localtime()),
            calendar.timegm(time.gmtime()),
        )

    async def ahead() -> set[int]:
        pairs = zip(await server.run(now()), await client.run(now()), strict=True)
        return {round(one - other) for one, other in pairs}

    async def main() -> None:
        assert await ahead() == {3600}
        assert time.clock_gettime(time.CLOCK_MONOTONIC) == 0
        assert time.clock_gettime(time.CLOCK_PROCESS_CPUTIME_ID) > 0  # not simulated
        await asyncio.sleep(100_000)
        assert await ahead() == {3605}
        server.set_clock(offset=-10, drift_ppm=-50)
        assert await ahead() == {-10}
        await asyncio.sleep(100_000)
        assert await ahead() == {-15}
        with server:
            assert time.monotonic() == 200_000

    world.run(main())


def test_link_refuses_a_setting_that_it_does_not_have() -> None:
    with pytest.raises(TypeError, match=r"'latency'; it has .*delay"):
        pair(latency=1)
    with pytest.raises(ValueError, match="from 0 to 1"):
        pair(loss=1.5)


def test_capture_is_pcapng_and_the_timeline_tells_states(tmp_path: Path) -> None:
    world, server, client = pair()

    async def main() -> None:
        server.start(serve_echo())
        with client:
            await asyncio.open_connection("server", 7)

    world.run(main())
    world.write_capture(tmp_path / "world.pcapng")
    data = (tmp_path / "world.pcapng").read_bytes()
    assert data[:4] == b"\x0a\x0d\x0d\x0a" and b"server-client" in data
    assert "SYN_SENT to ESTABLISHED" in world.timeline()


def test_what_is_closed_after_the_end_is_in_no_capture() -> None:
    world, server, client = pair()
    left: list[socket.socket] = []

    async def main() -> None:
        server.start(serve_echo())
        await asyncio.sleep(1)
        with client:
            left.append(socket.socket())
        left[0].setblocking(False)
        await asyncio.get_running_loop().sock_connect(left[0], ("10.0.1.1", 7))

    world.run(main())
    digest, timeline = world.capture_digest(), world.timeline()
    left.pop().close()
    assert (world.capture_digest(), world.timeline()) == (digest, timeline)
    assert "tcp-established" in timeline
