"""What is measured: echo, fan-out, idle connections, and connecting."""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass
from pathlib import Path

from bench.wire.load import Connection, Echo, Idle, Publisher, Subscriber, connect_all
from bench.wire.servers import Server, running

__all__ = ["CELLS", "TLS_CELLS", "Cell", "Figure", "Tls"]

WARM_UP_S = 0.5


@dataclass(frozen=True, slots=True)
class Tls:
    """A certificate that is trusted by nobody but ``client``."""

    certificate: tuple[Path, Path]
    client: ssl.SSLContext


@dataclass(frozen=True, slots=True)
class Figure:
    """``cost`` is what cells are compared by; ``rate`` is bounded by the one generating thread."""

    cost: float
    rate: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One measurement. ``unit`` is that of the cost."""

    name: str
    unit: str
    kind: str
    connections: int
    window: int = 0
    payload_bytes: int = 0

    async def measure(self, server: Server, seconds: float, tls: Tls | None = None) -> Figure:
        mode = "fanout" if self.kind == "fan-out" else "echo"
        certificate, context = (None, None) if tls is None else (tls.certificate, tls.client)
        async with running(server, mode, certificate) as process:
            connections = self._make_connections()
            await connect_all(connections[:1], process.port, context)
            cpu_s, memory_bytes = process.cpu_s(), process.memory_bytes()
            await connect_all(connections[1:], process.port, context)
            opened = len(connections) - 1
            if self.kind == "connect":
                return Figure((process.cpu_s() - cpu_s) / opened * 1e6)
            if self.kind == "idle":
                await asyncio.sleep(WARM_UP_S)
                return Figure((process.memory_bytes() - memory_bytes) / opened)
            for connection in reversed(connections):
                connection.begin()
            await asyncio.sleep(WARM_UP_S)
            loop = asyncio.get_running_loop()
            count, cpu_s, began_s = _received(connections), process.cpu_s(), loop.time()
            await asyncio.sleep(seconds)
            count = _received(connections) - count
            used_s, elapsed_s = process.cpu_s() - cpu_s, loop.time() - began_s
            for connection in connections:
                connection.transport.abort()
        if count == 0:
            raise RuntimeError(f"{server.name}, {self.name}: nothing came back")
        return Figure(used_s / count * 1e6, count / elapsed_s)

    def _make_connections(self) -> list[Connection]:
        if self.kind == "echo":
            return [Echo(self.payload_bytes, self.window) for _ in range(self.connections)]
        if self.kind == "fan-out":
            count = self.connections - 1
            publisher = Publisher(self.payload_bytes, self.window, count)
            return [publisher, *(Subscriber(self.payload_bytes, publisher) for _ in range(count))]
        return [Idle(0) for _ in range(self.connections)]


def _received(connections: list[Connection]) -> int:
    return sum(connection.messages for connection in connections)


def _echo(connections: int, window: int, payload_bytes: int) -> Cell:
    return Cell(
        name=f"echo {connections} x {window} x {payload_bytes:,} B",
        unit="µs/message",
        kind="echo",
        connections=connections,
        window=window,
        payload_bytes=payload_bytes,
    )


def _fan_out(subscribers: int, window: int) -> Cell:
    return Cell(
        name=f"fan-out to {subscribers:,}, {window} in flight",
        unit="µs/delivery",
        kind="fan-out",
        connections=subscribers + 1,
        window=window,
        payload_bytes=128,
    )


CELLS = (
    _echo(1, 1, 32),
    _echo(100, 1, 32),
    _echo(1, 64, 32),
    _echo(100, 8, 32),
    _echo(100, 8, 1024),
    _echo(100, 8, 65536),
    _fan_out(100, 32),
    _fan_out(1000, 32),
    _fan_out(1000, 1),
    Cell(name="idle", unit="bytes/connection", kind="idle", connections=2001),
    Cell(name="connect", unit="µs/connection", kind="connect", connections=2001),
)

TLS_CELLS = (
    _echo(100, 8, 32),
    _echo(100, 8, 1024),
    Cell(name="idle", unit="bytes/connection", kind="idle", connections=501),
    Cell(name="connect", unit="µs/connection", kind="connect", connections=501),
)
