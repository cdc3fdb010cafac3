"""A way to the server that ends after so many bytes, or falls silent, and is whole from then on."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

__all__ = ["CuttingProxy", "Direction"]


class Direction(Enum):
    """Whose bytes are counted."""

    UP = "to the server"
    DOWN = "to the client"


@dataclass
class _Cut:
    """What is left to forward in a direction until the connection that carries it ends."""

    direction: Direction
    left: int


class CuttingProxy:
    """Forwards connections; one after ``cut_after`` is reset at exactly that byte."""

    def __init__(self, server_port: int) -> None:
        self._server_port = server_port
        self._cut: _Cut | None = None
        """What ``cut_after`` asked for, for all connections from then on together."""
        self.plans: Callable[[], tuple[Direction, int]] | None = None
        """Draws for each connection where it ends; ``None``: only ``cut_after`` ends one."""
        self.bytes_per_s: float | None = None
        """How fast each direction of a connection is."""
        self.forwarded: list[dict[Direction, int]] = []
        """Bytes of each connection since ``cut_after``, in the order in which they began."""
        self.is_cut = False
        self.cuts = 0
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._ways: set[asyncio.Task[None]] = set()
        self._silenced: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> CuttingProxy:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *error: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def url(self) -> str:
        assert self._server is not None
        return f"ws://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/ws"

    def cut_after(self, direction: Direction, count: int) -> None:
        """Let a connection end when ``count`` bytes have gone in a direction, on whichever of those
        that begin from now on."""
        self._cut, self.is_cut = _Cut(direction, count), False
        self.forwarded = []

    @property
    def _chunk_bytes(self) -> int:
        return 65536 if self.bytes_per_s is None else 4096

    def silence(self) -> None:
        """Forward nothing more on the connections that there are, which stay open."""
        self._silenced |= self._ways

    async def _serve(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        cut = self._cut
        if cut is None and self.plans is not None:
            cut = _Cut(*self.plans())
        forwarded = dict.fromkeys(Direction, 0)
        self.forwarded.append(forwarded)
        server, to_server = await asyncio.open_connection("127.0.0.1", self._server_port)
        up = self._forward(Direction.UP, client, to_server, cut, forwarded)
        down = self._forward(Direction.DOWN, server, to_client, cut, forwarded)
        ways = {asyncio.create_task(up), asyncio.create_task(down)}
        self._ways |= ways
        try:
            with contextlib.suppress(asyncio.CancelledError):  # which its server would log
                await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._ways -= ways
            self._silenced -= ways
            for way in ways:
                way.cancel()
            for writer in (to_client, to_server):
                reset(writer)

    async def _forward(
        self,
        direction: Direction,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        cut: _Cut | None,
        forwarded: dict[Direction, int],
    ) -> None:
        if cut is not None and cut.direction is not direction:
            cut = None
        with contextlib.suppress(OSError):
            while (cut is None or cut.left) and (data := await reader.read(self._chunk_bytes)):
                if self.bytes_per_s is not None:
                    await asyncio.sleep(len(data) / self.bytes_per_s)
                if asyncio.current_task() in self._silenced:
                    await asyncio.Event().wait()
                if cut is not None and not cut.left:
                    cut = None  # another connection was it
                if cut is not None:
                    data = data[: cut.left]
                    cut.left -= len(data)
                writer.write(data)
                await writer.drain()
                forwarded[direction] += len(data)
            if cut is not None and not cut.left:
                if cut is self._cut:
                    self._cut = None
                self.is_cut = True
                self.cuts += 1
                # What was let through is to arrive before the reset does.
                await asyncio.sleep(0.002)


def reset(writer: asyncio.StreamWriter) -> None:
    """End a connection by RST."""
    sock = writer.get_extra_info("socket")
    if sock is not None:
        with contextlib.suppress(OSError):
            linger = struct.pack("ii", 1, 0)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    writer.transport.abort()
