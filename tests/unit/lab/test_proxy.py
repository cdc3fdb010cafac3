"""Each kind of cut really is what it says, seen from both ends of real connections."""

from __future__ import annotations

import contextlib
import json
import select
import socket
import struct
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from longwire.lab.plan import CutKind
from longwire.lab.processes import LedChild
from longwire.lab.proxy import LINKS_MAX, address_of_link

TIMEOUT_S = 20.0
LONG_S = 60.0  # a cut that lasts beyond the test
FIRST_PROBE = 40_000


class Proxied:
    """The proxy in its own process, with a server behind it that the test plays."""

    def __init__(self, folder: Path) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.settimeout(TIMEOUT_S)
        port = self.listener.getsockname()[1]
        self.child = LedChild(
            "proxy", [sys.executable, "-m", "longwire.lab.proxy", str(port)], folder
        )
        self.child.start()
        self.port = self.child.listen_one()["port"]
        self.sockets: list[socket.socket] = [self.listener]
        self.probe = FIRST_PROBE

    def dial(self, link: int) -> socket.socket:
        client = socket.create_connection((address_of_link(link), self.port), TIMEOUT_S)
        self.sockets.append(client)
        return client

    def pair(self, link: int) -> tuple[socket.socket, socket.socket]:
        """A connection through a link: the client's end and the server's."""
        client = self.dial(link)
        server, _ = self.listener.accept()
        server.settimeout(TIMEOUT_S)
        self.sockets.append(server)
        return client, server

    def cut(self, link: int, kind: CutKind, for_s: float = LONG_S, blind_s: float = 0) -> None:
        order = {"do": "cut", "link": link, "kind": kind.value, "for_s": for_s, "blind_s": blind_s}
        self.child.say(json.dumps(order).encode())
        self._wait_until_obeyed()

    def _wait_until_obeyed(self) -> None:
        """Orders are obeyed in turn: cut another link, too, and wait for what that does."""
        self.probe += 1
        client, _ = self.pair(self.probe)
        order = {"do": "cut", "link": self.probe, "kind": "rst", "for_s": LONG_S, "blind_s": 0}
        self.child.say(json.dumps(order).encode())
        with pytest.raises(ConnectionResetError):
            client.recv(1)

    def drop(self, kind: CutKind) -> None:
        self.child.say(json.dumps({"do": "drop", "kind": kind.value}).encode())

    def close(self) -> None:
        for sock in self.sockets:
            sock.close()
        self.child.kill()


@pytest.fixture
def proxied(tmp_path: Path) -> Iterator[Proxied]:
    made = Proxied(tmp_path)
    with contextlib.closing(made):
        yield made


def is_silent(sock: socket.socket, for_s: float = 0.3) -> bool:
    return not select.select([sock], [], [], for_s)[0]


def receive(sock: socket.socket, count: int) -> bytes:
    received = b""
    while len(received) < count:
        chunk = sock.recv(count - len(received))
        assert chunk, "the connection ended"
        received += chunk
    return received


def test_bytes_pass_both_ways(proxied: Proxied) -> None:
    client, server = proxied.pair(3)
    client.sendall(b"to the server")
    assert receive(server, 13) == b"to the server"
    server.sendall(b"to the client")
    assert receive(client, 13) == b"to the client"


def test_much_passes_to_a_slow_reader_without_loss(proxied: Proxied) -> None:
    client, server = proxied.pair(3)
    data = bytes(range(256)) * 40_000
    server.setblocking(False)
    received, unsent = bytearray(), memoryview(data)
    while len(received) < len(data):
        with contextlib.suppress(BlockingIOError):
            unsent = unsent[server.send(unsent) :]
        if not select.select([server], [server] if unsent else [], [], 0)[1]:
            received += client.recv(100_000)
    assert received == data


def test_an_end_passes_with_what_was_before_it(proxied: Proxied) -> None:
    client, server = proxied.pair(3)
    client.sendall(b"last words")
    client.shutdown(socket.SHUT_WR)
    assert receive(server, 10) == b"last words"
    assert server.recv(1) == b""
    server.sendall(b"an answer")  # the other direction goes on
    assert receive(client, 9) == b"an answer"
    server.close()
    assert client.recv(1) == b""


def test_a_reset_passes(proxied: Proxied) -> None:
    client, server = proxied.pair(3)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    server.close()
    with pytest.raises(ConnectionResetError):
        client.recv(1)


def test_rst_resets_both_ends_and_new_connections(proxied: Proxied) -> None:
    client, server = proxied.pair(3)
    proxied.cut(3, CutKind.RST)
    for sock in (client, server):
        with pytest.raises(ConnectionResetError):
            sock.recv(1)
    with pytest.raises(ConnectionResetError):
        proxied.dial(3).recv(1)


def test_fin_ends_both_ends_and_new_connections_in_order(proxied: Proxied) -> None:
    client, server = proxied.pair(3)
    proxied.cut(3, CutKind.FIN)
    for sock, other in ((client, server), (server, client)):
        assert sock.recv(1) == b""
        sock.sendall(b"nobody hears this")  # and nobody resets it
        assert is_silent(other, 0.1) or other.recv(1) == b""
    assert proxied.dial(3).recv(1) == b""


def test_silence_keeps_connections_open_and_passes_nothing(proxied: Proxied) -> None:
    client, server = proxied.pair(3)
    proxied.cut(3, CutKind.SILENCE)
    client.sendall(b"from the client")
    server.sendall(b"from the server")
    assert is_silent(client) and is_silent(server, 0)
    later = proxied.dial(3)  # hangs
    later.sendall(b"hello")
    assert is_silent(later)
    assert is_silent(proxied.listener, 0)


def test_after_silence_what_was_sent_arrives(proxied: Proxied) -> None:
    client, server = proxied.pair(3)
    proxied.cut(3, CutKind.SILENCE, for_s=1.5)
    client.sendall(b"from the client")
    server.sendall(b"from the server")
    later = proxied.dial(3)
    later.sendall(b"hello")
    assert receive(server, 15) == b"from the client"
    assert receive(client, 15) == b"from the server"
    served, _ = proxied.listener.accept()
    proxied.sockets.append(served)
    assert receive(served, 5) == b"hello"


@pytest.mark.parametrize("kind", [CutKind.RST, CutKind.FIN])
def test_until_the_ends_learn_of_it_what_they_send_is_lost(proxied: Proxied, kind: CutKind) -> None:
    client, server = proxied.pair(3)
    proxied.cut(3, kind, blind_s=1.0)
    client.sendall(b"lost")
    assert is_silent(client, 0) and is_silent(server, 0)
    if kind is CutKind.FIN:
        assert server.recv(1) == client.recv(1) == b""
        return
    for sock in (client, server):
        with pytest.raises(ConnectionResetError):
            sock.recv(1)


@pytest.mark.parametrize("kind", list(CutKind))
def test_other_links_go_on_and_a_link_heals(proxied: Proxied, kind: CutKind) -> None:
    proxied.pair(3)
    other_client, other_server = proxied.pair(4)
    proxied.cut(3, kind, for_s=0.5)
    other_client.sendall(b"x")
    assert receive(other_server, 1) == b"x"
    time.sleep(1.0)
    client, server = proxied.pair(3)
    client.sendall(b"y")
    assert receive(server, 1) == b"y"


def test_what_does_not_come_by_a_link_is_never_cut(proxied: Proxied) -> None:
    client = socket.create_connection(("127.0.0.1", proxied.port), TIMEOUT_S)
    server, _ = proxied.listener.accept()
    proxied.sockets += [client, server]
    proxied.cut(0, CutKind.RST)
    proxied.drop(CutKind.RST)
    proxied.cut(1, CutKind.RST)  # returns once all orders were obeyed
    client.sendall(b"x")
    assert receive(server, 1) == b"x"


def test_drop_ends_all_connections_and_takes_new_ones(proxied: Proxied) -> None:
    pairs = [proxied.pair(link) for link in (0, 1, LINKS_MAX - 1)]
    proxied.drop(CutKind.RST)
    for pair in pairs:
        for sock in pair:
            with pytest.raises(ConnectionResetError):
                sock.recv(1)
    client, server = proxied.pair(1)
    client.sendall(b"x")
    assert receive(server, 1) == b"x"


def test_a_server_that_is_gone_is_a_reset(proxied: Proxied) -> None:
    proxied.listener.close()
    with pytest.raises(ConnectionResetError):
        proxied.dial(3).recv(1)


def test_it_counts_what_it_did(proxied: Proxied) -> None:
    client, server = proxied.pair(3)
    client.sendall(b"12345")
    receive(server, 5)
    proxied.cut(3, CutKind.RST)
    with pytest.raises(ConnectionResetError):
        client.recv(1)
    proxied.cut(3, CutKind.FIN)  # it is cut already
    proxied.child.finish()
    counts = proxied.child.listen_one()
    assert counts["forwarded_bytes"] == 5
    # One cut of the link and two of the probe's; its connections are counted, too.
    assert (counts["rst"], counts["fin"], counts["silence"]) == (3, 0, 0)
    assert counts["accepted"] == 3


@pytest.mark.parametrize("link", [-1, LINKS_MAX])
def test_links_have_numbers_within_bounds(link: int) -> None:
    with pytest.raises(ValueError, match="links are numbered from 0 to 65535"):
        address_of_link(link)
