"""Listening sockets of every kind, and the stages of a drain."""

from __future__ import annotations

import asyncio
import os
import socket
import stat
from pathlib import Path

import pytest

import longwire
from longwire.net.link import Link, LinkHandler
from longwire.net.listener import Listener
from tests.integration.net.local import echo, eventually, uri_of


class Greeter:
    """Says hello, and goodbye when the server goes; ``is_stubborn``: stays all the same."""

    def __init__(self, is_stubborn: bool = False) -> None:
        self.is_stubborn = is_stubborn
        self.lost = 0

    def link_made(self, link: Link) -> None:
        self.link = link
        link.write(b"hello\n")

    def data_received(self, data: bytes | bytearray | memoryview) -> None:
        self.link.write(bytes(data))

    def eof_received(self) -> None:
        self.link.close()

    def link_lost(self, error: OSError | None) -> None:
        self.lost += 1

    def link_drained(self) -> None:
        pass

    def deadline_reached(self, now: float) -> None:
        pass

    def shutdown(self) -> None:
        if not self.is_stubborn:
            self.link.write(b"goodbye\n")
            self.link.close()


def greet(link: Link) -> LinkHandler:
    return Greeter()


async def test_listener_needs_exactly_one_place() -> None:
    for wrong in ({}, {"port": 0, "path": "/x"}):
        with pytest.raises(ValueError, match="path"):
            Listener(greet, **wrong)  # type: ignore[arg-type]


async def test_taken_port_is_an_error() -> None:
    listener = Listener(greet, host="127.0.0.1", port=0)
    await listener.start()
    port = listener.sockets[0].getsockname()[1]
    with pytest.raises(OSError):
        await Listener(greet, host="127.0.0.1", port=port).start()
    await listener.close()
    assert not listener.is_accepting


async def test_drain_goes_in_stages() -> None:
    made: list[Greeter] = []

    def make(link: Link) -> LinkHandler:
        made.append(Greeter(is_stubborn=bool(made)))
        return made[-1]

    listener = Listener(make, host="127.0.0.1", port=0)
    await listener.start()
    address = listener.sockets[0].getsockname()
    reader, writer = await asyncio.open_connection(*address)
    other_reader, other_writer = await asyncio.open_connection(*address)
    assert await reader.readline() == b"hello\n" == await other_reader.readline()
    listener.stop_accepting()
    with pytest.raises(OSError):
        await asyncio.open_connection(*address)
    writer.write(b"still served\n")
    assert await reader.readline() == b"still served\n"
    assert await listener.close(0.2) is False  # the second one stays, and is dropped
    assert await reader.read() == b"goodbye\n"
    with pytest.raises(ConnectionResetError):
        assert await other_reader.read() == b""
        raise ConnectionResetError  # a FIN would be right as well
    assert [greeter.lost for greeter in made] == [1, 1]
    writer.close()
    other_writer.close()


async def test_clean_drain_says_so() -> None:
    listener = Listener(greet, host="127.0.0.1", port=0)
    await listener.start()
    reader, writer = await asyncio.open_connection(*listener.sockets[0].getsockname())
    await reader.readline()
    assert await listener.close(20) is True
    assert await reader.read() == b"goodbye\n"
    writer.close()


async def test_unix_socket_has_its_mode_and_goes_with_the_listener(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    listener = Listener(greet, path=path, mode=0o600)
    await listener.start()
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    reader, writer = await asyncio.open_unix_connection(path)
    assert await reader.readline() == b"hello\n"
    writer.close()
    await listener.close()
    assert not path.exists()


async def test_stale_unix_socket_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    assert path.exists()
    listener = Listener(greet, path=path)
    await listener.start()
    reader, writer = await asyncio.open_unix_connection(path)
    assert await reader.readline() == b"hello\n"
    writer.close()
    await listener.close()


async def test_unix_socket_in_use_is_not_taken_away(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    first = Listener(greet, path=path)
    await first.start()
    with pytest.raises(OSError, match="another process listens"):
        await Listener(greet, path=path).start()
    reader, writer = await asyncio.open_unix_connection(path)
    assert await reader.readline() == b"hello\n"
    writer.close()
    await first.close()


async def test_file_that_is_no_socket_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("precious")
    with pytest.raises(FileExistsError, match="no socket"):
        await Listener(greet, path=path).start()
    assert path.read_text() == "precious"


async def test_socket_of_a_successor_is_not_removed(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    first = Listener(greet, path=path)
    await first.start()
    path.unlink()
    second = Listener(greet, path=path)
    await second.start()
    await first.close()
    reader, writer = await asyncio.open_unix_connection(path)
    assert await reader.readline() == b"hello\n"
    writer.close()
    await second.close()


async def test_abstract_unix_socket_has_no_file() -> None:
    path = f"\0longwire-test-{os.getpid()}-{id(object())}"
    async with longwire.unix_serve(echo, path), longwire.unix_connect(path) as ws:
        await ws.send("x")
        assert await ws.recv() == "x"


async def test_reuse_port_shares_one_port() -> None:
    async with longwire.serve(echo, "127.0.0.1", 0, reuse_port=True) as first:
        port = first.sockets[0].getsockname()[1]
        async with longwire.serve(echo, "127.0.0.1", port, reuse_port=True) as second:
            reached = set()
            for _ in range(200):
                async with longwire.connect(uri_of(first)):
                    for server in (first, second):
                        if server.listener.links:
                            reached.add(server)
                await eventually(lambda: not first.listener.links and not second.listener.links)
                if len(reached) == 2:
                    break
            assert len(reached) == 2
        with pytest.raises(OSError):
            await longwire.serve(echo, "127.0.0.1", port)


async def test_given_socket_is_listened_on() -> None:
    sock = socket.create_server(("127.0.0.1", 0))
    async with longwire.serve(echo, sock=sock) as server, longwire.connect(uri_of(server)) as ws:
        await ws.send("x")
        assert await ws.recv() == "x"


async def test_client_may_be_given_a_connected_socket() -> None:
    async with longwire.serve(echo, "127.0.0.1", 0) as server:
        sock = socket.create_connection(server.sockets[0].getsockname()[:2])
        sock.setblocking(False)
        async with longwire.connect("ws://any.example/", sock=sock) as ws:
            await ws.send("x")
            assert await ws.recv() == "x"
            assert ws.request.headers["Host"] == "any.example"
