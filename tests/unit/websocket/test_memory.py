"""What a connection may hold: what arrived, up to the limits, and never what was announced."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest

from longwire.base.limits import KIB, MIB, WebSocketLimits
from longwire.websocket.connection import WebSocketEngine
from longwire.websocket.deflate import DeflateParameters
from tests.unit.websocket.wire import client, frame_to, server

UNLIMITED = WebSocketLimits(message_bytes_max=None, fragments_max=None)


def peak_bytes(call: Callable[[], Any]) -> int:
    """Return the most memory that ``call`` had allocated at once."""
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def feed(engine: WebSocketEngine, data: bytes, size: int) -> list[Any]:
    events: list[Any] = []
    for start in range(0, len(data), size):
        events += engine.receive(data[start : start + size], 1.0)
    return events


@pytest.fixture(params=["text", "binary"])
def opcode(request: pytest.FixtureRequest) -> int:
    return 1 if request.param == "text" else 2


class TestLargeFrames:
    @pytest.mark.parametrize("size", [997, 64 * KIB])
    def test_large_frame_is_held_about_once(self, role: str, opcode: int, size: int) -> None:
        engine = client(limits=UNLIMITED) if role == "client" else server(limits=UNLIMITED)
        length = 4 * MIB
        frame = frame_to(engine, opcode, b"x" * length)
        events: list[Any] = []
        peak = peak_bytes(lambda: events.extend(feed(engine, frame, size)))
        assert len(events) == 1 and len(events[0]) == length
        # The buffer (which grows by an eighth) and, at the end, the message made of it.
        assert peak < 2.5 * length

    def test_single_octets_cost_no_more_memory(self, role: str, opcode: int) -> None:
        engine = client(limits=UNLIMITED) if role == "client" else server(limits=UNLIMITED)
        length = 32 * KIB
        frame = frame_to(engine, opcode, b"x" * length)
        peak = peak_bytes(lambda: feed(engine, frame, 1))
        assert peak < 2.5 * length + 64 * KIB

    def test_time_grows_with_the_length_and_not_its_square(self, opcode: int) -> None:
        def seconds(length: int) -> float:
            best = float("inf")
            for _ in range(3):
                engine = server(limits=UNLIMITED)
                frame = frame_to(engine, opcode, b"x" * length)
                before = time.process_time()
                feed(engine, frame, 256)
                best = min(best, time.process_time() - before)
            return best

        # Eight times the length would take 64 times as long if it were joined again and again.
        assert seconds(4 * MIB) < 24 * seconds(512 * KIB)

    def test_streaming_holds_nothing_of_a_large_frame(self, role: str, opcode: int) -> None:
        make = client if role == "client" else server
        engine = make(limits=UNLIMITED, streaming=True)
        frame = frame_to(engine, opcode, b"x" * (4 * MIB))

        def discard() -> None:
            for start in range(0, len(frame), 16 * KIB):
                engine.receive(frame[start : start + 16 * KIB], 1.0)

        assert peak_bytes(discard) < 512 * KIB


class TestAnnouncedLengths:
    def test_announced_length_allocates_nothing(self, role: str, opcode: int) -> None:
        engine = client(limits=UNLIMITED) if role == "client" else server(limits=UNLIMITED)
        mask_bit, key = (0, b"") if role == "client" else (0x80, b"abcd")
        header = bytes((0x80 | opcode, mask_bit | 127)) + (2**62).to_bytes(8, "big") + key
        assert peak_bytes(lambda: engine.receive(header + b"abc", 1.0)) < 16 * KIB
        assert engine.failure is None

    def test_refused_message_is_not_buffered(self, role: str, opcode: int) -> None:
        engine = client() if role == "client" else server()
        frame = frame_to(engine, opcode, b"x" * (2 * MIB))

        def flood() -> None:
            for start in range(0, len(frame), 16 * KIB):
                assert engine.receive(frame[start : start + 16 * KIB], 1.0) == []

        assert peak_bytes(flood) < 128 * KIB
        assert engine.failure is not None

    def test_failed_connection_lets_go_of_the_message_begun(self, role: str) -> None:
        engine = client() if role == "client" else server()
        engine.receive(frame_to(engine, 2, bytes(512 * KIB), fin=False), 1.0)
        assert len(engine._assembler._buffer) == 512 * KIB
        engine.receive(b"\xff\xff", 1.0)
        assert engine.failure is not None
        assert len(engine._assembler._buffer) == 0


class TestIdleConnections:
    def test_idle_connection_without_takeover_holds_no_zlib_state(self) -> None:
        agreed = DeflateParameters(server_no_context_takeover=True, client_no_context_takeover=True)

        def grow(deflate: DeflateParameters | None) -> int:
            engines = []

            def make() -> None:
                for _ in range(50):
                    engine = server(deflate=deflate)
                    peer = client(deflate=deflate)
                    peer.send("x" * 2000)
                    engine.receive(b"".join(peer.take_output()), 1.0)
                    engine.send("x" * 2000)
                    engine.take_output()
                    engines.append(engine)

            tracemalloc.start()
            try:
                make()
                return tracemalloc.get_traced_memory()[0] // 50
            finally:
                tracemalloc.stop()

        assert grow(agreed) < grow(None) + KIB
