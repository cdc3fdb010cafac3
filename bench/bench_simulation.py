"""How fast the simulator is: segments in a second, and virtual seconds in a real one.

    python bench/bench_simulation.py [--rounds 5]

Figures are medians of the rounds, of CPU time, since worlds wait for nothing:

* bulk: 20 MB from one asyncio program to another over 100 Mbit/s and 20 ms there and back, SACK
  and CUBIC; data segments in a second, both ends, link, capture and traces included;
* stack: the same transfer without event loop and capture, between two hosts at the ends of a link;
* idle: an hour of WebSocket connections that ping every 20 s, one and a hundred of them (longwire
  with longwire, and `websockets` with itself); virtual seconds in a second;
* echo: messages through one connection of `websockets`, one after the other.
"""

from __future__ import annotations

import argparse
import asyncio
import platform
import statistics
import time
from collections.abc import Callable
from typing import Any

import websockets

import longwire
from longwire.simulation import World
from longwire.tcpip.devices.link import Link, PathSettings
from longwire.tcpip.durations import MILLISECOND
from longwire.tcpip.host import Host
from longwire.tcpip.randomness import RandomStream
from longwire.tcpip.sockets import Readiness
from longwire.tcpip.tcp.profile import LINUX

OCTETS = 20_000_000
SEGMENT_OCTETS = 1448
RATE = 100_000_000
DELAY_S = 0.01
HOUR_S = 3600
ECHOES = 2000
PING_INTERVAL_S = 20


def seconds_of(work: Callable[[], object]) -> float:
    """Return the CPU time that ``work`` takes."""
    started = time.process_time()
    work()
    return time.process_time() - started


def bulk() -> float:
    """Return data segments in a second, through sockets and asyncio's streams."""
    world = World(1)
    server, client = world.host("server"), world.host("client")
    world.link(server, client, delay=DELAY_S, rate=RATE)

    async def send(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(bytes(OCTETS))
        writer.close()

    async def main() -> None:
        with server:
            await asyncio.start_server(send, "0.0.0.0", 80)
        with client:
            reader, writer = await asyncio.open_connection("server", 80)
        received = 0
        while data := await reader.read(65536):
            received += len(data)
        assert received == OCTETS
        writer.close()

    return OCTETS / SEGMENT_OCTETS / seconds_of(lambda: world.run(main()))


def stack() -> float:
    """Return data segments in a second, between two hosts and nothing else."""
    path = PathSettings(rate_bits_per_s=RATE, delay_ns=round(DELAY_S * 1000) * MILLISECOND)
    link = Link(path, stream=RandomStream(1))
    server = Host("server", entropy=RandomStream(2), profile=LINUX)
    client = Host("client", entropy=RandomStream(3), profile=LINUX)
    server.add_interface(link.a, ["10.0.0.1/24"])
    client.add_interface(link.b, ["10.0.0.2/24"])
    return OCTETS / SEGMENT_OCTETS / seconds_of(lambda: _transfer(server, client))


def _transfer(server: Host, client: Host) -> None:
    now_ns = 0
    listener = server.listen(80)
    reading = client.connect("10.0.0.1", 80, now_ns)
    writing = None
    left, received = OCTETS, 0
    chunk = bytes(65536)
    while received < OCTETS:
        for host in (server, client):
            host.poll(now_ns)
            host.take_ready()
        if writing is None:
            writing = listener.accept()
        if writing is not None and left and writing.readiness & Readiness.WRITABLE:
            left -= writing.write(chunk[: min(left, len(chunk))], now_ns)
        if reading.readable_bytes:
            received += len(reading.read(1 << 20, now_ns))
        due = [at for host in (server, client) if (at := host.poll_at()) is not None]
        now_ns = max(now_ns, min(due))


def idle(library: Any, connections: int) -> float:
    """Return virtual seconds in a second, while connections do nothing but ping."""
    world = World(1)
    server, client = world.host("server"), world.host("client")
    world.link(server, client, delay=0.025)

    async def answer(connection: Any) -> None:
        async for _ in connection:
            pass

    async def main() -> None:
        with server:
            await library.serve(answer, "0.0.0.0", 80, ping_interval=PING_INTERVAL_S)
        with client:
            held = [
                await library.connect("ws://server/", ping_interval=PING_INTERVAL_S)
                for _ in range(connections)
            ]
        await asyncio.sleep(HOUR_S)
        for connection in held:
            await connection.close()

    return HOUR_S / seconds_of(lambda: world.run(main()))


def echo() -> float:
    """Return messages in a second, there and back."""
    world = World(1)
    server, client = world.host("server"), world.host("client")
    world.link(server, client, delay=0.001)

    async def answer(connection: Any) -> None:
        async for message in connection:
            await connection.send(message)

    async def main() -> None:
        with server:
            await websockets.serve(answer, "0.0.0.0", 80)
        with client:
            async with websockets.connect("ws://server/") as connection:
                for _ in range(ECHOES):
                    await connection.send("hello")
                    await connection.recv()

    return ECHOES / seconds_of(lambda: world.run(main()))


FIGURES: tuple[tuple[str, str, Callable[[], float]], ...] = (
    ("bulk", "data segments/s", bulk),
    ("stack", "data segments/s", stack),
    ("idle, 1 connection, longwire", "virtual s/s", lambda: idle(longwire, 1)),
    ("idle, 1 connection, websockets", "virtual s/s", lambda: idle(websockets, 1)),
    ("idle, 100 connections, longwire", "virtual s/s", lambda: idle(longwire, 100)),
    ("idle, 100 connections, websockets", "virtual s/s", lambda: idle(websockets, 100)),
    ("echo, websockets", "messages/s", echo),
)


def main() -> None:
    parser = argparse.ArgumentParser(description="How fast the simulator is.")
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    print(f"CPython {platform.python_version()}, medians of {rounds} rounds, CPU time")
    for name, unit, measure in FIGURES:
        figures = [measure() for _ in range(rounds)]
        spread = f"{min(figures):,.0f} to {max(figures):,.0f}"
        print(f"{name:<36} {statistics.median(figures):>10,.0f} {unit:<16} ({spread})", flush=True)


if __name__ == "__main__":
    main()
