"""What only TLS in the reactor has: its handshake, its end, its records and their limits."""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl

import pytest

import longwire
from longwire.net.listener import Listener
from longwire.net.loop_state import loop_state
from longwire.net.reactor import HANDSHAKES_MAX
from longwire.net.tls import ServerTls
from longwire.net.tls_link import ENCRYPT_BYTES_MAX, OUTPUT_BYTES_MAX, TlsLink
from tests.integration.net import local
from tests.integration.net.certificates import Authority
from tests.integration.net.local import eventually, open_raw, serving
from tests.integration.net.test_link import Handler, Peer, linked, receive, receive_some
from tests.integration.net.tls_peer import TlsPeer


@pytest.fixture(autouse=True)
def driver(monkeypatch: pytest.MonkeyPatch, tls: ServerTls, authority: Authority) -> None:
    monkeypatch.setattr("longwire.net.listener.AUTO_DRIVER", "reactor")
    monkeypatch.setattr(local, "SERVER_TLS", tls.context)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.path))


async def encrypted(handler: Handler) -> tuple[TlsLink, TlsPeer]:
    link: object
    peer: Peer
    link, peer = await linked(handler)
    assert isinstance(link, TlsLink) and isinstance(peer, TlsPeer)
    return link, peer


async def test_servers_with_tls_are_in_the_reactor() -> None:
    async with serving() as (server, uri), longwire.connect(uri) as ws:
        (link,) = server.listener.links
        assert isinstance(link, TlsLink)
        assert link.tls is not None and link.tls.version() == "TLSv1.3"
        await ws.send("here")
        assert await ws.recv() == "here"
        assert link.session.output == b"" and link.held_bytes == 0


async def test_handshake_that_is_never_finished_is_cut_by_its_deadline() -> None:
    async with serving(open_timeout=0.2) as (server, _):
        address = server.sockets[0].getsockname()
        peers = [await asyncio.open_connection(*address) for _ in range(3)]
        peers[1][1].write(b"\x16\x03\x01")
        await eventually(lambda: len(server.listener.links) == 3)
        await eventually(lambda: not server.listener.links)
        for reader, writer in peers:
            assert await reader.read() == b""
            writer.close()


async def test_who_speaks_no_tls_gets_an_alert_and_others_are_served() -> None:
    async with serving() as (server, uri):
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        answer = await reader.read()
        assert answer == b"" or answer[0] == 21  # the content type of alerts, RFC 8446 section 5.1
        writer.close()
        await eventually(lambda: not server.listener.links)
        async with longwire.connect(uri) as ws:
            assert await ws.ping() > 0


async def test_handshakes_count_as_connections_and_end_with_the_server() -> None:
    async with serving(connections_max=2) as (server, uri):
        silent = [await asyncio.open_connection(*server.sockets[0].getsockname()) for _ in range(2)]
        await eventually(lambda: len(server.listener.links) == 2)
        with pytest.raises(OSError):
            await longwire.connect(uri)
        assert server.listener.connections_refused == 1
        assert await server.listener.close(20)
        for _, writer in silent:
            writer.close()


async def test_more_handshakes_than_one_batch_does() -> None:
    async with serving() as (server, uri):
        count = 2 * HANDSHAKES_MAX + 3
        clients = await asyncio.gather(*(longwire.connect(uri) for _ in range(count)))
        for client in clients:
            await client.send("here")
            assert await client.recv() == "here"
        await asyncio.gather(*(client.close() for client in clients))
        await eventually(lambda: not server.listener.links)


async def test_one_batch_does_no_more_handshakes_than_its_share() -> None:
    reactor = loop_state(asyncio.get_running_loop()).reactor
    assert reactor is not None
    reactor.poll()
    assert [reactor.may_shake_hands() for _ in range(HANDSHAKES_MAX + 1)] == (
        [True] * HANDSHAKES_MAX + [False]
    )
    reactor.poll()
    assert reactor.may_shake_hands()


async def test_request_right_behind_the_handshake_is_served() -> None:
    """A client's Finished and its first request in one segment."""
    handler = Handler()
    listener = Listener(lambda link: handler, host="127.0.0.1", port=0, ssl=local.SERVER_TLS)
    await listener.start()
    sock = socket.create_connection(listener.sockets[0].getsockname())
    sock.setblocking(False)
    peer = TlsPeer(sock, ssl.create_default_context())
    await peer.shake_hands(first=b"at once")
    await eventually(lambda: handler.received == b"at once")
    handler.link.write(b"answered")
    assert await receive(peer, 8) == b"answered"
    handler.link.close()
    await eventually(lambda: handler.lost)
    await listener.close()
    peer.close()


async def test_peer_that_only_says_close_is_told_and_still_answered() -> None:
    """close_notify without a FIN: no event of the descriptor will follow."""
    handler = Handler()
    link, peer = await encrypted(handler)
    peer.socket.sendall(peer.encrypt(b"last words") + peer.closing_record())
    await eventually(lambda: handler.eofs)
    assert handler.received == b"last words"
    link.write(b"an answer")
    link.close()
    assert await receive(peer, 9) == b"an answer"
    assert await receive_some(peer) == b""
    await eventually(lambda: handler.lost)
    assert handler.lost == [None]
    peer.close()


async def test_the_end_waits_while_reading_is_paused() -> None:
    handler = Handler(lambda handler, data: handler.link.pause_reading())
    link, peer = await encrypted(handler)
    peer.socket.sendall(peer.encrypt(b"words") + peer.closing_record())
    await eventually(lambda: handler.received)
    await asyncio.sleep(0.05)
    assert handler.eofs == 0
    link.resume_reading()
    await eventually(lambda: handler.eofs == 1)
    link.abort()
    peer.close()


async def test_tampered_record_ends_the_link_with_an_error_and_an_alert() -> None:
    handler = Handler()
    _, peer = await encrypted(handler)
    record = bytearray(peer.encrypt(b"word"))
    record[-1] ^= 1
    peer.socket.sendall(record)
    with pytest.raises(ssl.SSLError, match=r"(?i)bad record mac|decryption failed"):
        await peer.recv(10)
    await eventually(lambda: handler.lost)
    assert isinstance(handler.lost[0], ssl.SSLError)
    peer.close()


async def test_who_does_not_read_costs_no_second_copy_of_what_waits() -> None:
    handler = Handler()
    link, peer = await encrypted(handler)
    data = bytes(range(256)) * 80_000
    link.write(data, b"small", data[:ENCRYPT_BYTES_MAX], b"end")
    whole = data + b"small" + data[:ENCRYPT_BYTES_MAX] + b"end"
    assert link.held_bytes == len(whole)
    await asyncio.sleep(0.05)
    assert 0 < link.held_bytes < len(whole)
    assert 0 < len(link.session.output) < ENCRYPT_BYTES_MAX + 1024
    link.close()
    assert await receive(peer, len(whole)) == whole
    assert await receive_some(peer) == b""
    await eventually(lambda: handler.lost)
    peer.close()


@pytest.mark.parametrize("excess", [0, 1])
async def test_answers_of_tls_itself_are_bounded_for_a_peer_that_does_not_read(excess: int) -> None:
    handler = Handler()
    link, peer = await encrypted(handler)
    link.write(bytes(20_000_000))
    await eventually(lambda: 0 < link.held_bytes < 20_000_000)
    link.session.output += bytes(OUTPUT_BYTES_MAX - len(link.session.output) + excess)
    peer.send(b"more")
    if excess:
        await eventually(lambda: handler.lost)
        error = handler.lost[0]
        assert error is not None and error.errno == errno.ENOBUFS
        assert str(OUTPUT_BYTES_MAX) in str(error)
    else:
        await eventually(lambda: handler.received == b"more")
        await asyncio.sleep(0.05)
        assert handler.lost == []
        link.abort()
    peer.close()


async def test_abort_with_much_encrypted_ends_at_once() -> None:
    handler = Handler()
    link, peer = await encrypted(handler)
    link.write(bytes(20_000_000))
    await eventually(lambda: 0 < link.held_bytes < 20_000_000)
    link.abort()
    await eventually(lambda: handler.lost)
    assert link.held_bytes == 0 and link.session.output == b""
    peer.close()


def test_5746_nobody_renegotiates(tls: ServerTls) -> None:
    assert tls._default.options & ssl.OP_NO_RENEGOTIATION


async def test_tls_1_2_is_served_too() -> None:
    context = ssl.create_default_context()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    async with serving() as (_, uri), longwire.connect(uri, ssl=context) as ws:
        assert ws.link.tls is not None and ws.link.tls.version() == "TLSv1.2"
        for message in ("text", b"b" * 200_000):
            await ws.send(message)
            assert await ws.recv() == message


async def test_streams_of_asyncio_see_a_clean_end() -> None:
    handler = Handler(lambda handler, data: (handler.link.write(data), handler.link.close()))
    listener = Listener(lambda link: handler, host="127.0.0.1", port=0, ssl=local.SERVER_TLS)
    await listener.start()
    reader, writer = await open_raw(listener.sockets[0].getsockname()[1])
    writer.write(b"x" * 1000)
    assert await reader.read() == b"x" * 1000
    writer.close()
    await writer.wait_closed()
    await listener.close()
