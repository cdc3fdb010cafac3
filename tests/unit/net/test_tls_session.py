"""TLS as bytes in, bytes out: whole, cut anywhere, tampered with, and many on the same buffers."""

from __future__ import annotations

import random
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest

from longwire.net.tls_session import RECORD_BYTES_MAX, TlsBuffers, TlsSession
from tests.integration.net.certificates import Authority

Cut = Callable[[bytes], list[bytes]]

CUTS: dict[str, Cut] = {
    "whole": lambda data: [data],
    "bytes": lambda data: [data[i : i + 1] for i in range(len(data))],
    "pieces": lambda data: [data[i : i + 777] for i in range(0, len(data), 777)],
}


class Client:
    """The other end, over memory of its own."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_hostname="127.0.0.1")

    def shake_hands(self) -> bool:
        try:
            self.tls.do_handshake()
        except ssl.SSLWantReadError:
            return False
        return True

    def encrypt(self, data: bytes) -> bytes:
        self.tls.write(data)
        return self.outgoing.read()

    def decrypt(self, records: bytes) -> bytes:
        self.incoming.write(records)
        plain = b""
        while self.incoming.pending:
            plain += self.tls.read(RECORD_BYTES_MAX)
        return plain


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture(scope="module")
def certificate(authority: Authority) -> tuple[Path, Path]:
    return authority.issue("session", "127.0.0.1")


@pytest.fixture
def server_context(certificate: tuple[Path, Path]) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*certificate)
    return context


def take(session: TlsSession) -> bytes:
    output, session.output = session.output, b""
    return output


def established(
    server: ssl.SSLContext,
    client: ssl.SSLContext,
    *,
    buffers: TlsBuffers | None = None,
    cut: Cut = CUTS["whole"],
) -> tuple[TlsSession, Client]:
    """A session and its client, the handshake done."""
    session = TlsSession(server, TlsBuffers() if buffers is None else buffers)
    peer = Client(client)
    while not session.is_established:
        peer.shake_hands()
        for piece in cut(peer.outgoing.read()):
            assert session.shake_hands(piece) == b""
        assert session.failure is None
        peer.incoming.write(take(session))
    assert peer.shake_hands()
    return session, peer


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("cut", CUTS.values(), ids=CUTS)
def test_handshake_and_data_pass_however_they_are_cut(
    cut: Cut, version: ssl.TLSVersion, server_context: ssl.SSLContext, authority: Authority
) -> None:
    context = authority.client_context()
    context.minimum_version = context.maximum_version = version
    session, client = established(server_context, context, cut=cut)
    messages = [b"a", b"b" * RECORD_BYTES_MAX, b"c" * 40_000, b"d"]
    records = b"".join(client.encrypt(message) for message in messages)
    assert b"".join(session.decrypt(piece) for piece in cut(records)) == b"".join(messages)
    session.encrypt(b"e" * 40_000)
    session.encrypt(b"f")
    assert client.decrypt(take(session)) == b"e" * 40_000 + b"f"
    assert not session.has_peer_closed and session.failure is None


def test_what_comes_right_behind_the_handshake_is_not_lost(
    server_context: ssl.SSLContext, authority: Authority
) -> None:
    session, client = TlsSession(server_context, TlsBuffers()), Client(authority.client_context())
    client.shake_hands()
    assert session.shake_hands(client.outgoing.read()) == b""
    client.incoming.write(take(session))
    assert client.shake_hands()
    assert session.shake_hands(client.outgoing.read() + client.encrypt(b"GET /")) == b"GET /"


def test_sessions_share_their_buffers_and_leave_nothing_in_them(
    server_context: ssl.SSLContext, authority: Authority
) -> None:
    buffers = TlsBuffers()
    context = authority.client_context()
    pairs = [established(server_context, context, buffers=buffers) for _ in range(5)]
    chooser = random.Random(8446)
    waiting = dict.fromkeys(range(5), b"")
    expected, got = dict(waiting), dict(waiting)
    for _ in range(200):
        index = chooser.randrange(5)
        session, client = pairs[index]
        message = chooser.randbytes(chooser.randrange(1, 300))
        expected[index] += message
        wire = waiting[index] + client.encrypt(message)
        cut = chooser.randrange(len(wire) + 1)
        waiting[index] = wire[cut:]
        got[index] += session.decrypt(wire[:cut])
        assert not buffers.incoming.pending and not buffers.outgoing.pending
    for index, (session, _) in enumerate(pairs):
        assert got[index] + session.decrypt(waiting[index]) == expected[index]


def test_8446_6_1_each_side_ends_its_own_direction(
    server_context: ssl.SSLContext, authority: Authority
) -> None:
    session, client = established(server_context, authority.client_context())
    session.close()
    session.close()
    records = take(session)
    assert client.decrypt(records) == b""
    assert session.decrypt(client.encrypt(b"still here")) == b"still here"
    client.tls.unwrap()
    assert session.decrypt(client.outgoing.read()) == b""
    assert session.has_peer_closed and session.failure is None
    assert session.decrypt(b"whatever follows") == b""


def test_data_and_the_end_in_one_read(server_context: ssl.SSLContext, authority: Authority) -> None:
    session, client = established(server_context, authority.client_context())
    records = client.encrypt(b"last words")
    with pytest.raises(ssl.SSLWantReadError):
        client.tls.unwrap()
    assert session.decrypt(records + client.outgoing.read()) == b"last words"
    assert session.has_peer_closed
    session.encrypt(b"an answer")
    assert take(session)


@pytest.mark.parametrize("place", [0, 4, 5, -1])
def test_record_that_was_tampered_with_fails_the_session_with_an_alert(
    place: int, server_context: ssl.SSLContext, authority: Authority
) -> None:
    session, client = established(server_context, authority.client_context())
    good, bad = client.encrypt(b"before"), bytearray(client.encrypt(b"behind"))
    bad[place] ^= 0x80
    records = good + bytes(bad) + bytes(40_000)
    assert session.decrypt(records) == b"before"
    assert isinstance(session.failure, ssl.SSLError)
    assert take(session)
    session.close()
    assert take(session) == b""


@pytest.mark.parametrize(
    "hello", [b"GET / HTTP/1.1\r\n\r\n", bytes(50), b"\x16\x03\x01\0\x05hello"]
)
def test_what_is_no_handshake_fails_and_leaves_the_buffers_to_others(
    hello: bytes, server_context: ssl.SSLContext, authority: Authority
) -> None:
    buffers = TlsBuffers()
    session = TlsSession(server_context, buffers)
    assert session.shake_hands(hello * 10) == b""
    assert isinstance(session.failure, ssl.SSLError) and not session.is_established
    other, client = established(server_context, authority.client_context(), buffers=buffers)
    assert other.decrypt(client.encrypt(b"unharmed")) == b"unharmed"
