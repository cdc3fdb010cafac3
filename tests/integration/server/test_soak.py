"""A server under visitors of every kind, for long: its memory stays flat, no descriptor leaks.

``SOAK_SECONDS`` seconds in all (1,800), half of them over TLS. Clients come and go in rounds;
between rounds all have left, and what the server holds then is what is compared.

What it holds swings by some megabytes without any leak: the allocator keeps what rounds took until
the server gives it back, and blocks that live on hold pages of which they need a part. All of that
only ever adds to what is really in use. So it is the least of many rounds that is compared, early
ones with late ones: a leak lifts every round, the least one too, and a swing does not.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import ssl
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path

import pytest

import longwire
from longwire.lab.processes import free_port
from tests.conformance.autobahn.suite import running, wait_for_port
from tests.integration.net.certificates import Authority
from tests.integration.net.hostile_websockets import bomb, masked, upgrade
from tests.integration.net.local import reset

SOAK_S = float(os.environ.get("SOAK_SECONDS", "1800"))
ROUND_S = min(20.0, SOAK_S / 16)
CLIENTS = 40
WARM_UP_ROUNDS = 2
REST_S = 3.0
"""How long all are away after a round: several times the interval at which memory is returned."""
GROWTH_BYTES_MAX = 3 * 1024 * 1024
"""Below what 50 bytes for each of 100,000 visits come to, within the part that is compared."""

HEAD = upgrade()
DEFLATE_HEAD = upgrade("Sec-WebSocket-Extensions: permessage-deflate")
BOMB = masked(0xC2, bomb(64))


class Target:
    """The server, as clients reach it and as the kernel sees it."""

    def __init__(self, pid: int, port: int, context: ssl.SSLContext | None) -> None:
        self.pid, self.port, self.context = pid, port, context
        self.uri = f"{'ws' if context is None else 'wss'}://127.0.0.1:{port}/echo"
        self.visits = 0

    def connect(self) -> longwire.connect:
        return longwire.connect(self.uri, ssl=self.context)

    async def raw(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.port, ssl=self.context)

    def descriptors(self) -> int:
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def memory_bytes(self) -> int:
        """What the process has for itself; pages of files count for whoever else maps them, too."""
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("RssAnon:"):
                return int(line.split()[1]) * 1024
        raise AssertionError("no RssAnon in status")


# -- who comes ------------------------------------------------------------------------------


async def polite(target: Target, chooser: random.Random) -> None:
    async with target.connect() as ws:
        for _ in range(chooser.randrange(20)):
            message = chooser.randbytes(chooser.choice([10, 1_000, 100_000]))
            await ws.send(message)
            assert await ws.recv() == message


async def dropping(target: Target, chooser: random.Random) -> None:
    ws = await target.connect()
    for _ in range(chooser.randrange(50)):
        ws.endpoint.send("never answered")
    ws.endpoint.abort()
    await ws.wait_closed()


async def slow(target: Target, chooser: random.Random) -> None:
    """Asks for much, reads nothing, and goes."""
    reader, writer = await target.raw()
    writer.write(HEAD)
    await reader.readuntil(b"\r\n\r\n")
    writer.transport.pause_reading()  # type: ignore[attr-defined]
    size = 60_000
    for _ in range(50):
        writer.write(b"\x82\xfe%b\0\0\0\0" % size.to_bytes(2) + bytes(size))
    await asyncio.sleep(chooser.random())
    reset(writer)


async def silent(target: Target, chooser: random.Random) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", target.port)
    await asyncio.sleep(chooser.random())
    writer.close()


async def hostile(target: Target, chooser: random.Random) -> None:
    """Breaks a rule, and waits for what the server does about it."""
    talk = chooser.choice(
        [
            HEAD[: chooser.randrange(len(HEAD))],  # a head that never ends
            HEAD + b"\x89\x80\0\0\0\0" * 5_000,  # pings
            HEAD + b"\x01\x80\0\0\0\0" + b"\x00\x80\0\0\0\0" * 70_000,  # empty fragments
            HEAD + b"\x81\x80\0\0\0\0" * 20_000,  # tiny messages
            DEFLATE_HEAD + BOMB,
            HEAD + masked(0x82, bytes(2_000_000))[:-1],  # a message that never comes whole
            HEAD + b"\xff" * 1_000,
            HEAD + b"\x82\xff" + b"\x7f" + b"\xff" * 11,  # longer than anything
            chooser.randbytes(5_000),
        ]
    )
    reader, writer = await target.raw()
    writer.write(talk)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(chooser.random()):
            while await reader.read(65536):
                pass
    reset(writer)


VISITORS: list[Callable[[Target, random.Random], Awaitable[None]]] = [
    polite,
    dropping,
    slow,
    silent,
    hostile,
]


# -- the run --------------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def serving(folder: Path, *, is_tls: bool) -> AsyncIterator[Target]:
    port = free_port()
    start = "from longwire.cli.main import main; main()"
    command = [sys.executable, "-c", start, "serve", "--dev", "--store", "memory"]
    command += ["--set", "server.memory_return_interval_s=0.5"]
    context = None
    if is_tls:
        authority = Authority(folder)
        cert_path, key_path = authority.issue("soak", "127.0.0.1")
        command += ["--tls-cert", str(cert_path), "--tls-key", str(key_path)]
        context = authority.client_context()
    command += ["--host", "127.0.0.1", "--port", str(port)]
    log = folder / "serve.log"
    async with running(command, log, folder) as process:
        await wait_for_port(port, process, log)
        yield Target(process.pid, port, context)


async def visit_until(target: Target, until_s: float, chooser: random.Random) -> None:
    loop = asyncio.get_running_loop()
    while loop.time() < until_s:
        visitor = chooser.choice(VISITORS)
        with contextlib.suppress(OSError, longwire.LongwireError, asyncio.IncompleteReadError):
            await visitor(target, chooser)
        target.visits += 1


async def everybody_left(target: Target, descriptors: int) -> None:
    """Wait until the server holds no descriptor of theirs; its deadlines see to it."""
    try:
        async with asyncio.timeout(60):
            while target.descriptors() > descriptors:
                await asyncio.sleep(0.1)
    except TimeoutError:
        pytest.fail(f"{target.descriptors()} descriptors are open, {descriptors} were before")


async def least_at_rest(target: Target) -> int:
    """The least that the server holds while all are away."""
    loop = asyncio.get_running_loop()
    ends_s = loop.time() + REST_S
    least = target.memory_bytes()
    while loop.time() < ends_s:
        await asyncio.sleep(0.1)
        least = min(least, target.memory_bytes())
    return least


def growth_bytes(memory: Sequence[int]) -> int:
    """How much more the last third of the rounds holds, at its least, than the first.

    The first rounds do not count: caches fill. What grows steadily has grown by two thirds of all
    between the least of one and that of the other.
    """
    settled = memory[WARM_UP_ROUNDS:]
    third = len(settled) // 3
    assert third > 0, "the run was too short to compare anything"
    return min(settled[-third:]) - min(settled[:third])


@pytest.mark.parametrize(
    ("leaked_bytes", "is_flat"), [(0, True), (20, True), (100, False), (1_000, False)]
)
def test_leaks_are_told_from_swings(leaked_bytes: int, is_flat: bool) -> None:
    chooser = random.Random(leaked_bytes)
    visits, rounds = 100_000, 45
    memory = [
        50_000_000 + leaked_bytes * visits * number // rounds + chooser.randrange(12_000_000)
        for number in range(rounds)
    ]
    assert (growth_bytes(memory) < GROWTH_BYTES_MAX) is is_flat


@pytest.mark.long
@pytest.mark.alone
@pytest.mark.timeout(SOAK_S + 600)
@pytest.mark.parametrize("is_tls", [False, True], ids=["plain", "tls"])
async def test_memory_is_flat_and_no_descriptor_leaks(
    is_tls: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    loop = asyncio.get_running_loop()
    chooser = random.Random(6455)
    loop.set_exception_handler(lambda loop, context: None)  # streams that were reset complain
    async with serving(tmp_path, is_tls=is_tls) as target:
        await polite(target, chooser)
        await asyncio.sleep(0.5)
        descriptors = target.descriptors()
        memory: list[int] = []
        until_s = loop.time() + SOAK_S / 2
        while loop.time() < until_s:
            ends_s = min(until_s, loop.time() + ROUND_S)
            await asyncio.gather(*(visit_until(target, ends_s, chooser) for _ in range(CLIENTS)))
            await everybody_left(target, descriptors)
            memory.append(await least_at_rest(target))
    with capsys.disabled():
        shown = [round(size / 1e6, 1) for size in memory]
        print(f"\n{target.visits} visits, {descriptors} descriptors, memory in MB: {shown}")  # noqa: T201
    assert growth_bytes(memory) < GROWTH_BYTES_MAX, memory
