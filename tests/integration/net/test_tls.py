"""wss both ways: verification, ALPN, server names, reload under a running server."""

from __future__ import annotations

import asyncio
import shutil
import ssl
from pathlib import Path

import pytest

import longwire
from longwire.base.errors import ConfigError
from longwire.net.tls import Certificate, ServerTls
from tests.integration.net.certificates import Authority
from tests.integration.net.local import echo, eventually, reset, serving, uri_of


def peer_name(ws: longwire.Connection) -> str:
    """The common name of the certificate that the server showed."""
    assert ws.link.tls is not None
    certificate = ws.link.tls.getpeercert()
    assert certificate is not None
    return dict(pair for part in certificate["subject"] for pair in part)["commonName"]


async def test_wss_echoes_and_verifies(authority: Authority, tls: ServerTls) -> None:
    async with serving(ssl=tls.context) as (server, _):
        uri = uri_of(server, "wss")
        context = authority.client_context()
        context.set_alpn_protocols(["h2", "http/1.1"])
        async with longwire.connect(uri, ssl=context) as ws:
            for message in ("secret", b"x" * 500_000, ""):
                await ws.send(message)
                assert await ws.recv() == message
            assert ws.link.tls is not None
            assert ws.link.tls.selected_alpn_protocol() == "http/1.1"
            assert ws.link.tls.version() in ("TLSv1.2", "TLSv1.3")
            assert await ws.ping() > 0
        assert ws.closed is not None and ws.closed.is_ok
        await eventually(lambda: not server.listener.links)


async def test_unknown_authority_is_refused(tls: ServerTls) -> None:
    async with serving(ssl=tls.context) as (server, _):
        with pytest.raises(ssl.SSLCertVerificationError):
            await longwire.connect(uri_of(server, "wss"))
        with pytest.raises(ssl.SSLCertVerificationError):
            async for _connection in longwire.connect(uri_of(server, "wss")):
                pass  # what will not get better is not retried


async def test_wrong_name_is_refused_and_server_hostname_helps(
    authority: Authority, tmp_path: Path
) -> None:
    cert_path, key_path = authority.issue("elsewhere", "elsewhere.example")
    tls = ServerTls([Certificate(cert_path=cert_path, key_path=key_path)])
    async with serving(ssl=tls.context) as (server, _):
        uri = uri_of(server, "wss")
        with pytest.raises(ssl.SSLCertVerificationError):
            await longwire.connect(uri, ssl=authority.client_context())
        async with longwire.connect(
            uri, ssl=authority.client_context(), server_hostname="elsewhere.example"
        ):
            pass


async def test_plain_client_at_a_tls_port_and_the_other_way(tls: ServerTls) -> None:
    async with serving(ssl=tls.context) as (server, _):
        with pytest.raises((longwire.HandshakeError, OSError)):
            await longwire.connect(uri_of(server), open_timeout=5)
    async with serving() as (server, _):
        with pytest.raises(OSError):
            await longwire.connect(uri_of(server, "wss"), open_timeout=5)


async def test_certificates_are_chosen_by_server_name(authority: Authority, tmp_path: Path) -> None:
    names = {
        "default": ("127.0.0.1", "default.example"),
        "one": ("one.example",),
        "wild": ("*.wild.example",),
    }
    certificates = []
    for file_name, hosts in names.items():
        cert_path, key_path = authority.issue(file_name, *hosts)
        certificates.append(
            Certificate(
                cert_path=cert_path,
                key_path=key_path,
                names=() if file_name == "default" else hosts,
            )
        )
    async with serving(ssl=ServerTls(certificates).context) as (server, _):
        uri = uri_of(server, "wss")
        for asked, shown in (
            ("one.example", "one"),
            ("a.wild.example", "wild"),
            ("default.example", "default"),
            ("127.0.0.1", "default"),
        ):
            async with longwire.connect(
                uri, ssl=authority.client_context(), server_hostname=asked
            ) as ws:
                assert peer_name(ws) == shown


async def test_reload_changes_new_connections_and_leaves_old_ones(
    authority: Authority, tmp_path: Path
) -> None:
    cert_path, key_path = tmp_path / "live.pem", tmp_path / "live.key"

    def install(file_name: str) -> None:
        new_cert, new_key = authority.issue(file_name, "127.0.0.1")
        shutil.copy(new_cert, cert_path)
        shutil.copy(new_key, key_path)

    install("first")
    tls = ServerTls([Certificate(cert_path=cert_path, key_path=key_path)])
    async with serving(ssl=tls.context) as (server, _):
        uri = uri_of(server, "wss")
        old = await longwire.connect(uri, ssl=authority.client_context())
        assert peer_name(old) == "first"
        install("second")
        tls.reload()
        async with longwire.connect(uri, ssl=authority.client_context()) as new:
            assert peer_name(new) == "second"
        await old.send("still here")
        assert await old.recv() == "still here"

        cert_path.write_text("no certificate")
        with pytest.raises(ConfigError, match=r"live\.pem"):
            tls.reload()
        async with longwire.connect(uri, ssl=authority.client_context()) as new:
            assert peer_name(new) == "second"
        await old.close()


def test_missing_certificates_are_config_errors(authority: Authority, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no certificate"):
        ServerTls([])
    with pytest.raises(ConfigError, match=r"absent\.pem"):
        ServerTls([Certificate(cert_path=tmp_path / "absent.pem")])
    one, _ = authority.issue("mismatch-a", "a.example")
    _, other = authority.issue("mismatch-b", "b.example")
    with pytest.raises(ConfigError, match="cannot be loaded"):
        ServerTls([Certificate(cert_path=one, key_path=other)])


async def test_client_certificates_can_be_required(authority: Authority) -> None:
    cert_path, key_path = authority.issue("server-mutual", "127.0.0.1")
    tls = ServerTls(
        [Certificate(cert_path=cert_path, key_path=key_path)], client_ca_path=authority.path
    )
    async with serving(ssl=tls.context) as (server, _):
        uri = uri_of(server, "wss")
        # With TLS 1.3 the client has finished before the server looks at its certificate.
        with pytest.raises((OSError, longwire.HandshakeError)):
            await longwire.connect(uri, ssl=authority.client_context())
        context = authority.client_context()
        context.load_cert_chain(*authority.issue("client", "client.example"))
        async with longwire.connect(uri, ssl=context) as ws:
            await ws.send("known")
            assert await ws.recv() == "known"


async def test_slow_reader_bounds_memory_over_tls(authority: Authority, tls: ServerTls) -> None:
    sent = 0
    held: list[int] = []

    async def handler(connection: longwire.Connection) -> None:
        nonlocal sent
        for _ in range(2000):
            await connection.send(b"y" * 20_000)
            sent += 1
            held.append(connection.link.held_bytes)
        await connection.wait_closed()

    async with (
        serving(handler, ssl=tls.context, compression=None) as (server, _),
        longwire.connect(
            uri_of(server, "wss"), ssl=authority.client_context(), compression=None
        ) as ws,
    ):
        previous = -1
        while sent != previous:
            previous = sent
            await asyncio.sleep(0.3)
        assert sent < 2000
        assert max(held) < 512 * 1024
        for _ in range(2000):
            assert len(await ws.recv()) == 20_000


async def test_unix_socket_with_tls(authority: Authority, tls: ServerTls, tmp_path: Path) -> None:
    path = str(tmp_path / "tls")
    async with (
        longwire.unix_serve(echo, path, ssl=tls.context),
        longwire.unix_connect(path, "wss://localhost/", ssl=authority.client_context()) as ws,
    ):
        await ws.send("both")
        assert await ws.recv() == "both"


async def test_connection_cut_under_tls_has_a_verdict(authority: Authority, tls: ServerTls) -> None:
    """A proxy that only passes bytes on, and then drops both sides."""
    async with serving(ssl=tls.context) as (server, _):
        port = server.sockets[0].getsockname()[1]
        writers: list[asyncio.StreamWriter] = []

        async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                while data := await reader.read(65536):
                    writer.write(data)
            except OSError:
                pass

        async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", port)
            writers.extend((writer, far_writer))
            await asyncio.gather(pump(reader, far_writer), pump(far_reader, writer))

        proxy = await asyncio.start_server(relay, "127.0.0.1", 0)
        ws = await longwire.connect(uri_of(proxy, "wss"), ssl=authority.client_context())
        await ws.send("x")
        await ws.recv()
        (served,) = server.connections
        for writer in writers:
            reset(writer)
        for side in (ws, served):
            await side.wait_closed()
            assert side.closed is not None
            assert side.closed.verdict.code in ("reset_by_peer", "no_close_frame")
        proxy.close()
