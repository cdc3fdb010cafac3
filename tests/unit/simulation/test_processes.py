"""Programs and hosts that are killed, paused, crash and come back."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import socket
import time

import pytest

from longwire.simulation import NotSimulatedError, SimulationError, World
from longwire.simulation.process import Life
from tests.unit.simulation.worlds import pair, serve_echo


async def connected() -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("server", 7)
    writer.write(b"x")
    assert await reader.readexactly(1) == b"x"
    return reader, writer


def test_killed_program_runs_no_further_and_its_kernel_closes_its_sockets() -> None:
    world, server, client = pair()
    ran: list[str] = []

    async def doomed() -> None:
        try:
            await serve_echo()
        finally:
            ran.append(f"finally at {world.now_s}")

    async def main() -> None:
        program = server.start(doomed())
        with client:
            reader, _ = await connected()
            program.kill()
            assert await reader.read() == b""
        with pytest.raises(SimulationError, match="was killed"):
            await program.wait()
        assert ran == []

    world.run(main())


def test_crashed_host_is_silent_until_it_is_back_and_resets() -> None:
    world, server, client = pair()

    async def main() -> None:
        server.start(serve_echo())
        with client:
            reader, writer = await connected()
            server.crash()
            with pytest.raises(SimulationError, match="down"):
                server.start(serve_echo())
            writer.write(b"anybody?")
            await asyncio.sleep(10)
            server.restart()
            with pytest.raises(ConnectionResetError):
                await reader.read()
            server.start(serve_echo())
            await connected()

    world.run(main())


def test_paused_program_answers_nothing_while_its_kernel_acknowledges() -> None:
    world, server, client = pair()

    async def main() -> None:
        program = server.start(serve_echo())
        with client:
            reader, writer = await connected()
            program.pause()
            writer.write(b"later")
            await asyncio.sleep(60)
            info = writer.get_extra_info("socket")._sock.tcp_info()
            assert info.unacked == 0 and info.retransmits == 0
            program.resume()
            assert await reader.readexactly(5) == b"later"

    world.run(main())
    assert 60 < world.now_s < 61


def test_timers_of_a_paused_program_fire_when_it_goes_on() -> None:
    world, server, _ = pair()
    woke: list[float] = []

    async def sleeper() -> None:
        await asyncio.sleep(5)
        woke.append(world.now_s)

    async def main() -> None:
        program = server.start(sleeper())
        await asyncio.sleep(1)
        program.pause()
        await asyncio.sleep(19)
        assert woke == []
        program.resume()
        await program.wait()

    world.run(main())
    assert woke == [20.0]


def test_signal_is_delivered_to_the_program_alone() -> None:
    world, server, client = pair()

    async def until_told() -> str:
        told = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, told.set)
        await told.wait()
        return "drained"

    async def main() -> None:
        one, other = server.start(until_told()), client.start(until_told())
        await asyncio.sleep(1)
        one.signal(signal.SIGTERM)
        assert await one.wait() == "drained"
        assert other.is_running
        other.signal(signal.SIGKILL)
        assert not other.is_running

    world.run(main())


def test_signals_without_a_handler_do_what_they_do_in_a_kernel() -> None:
    world, server, _ = pair()

    async def wait() -> None:
        await asyncio.sleep(3600)

    async def main() -> None:
        program = server.start(wait())
        for unnoticed in (signal.SIGCHLD, signal.SIGWINCH, signal.SIGCONT):
            program.signal(unnoticed)
        assert program.is_running
        for stop in (signal.SIGSTOP, signal.SIGTSTP):
            program.signal(stop)
            assert program.process.life is Life.PAUSED
            program.signal(signal.SIGCONT)
            assert program.process.life is Life.RUNNING
        program.signal(signal.SIGINT)  # as Ctrl+C under asyncio.run
        with pytest.raises(asyncio.CancelledError):
            await program.wait()
        program.signal(signal.SIGTERM)  # it is not there any more
        for deadly in (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1):
            program = server.start(wait())
            program.signal(deadly)
            assert not program.is_running
        with pytest.raises(ValueError, match="999"):
            server.start(wait()).signal(999)

    world.run(main())


def test_handlers_of_the_signal_module_belong_to_one_program() -> None:
    world, server, _ = pair()
    caught: list[tuple[str, int, float]] = []

    async def catch(name: str) -> None:
        def handler(number: int, frame: object) -> None:
            caught.append((name, number, time.monotonic()))

        assert signal.signal(signal.SIGHUP, handler) is signal.SIG_DFL
        assert signal.getsignal(signal.SIGHUP) is handler
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        await asyncio.sleep(10)
        os.kill(os.getpid(), signal.SIGHUP)
        signal.raise_signal(signal.SIGHUP)
        with pytest.raises(ProcessLookupError):
            os.kill(1, signal.SIGHUP)
        await asyncio.sleep(3600)

    async def main() -> None:
        one, other = server.start(catch("one")), server.start(catch("other"))
        await asyncio.sleep(1)
        one.signal(signal.SIGHUP)
        one.signal(signal.SIGTERM)
        await asyncio.sleep(0)
        assert caught == [("one", 1, 1.0)]
        other.pause()
        other.signal(signal.SIGHUP)
        await asyncio.sleep(1)
        assert caught == [("one", 1, 1.0)]
        other.resume()  # what waited is delivered now
        await asyncio.sleep(0)
        assert caught == [("one", 1, 1.0), ("other", 1, 2.0)]
        await asyncio.sleep(10)
        assert [name for name, _, at_s in caught if at_s == 10] == ["one", "one", "other", "other"]
        assert one.is_running and other.is_running

    before = signal.getsignal(signal.SIGHUP)
    world.run(main())
    assert signal.getsignal(signal.SIGHUP) is before


def test_descriptors_are_limited_at_the_edge() -> None:
    import socket

    world, server, _ = pair()
    server.descriptors_max = 3

    async def main() -> None:
        kept = [socket.socket() for _ in range(3)]
        with pytest.raises(OSError) as raised:
            socket.socket()
        assert raised.value.errno == errno.EMFILE
        kept.pop().close()
        socket.socket().close()

    world.run(main(), on=server)


def test_action_on_the_timeline_happens_at_its_time() -> None:
    world, server, client = pair()
    world.at(30, server.crash)

    async def main() -> None:
        server.start(serve_echo())
        with client:
            await connected()
            await asyncio.sleep(29)
            assert server.is_up
            await asyncio.sleep(2)
            assert not server.is_up

    world.run(main())
    assert "30.000000000  server           crashed" in world.timeline()


def test_program_has_the_name_of_its_host_and_a_number_of_its_own() -> None:
    world, server, client = pair()

    async def who() -> tuple[str, str, str, int]:
        return socket.gethostname(), socket.getfqdn(), socket.getfqdn("other"), os.getpid()

    async def main() -> list[tuple[str, str, str, int]]:
        return [await host.run(who()) for host in (server, server, client)] + [await who()]

    real = os.getpid()
    assert world.run(main()) == [
        ("server", "server", "other", 2),
        ("server", "server", "other", 3),
        ("client", "client", "other", 2),
        ("localhost", "localhost", "other", 1),
    ]
    assert os.getpid() == real


@pytest.mark.parametrize("name", ["gethostbyname", "gethostbyname_ex", "gethostbyaddr"])
def test_look_ups_that_would_leave_the_world_are_refused(name: str) -> None:
    async def main() -> None:
        with pytest.raises(NotSimulatedError, match=f"socket.{name} is not simulated"):
            getattr(socket, name)("server")

    World().run(main())
