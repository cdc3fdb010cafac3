"""How ``longwire serve`` starts, reloads and stops."""

from __future__ import annotations

import asyncio
import http.client
import os
import shutil
import signal
import socket
import ssl
import threading
import time
from pathlib import Path

import pytest
import websockets
from websockets.asyncio.client import connect, unix_connect

from longwire.lab.processes import free_port
from tests.integration.server.certificates import make_certificate
from tests.integration.server.native_client import native_client
from tests.integration.server.running import RunningServer, run_longwire

UPGRADE = (
    b"GET /echo HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_idle_server_stops_with_exit_code_zero(tmp_path: Path, number: signal.Signals) -> None:
    with RunningServer(tmp_path) as server:
        assert server.stop(number) == 0
    assert not any("Traceback" in line for line in server.log)


async def test_drain_closes_websockets_with_1001(tmp_path: Path) -> None:
    with RunningServer(tmp_path, "--dev") as server:
        async with connect(server.websocket_url + "/echo", proxy=None) as socket_:
            await socket_.send("before")
            assert await socket_.recv() == "before"
            stopped = asyncio.create_task(asyncio.to_thread(server.stop))
            with pytest.raises(websockets.ConnectionClosedOK) as caught:
                await socket_.recv()
            assert caught.value.rcvd is not None
            assert caught.value.rcvd.code == 1001
            assert await stopped == 0


async def test_drain_tells_clients_of_the_native_protocol(tmp_path: Path) -> None:
    with RunningServer(tmp_path, "--dev") as server:
        async with native_client(server.url) as client:
            assert (await client.ask("subscribe", stream="a"))["op"] == "subscribed"
            stopped = asyncio.create_task(asyncio.to_thread(server.stop))
            closing = await client.receive()
            assert (closing["op"], closing["code"], closing["reconnect"]) == ("closing", 1001, True)
            with pytest.raises(websockets.ConnectionClosedOK) as caught:
                await client.receive()
            assert caught.value.rcvd is not None
            assert caught.value.rcvd.code == 1001
            assert await stopped == 0


def test_drain_ends_streams_of_events_as_they_should_end(tmp_path: Path) -> None:
    with RunningServer(tmp_path, "--dev") as server:
        client = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
        client.request("GET", "/streams/a", headers={"Accept": "text/event-stream"})
        response = client.getresponse()
        assert response.readline() == b"retry: 2000\n"
        server.process.send_signal(signal.SIGTERM)
        # A chunked body that is cut raises IncompleteRead.
        assert b"event: subscribed" in response.read()
        client.close()
        assert server.process.wait(20) == 0


def test_drain_accepts_nothing_new_and_cuts_what_stays(tmp_path: Path) -> None:
    """A peer that never answers the Close frame is cut at the deadline; the exit code is 0."""
    settings = ("--set", "server.drain_timeout_s=1")
    with (
        RunningServer(tmp_path, "--dev", *settings) as server,
        socket.create_connection(("127.0.0.1", server.port)) as deaf,
    ):
        deaf.sendall(UPGRADE)
        assert deaf.recv(4096).startswith(b"HTTP/1.1 101")
        stopping = threading.Thread(target=server.stop)
        stopping.start()
        assert deaf.recv(2, socket.MSG_WAITALL)[0] == 0x88
        with pytest.raises(OSError):
            socket.create_connection(("127.0.0.1", server.port)).close()
        stopping.join()
        assert server.process.returncode == 0
        assert any("still open after 1 s" in line for line in server.log)


def test_drain_tells_readiness_probes_first(tmp_path: Path) -> None:
    with RunningServer(tmp_path, "--set", "server.drain_delay_s=30") as server:
        server.process.send_signal(signal.SIGTERM)
        deadline_s = time.monotonic() + 20
        while server.request("/readyz").status != 503:
            assert time.monotonic() < deadline_s
        answer = server.request("/readyz")
        assert answer.headers["Retry-After"] == "5"
        assert "shutting down" in answer.text
        assert server.request("/healthz").status == 200
        assert server.stop() == 128 + signal.SIGTERM


def test_second_signal_stops_at_once(tmp_path: Path) -> None:
    settings = ("--set", "server.drain_timeout_s=1000")
    with (
        RunningServer(tmp_path, "--dev", *settings) as server,
        socket.create_connection(("127.0.0.1", server.port)) as deaf,
    ):
        deaf.sendall(UPGRADE)
        assert deaf.recv(4096).startswith(b"HTTP/1.1 101")
        server.process.send_signal(signal.SIGTERM)
        assert deaf.recv(2, socket.MSG_WAITALL)[0] == 0x88
        assert server.stop(signal.SIGINT) == 128 + signal.SIGINT


def test_second_signal_does_not_wait_for_a_stop_hook(tmp_path: Path) -> None:
    (tmp_path / "stuck.py").write_text(
        "import asyncio, longwire\n"
        "app = longwire.App()\n"
        "@app.on_stop\n"
        "async def wait():\n"
        "    print('stopping', flush=True)\n"
        "    await asyncio.Event().wait()\n"
    )
    with RunningServer(tmp_path, "stuck:app", "--dev") as server:
        server.process.send_signal(signal.SIGTERM)
        assert server.process.stdout is not None
        assert server.process.stdout.readline() == "stopping\n"
        assert server.stop(signal.SIGINT) == 128 + signal.SIGINT


def test_drain_finishes_the_request_that_is_being_answered(tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text(
        "import asyncio, longwire\n"
        "app = longwire.App()\n"
        "@app.route('/slow')\n"
        "async def slow(request):\n"
        "    print('begun', flush=True)\n"
        "    await asyncio.sleep(1)\n"
        "    return 'finished'\n"
    )
    with RunningServer(tmp_path, "slow:app") as server:
        client = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
        client.request("GET", "/slow")
        assert server.process.stdout is not None
        assert server.process.stdout.readline() == "begun\n"
        server.process.send_signal(signal.SIGTERM)
        response = client.getresponse()
        assert (response.status, response.read()) == (200, b"finished")
        assert response.headers["Connection"] == "close"
        client.close()
        assert server.process.wait(20) == 0


def test_server_comes_back_on_the_same_port(tmp_path: Path) -> None:
    port = free_port()
    with (
        RunningServer(tmp_path, "--dev", "--port", str(port)) as first,
        socket.create_connection(("127.0.0.1", port)) as open_one,
    ):
        open_one.sendall(UPGRADE)
        open_one.recv(4096)
        first.process.kill()
        first.process.wait()
    with RunningServer(tmp_path, "--dev", "--port", str(port)) as second:
        assert second.port == port
        assert second.request("/healthz").status == 200


def test_port_in_use_is_one_line_and_exit_code_69(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = run_longwire("serve", "--port", str(port), folder=tmp_path)
    assert result.returncode == 69
    assert result.stdout == ""
    assert result.stderr == (
        f"longwire: 127.0.0.1:{port}: cannot listen there: Address already in use "
        "(another process listens there; --port 0 takes a free port)\n"
    )


@pytest.mark.parametrize("host", ["192.0.2.1", "no.such.host.invalid"])
def test_address_that_cannot_be_had_is_one_line(tmp_path: Path, host: str) -> None:
    result = run_longwire("serve", "--host", host, "--port", "0", folder=tmp_path)
    assert result.returncode == 69
    assert host in result.stderr
    assert result.stderr.count("\n") == 1


def test_every_address_is_announced(tmp_path: Path) -> None:
    with RunningServer(tmp_path, "--host", "::", "--dev") as server:
        assert server.url == f"http://[::]:{server.port}"
        assert server.stop() == 0
    assert any("whoever reaches it may read and publish" in line for line in server.log)


async def test_unix_socket_is_served_and_removed(tmp_path: Path) -> None:
    path = tmp_path / "longwire.sock"
    with RunningServer(tmp_path, "--dev", "--unix", str(path)) as server:
        assert server.url == f"http+unix:{path}"
        async with unix_connect(str(path), "ws://localhost/echo") as socket_:
            await socket_.send("over a path")
            assert await socket_.recv() == "over a path"
        assert await asyncio.to_thread(server.stop) == 0
    assert not path.exists()


def test_stale_unix_socket_is_replaced_and_a_living_one_is_not(tmp_path: Path) -> None:
    path = tmp_path / "longwire.sock"
    with RunningServer(tmp_path, "--unix", str(path)) as first:
        first.process.kill()
        first.process.wait()
    assert path.exists()
    with RunningServer(tmp_path, "--unix", str(path)):
        result = run_longwire("serve", "--store", "memory", "--unix", str(path), folder=tmp_path)
        assert result.returncode == 69
        assert str(path) in result.stderr


def peer_name(port: int) -> str:
    """The common name in the certificate that a server shows."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with (
        socket.create_connection(("127.0.0.1", port)) as raw,
        context.wrap_socket(raw, server_hostname="localhost") as wrapped,
    ):
        der = wrapped.getpeercert(binary_form=True)
        assert der is not None
        return "first" if b"first" in der else "second" if b"second" in der else repr(der)


async def test_tls_and_reload_on_hangup(tmp_path: Path) -> None:
    certificate, key = make_certificate(tmp_path, "first")
    arguments = ("--dev", "--tls-cert", str(certificate), "--tls-key", str(key))
    with RunningServer(tmp_path, *arguments) as server:
        assert server.url.startswith("https://127.0.0.1:")
        context = ssl.create_default_context(cafile=certificate)
        async with connect(server.websocket_url + "/echo", ssl=context, proxy=None) as socket_:
            await socket_.send("over TLS")
            assert await socket_.recv() == "over TLS"
            assert peer_name(server.port) == "first"

            new = make_certificate(tmp_path, "second", stem="new")
            shutil.copy(new[0], certificate)
            shutil.copy(new[1], key)
            server.process.send_signal(signal.SIGHUP)
            await wait_for_log(server, "certificates read again")
            assert peer_name(server.port) == "second"

            certificate.write_text("no certificate")
            server.process.send_signal(signal.SIGHUP)
            await wait_for_log(server, "the old certificates stay")
            assert peer_name(server.port) == "second"

            # What was open before lives on.
            await socket_.send("still here")
            assert await socket_.recv() == "still here"


async def wait_for_log(server: RunningServer, text: str) -> None:
    async with asyncio.timeout(20):
        while not any(text in line for line in server.log):
            await asyncio.sleep(0.02)


def test_hangup_without_certificates_does_no_harm(tmp_path: Path) -> None:
    with RunningServer(tmp_path) as server:
        os.kill(server.process.pid, signal.SIGHUP)
        assert server.request("/healthz").status == 200
        assert server.stop() == 0


def test_certificate_that_is_none_is_a_configuration_error(tmp_path: Path) -> None:
    (tmp_path / "cert.pem").write_text("no certificate")
    result = run_longwire("serve", "--tls-cert", "cert.pem", "--port", "0", folder=tmp_path)
    assert result.returncode == 78
    assert result.stderr.startswith("longwire: cert.pem: ")
    assert result.stderr.count("\n") == 1


def test_key_log_is_written_when_asked_for(tmp_path: Path) -> None:
    certificate, key = make_certificate(tmp_path, "first")
    arguments = ("--tls-cert", str(certificate), "--tls-key", str(key))
    with RunningServer(tmp_path, *arguments, "--tls-keylog", "keys.txt") as server:
        assert peer_name(server.port) == "first"
        assert server.stop() == 0
    assert "CLIENT_TRAFFIC_SECRET_0" in (tmp_path / "keys.txt").read_text()


def test_access_log_has_no_query(tmp_path: Path) -> None:
    with RunningServer(tmp_path, "--access-log") as server:
        server.request("/healthz?token=secret")
        assert server.stop() == 0
    (line,) = [line for line in server.log if "longwire.access" in line]
    assert "GET /healthz 200" in line
    assert "secret" not in "".join(server.log)


def test_quiet_server_writes_nothing_but_its_address(tmp_path: Path) -> None:
    with RunningServer(tmp_path, "--log-level", "warning") as server:
        server.request("/healthz")
        assert server.stop() == 0
    assert server.log == []


async def test_anonymous_clients_may_do_what_the_configuration_allows(tmp_path: Path) -> None:
    (tmp_path / "longwire.toml").write_text('[anonymous]\nread = ["public/**"]\n')
    settings = {"LONGWIRE_ANONYMOUS_PUBLISH": "public/wall"}
    with RunningServer(tmp_path, environment=settings) as server:
        async with native_client(server.url) as client:
            expected = {
                ("subscribe", "public/wall"): "subscribed",
                ("subscribe", "private"): "error",
                ("publish", "public/news"): "error",
                ("publish", "public/wall"): "published",
            }
            for (op, stream), answer in expected.items():
                extra = {"data": 1} if op == "publish" else {}
                assert (await client.ask(op, stream=stream, **extra))["op"] == answer, (op, stream)
                if answer == "published":
                    assert (await client.receive())["op"] == "entry"


def test_two_servers_share_a_port_when_asked_to(tmp_path: Path) -> None:
    share = ("--set", "server.reuse_port=true", "--store", "memory")
    with (
        RunningServer(tmp_path, *share) as first,
        RunningServer(tmp_path, *share, "--port", str(first.port)) as second,
    ):
        assert second.port == first.port
        assert first.stop() == 0
        assert second.request("/healthz").status == 200
