"""Clients that mean harm, against a real server: each ends at a named limit, others are served.

The limits themselves are tested at their edge beside the engines; here are sockets, one process,
its metrics, and somebody else who wants to be served meanwhile.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from pathlib import Path

import pytest
from websockets.asyncio.client import connect

from tests.integration.net.hostile_websockets import (
    bomb,
    close_code,
    compression_bomb,
    empty_fragments,
    endless_frame,
    masked,
    ping_flood,
    send_until_closed,
    silent_connections,
    slow_head,
    tiny_messages,
    upgrade,
)
from tests.integration.server.running import RunningServer
from tests.unit.http.h2_wire import (
    ACK,
    END_HEADERS,
    END_STREAM,
    HEADERS,
    PING,
    PREFACE,
    RST_STREAM,
    SETTINGS,
    frame,
    setting,
)

SETTINGS_SET = {
    "http.head_timeout_s": 2,
    "http.body_timeout_s": 2,
    "http2.control_frames_per_s_max": 5,
    "http2.resets_per_s_max": 5,
    "http2.window_updates_spare": 50,
    "http2.continuation_frames_max": 4,
    "http2.stall_timeout_s": 1,
    "websocket.control_frames_per_s_max": 5,
    "websocket.messages_per_s_max": 100,
    "connections.opening_max": 100,
}

MIB = 1024 * 1024

Attack = Callable[[int], Coroutine[None, None, None]]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    chosen = [part for item in SETTINGS_SET.items() for part in ("--set", "{}={}".format(*item))]
    with RunningServer(tmp_path_factory.mktemp("hostile"), "--dev", *chosen) as running:
        yield running


def hits(server: RunningServer) -> dict[str, float]:
    """How often each limit was reached, and other figures."""
    figures = {}
    for line in server.request("/metrics").text.splitlines():
        name, _, value = line.rpartition(" ")
        match = re.fullmatch(r'longwire_limit_hits_total\{limit="(\w+)"\}', name)
        figures[match[1] if match else name] = float(value) if line[0] != "#" else 0.0
    return figures


def resident_bytes(server: RunningServer) -> int:
    pages = int(Path(f"/proc/{server.process.pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


# -- how to be a nuisance -------------------------------------------------------------------


def http2(*frames: bytes) -> list[bytes]:
    return [PREFACE + frame(SETTINGS, 0) + frame(SETTINGS, 0, flags=ACK), *frames]


# One request in HPACK without tables: GET http://x/healthz
BLOCK = b"\x82\x86\x01\x01x\x04\x08/healthz"


def get(stream: int, flags: int = END_HEADERS | END_STREAM) -> bytes:
    return frame(HEADERS, stream, BLOCK, flags)


async def slow_body(port: int) -> None:
    head = b"POST /streams/slow HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\n"
    answer = await send_until_closed(port, [head + b"Content-Length: 5\r\n\r\nab"])
    assert answer.startswith(b"HTTP/1.1 408 ")


async def rapid_reset(port: int) -> None:
    streams = range(1, 1_000, 2)
    frames = [get(stream) + frame(RST_STREAM, stream, bytes(4)) for stream in streams]
    assert calm(await send_until_closed(port, http2(*frames)))


async def http2_pings(port: int) -> None:
    assert calm(await send_until_closed(port, http2(frame(PING, 0, bytes(8)) * 300)))


async def http2_settings(port: int) -> None:
    one = frame(SETTINGS, 0, setting(4, 65_535))
    assert calm(await send_until_closed(port, http2(one * 300)))


async def http2_continuation(port: int) -> None:
    endless = get(1, END_STREAM) + frame(9, 1) * 5
    assert calm(await send_until_closed(port, http2(endless)))


async def http2_windows(port: int) -> None:
    assert calm(await send_until_closed(port, http2(frame(8, 0, b"\0\0\0\1") * 60)))


async def http2_bomb(port: int) -> None:
    # A field of 3,000 octets goes into the table, and is named 400 times with one octet each.
    named = b"\x40\x01a\x7f\xb9\x16" + b"x" * 3_000 + b"\xbe" * 400
    assert calm(await send_until_closed(port, http2(frame(HEADERS, 1, BLOCK + named, 5))))


async def http2_slow_head(port: int) -> None:
    assert calm(await send_until_closed(port, http2(get(1)[:-1])))


async def http2_zero_window(port: int) -> None:
    no_window = frame(SETTINGS, 0, setting(4, 0)) + get(1)
    frames = http2(no_window)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"".join(frames))
    reset = frame(RST_STREAM, 1, (8).to_bytes(4, "big"))
    answer = b""
    while reset not in answer:
        piece = await reader.read(65_536)
        assert piece, "the connection ended"
        answer += piece
    writer.close()


def calm(answer: bytes) -> bool:
    """Whether the last frame is GOAWAY with ENHANCE_YOUR_CALM (0xb)."""
    last = b""
    while len(answer) >= 9:
        size = int.from_bytes(answer[:3], "big")
        last, answer = answer[: 9 + size], answer[9 + size :]
    return last[3:4] == b"\7" and last[13:17] == b"\0\0\0\x0b"


ATTACKS: list[tuple[Attack, str]] = [
    (slow_head, "head_timeout_s"),
    (slow_body, "body_timeout_s"),
    (silent_connections, "opening_max"),
    (ping_flood, "control_frames_per_s_max"),
    (empty_fragments, "fragments_max"),
    (tiny_messages, "messages_per_s_max"),
    (compression_bomb, "message_bytes_max"),
    (endless_frame, "message_bytes_max"),
    (rapid_reset, "resets_per_s_max"),
    (http2_pings, "control_frames_per_s_max"),
    (http2_settings, "control_frames_per_s_max"),
    (http2_continuation, "continuation_frames_max"),
    (http2_windows, "window_updates_spare"),
    (http2_bomb, "header_bytes_max"),
    (http2_slow_head, "head_timeout_s"),
    (http2_zero_window, "stall_timeout_s"),
]


@contextlib.asynccontextmanager
async def somebody_served(server: RunningServer) -> AsyncIterator[None]:
    """Somebody whose messages come back all the while, and who can still come in at the end."""
    has_begun, is_over = asyncio.Event(), asyncio.Event()

    async def talk() -> None:
        async with connect(server.websocket_url + "/echo", proxy=None) as socket:
            while not is_over.is_set():
                await socket.send("still here")
                assert await asyncio.wait_for(socket.recv(), 20) == "still here"
                has_begun.set()
                await asyncio.sleep(0.02)

    async with asyncio.TaskGroup() as group:
        group.create_task(talk())
        await has_begun.wait()
        try:
            yield
        finally:
            is_over.set()
    async with connect(server.websocket_url + "/echo", proxy=None) as socket:
        await socket.send("me too")
        assert await asyncio.wait_for(socket.recv(), 20) == "me too"


@pytest.mark.parametrize(
    ("attack", "limit"), ATTACKS, ids=lambda value: getattr(value, "__name__", "")
)
async def test_an_attack_ends_at_its_limit_and_others_are_served(
    server: RunningServer, attack: Attack, limit: str
) -> None:
    before = (await asyncio.to_thread(hits, server)).get(limit, 0)
    memory = resident_bytes(server)
    async with somebody_served(server):
        await asyncio.wait_for(attack(server.port), 30)
    after = await asyncio.to_thread(hits, server)
    assert after.get(limit, 0) > before, after
    assert resident_bytes(server) < memory + 48 * MIB


async def test_a_peer_that_is_half_open_is_given_up(tmp_path: Path) -> None:
    # It never answers our pings, as one whose machine is gone.
    settings = ("--set", "keepalive.ping_interval_s=1", "--set", "keepalive.ping_timeout_s=1")
    with RunningServer(tmp_path, "--dev", *settings) as server:
        await asyncio.wait_for(send_until_closed(server.port, [upgrade()]), 30)
        figures = await asyncio.to_thread(hits, server)
    ends = [name for name in figures if name.startswith("longwire_websocket_closed_total{")]
    # Its kernel still acknowledges what ours sends; with a dead one it would be peer_silent.
    assert any('verdict="peer_process_stuck"' in name for name in ends), ends


async def test_a_peer_that_sends_malformed_messages_is_not_waited_for(tmp_path: Path) -> None:
    # It never answers our Close, and what it still sends is not even inflated.
    with RunningServer(tmp_path, "--dev", "--set", "websocket.close_timeout_s=600") as server:
        opening = upgrade("Sec-WebSocket-Extensions: permessage-deflate").replace(b"/echo", b"/ws")
        connect_message = masked(0x81, b'{"op":"connect","id":1,"version":1}')
        malformed = masked(0xC1, bomb(1)[:-50]) + masked(0x81, b"x") * 20
        answer = await send_until_closed(
            server.port, [opening, connect_message, masked(0x81, b"x") * 10, malformed]
        )
    assert close_code(answer) == 4500
    assert answer.count(b'"code":"bad_json"') == 10
    assert answer.endswith(b"too many malformed messages")


@pytest.mark.long
@pytest.mark.timeout(300)
async def test_ten_thousand_connections_that_send_nothing(tmp_path: Path) -> None:
    with RunningServer(tmp_path, "--dev") as server:
        memory = resident_bytes(server)
        async with somebody_served(server), asyncio.TaskGroup() as group:
            gate = asyncio.Semaphore(8_000)

            async def one() -> None:
                async with gate:
                    await send_until_closed(server.port, [])

            for _ in range(10_000):
                group.create_task(one())
        figures = await asyncio.to_thread(hits, server)
        assert figures["opening_max"] > 0
        assert figures["longwire_connections"] <= 2
        assert resident_bytes(server) < memory + 48 * MIB
