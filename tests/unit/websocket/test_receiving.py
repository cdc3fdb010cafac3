"""What the engine makes of frames that obey the rules (RFC 6455 sections 5.4 to 5.6, 6.2).

Every test runs as client and as server, on whole, single-octet and randomly cut input.
"""

from __future__ import annotations

import pytest

from longwire.websocket.connection import State, WebSocketEngine
from longwire.websocket.events import Fragment, Ping, Pong
from tests.unit.websocket.wire import client, frame_to, output, receive, server


@pytest.fixture
def engine(role: str) -> WebSocketEngine:
    return client() if role == "client" else server()


class TestMessages:
    @pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 128, 997, 4096, 65_535, 65_536])
    def test_6455_5_6_engine_receives_text_and_binary(
        self, engine: WebSocketEngine, way: str, size: int
    ) -> None:
        data = frame_to(engine, 1, b"*" * size) + frame_to(engine, 2, b"\xfe" * size)
        assert receive(engine, data, way) == ["*" * size, b"\xfe" * size]
        assert engine.messages_received == 2
        assert engine.bytes_received == len(data)
        assert output(engine) == b""

    def test_6455_5_6_engine_receives_any_text(self, engine: WebSocketEngine, way: str) -> None:
        text = "Hello-µ@ßöäüàá-UTF-8!! \x00 \ufffe \uffff κόσμε 𝄞 \U0010ffff"
        data = frame_to(engine, 1, text.encode()) * 3
        assert receive(engine, data, way) == [text] * 3

    def test_6455_5_4_engine_joins_fragments(self, engine: WebSocketEngine, way: str) -> None:
        parts = [b"frag", b"", b"m", "é".encode()[:1], "é".encode()[1:] + b"nt", b""]
        data = b""
        for index, part in enumerate(parts):
            is_last = index == len(parts) - 1
            data += frame_to(engine, 1 if index == 0 else 0, part, fin=is_last)
        assert receive(engine, data, way) == ["fragmént"]

    def test_6455_5_4_engine_joins_empty_fragments(self, engine: WebSocketEngine, way: str) -> None:
        for opcode, expected in ((1, ""), (2, b"")):
            data = (
                frame_to(engine, opcode, fin=False)
                + frame_to(engine, 0, fin=False)
                + frame_to(engine, 0)
            )
            assert receive(engine, data, way) == [expected]

    def test_6455_5_4_engine_answers_pings_between_fragments(
        self, engine: WebSocketEngine, way: str
    ) -> None:
        data = (
            frame_to(engine, 1, b"one ", fin=False)
            + frame_to(engine, 9, b"first")
            + frame_to(engine, 0, b"two ", fin=False)
            + frame_to(engine, 10, b"nobody asked")
            + frame_to(engine, 9, b"second")
            + frame_to(engine, 0, b"three")
        )
        assert receive(engine, data, way) == [
            Ping(b"first"),
            Pong(b"nobody asked", None),
            Ping(b"second"),
            "one two three",
        ]

    def test_engine_receives_in_all_buffer_types(self, engine: WebSocketEngine) -> None:
        data = frame_to(engine, 1, b"abc")
        for kind in (bytes, bytearray, memoryview):
            assert engine.receive(kind(data), 1.0) == ["abc"]

    def test_engine_keeps_no_reference_to_a_reused_buffer(self, engine: WebSocketEngine) -> None:
        frame = frame_to(engine, 2, b"0123456789")
        buffer = bytearray(frame[:8])
        assert engine.receive(memoryview(buffer), 1.0) == []
        buffer[:] = bytes(8)
        assert engine.receive(frame[8:], 1.0) == [b"0123456789"]

    def test_engine_stamps_when_it_received(self, engine: WebSocketEngine) -> None:
        assert engine.last_received_s is None
        engine.receive(frame_to(engine, 1, b"abc")[:1], 7.5)
        assert engine.last_received_s == 7.5


class TestControlFrames:
    @pytest.mark.parametrize("payload", [b"", b"Hello", bytes(125), b"\x00\xff\xfe\xfd\xfc\xfb"])
    def test_6455_5_5_2_engine_answers_a_ping(
        self, engine: WebSocketEngine, way: str, payload: bytes
    ) -> None:
        assert receive(engine, frame_to(engine, 9, payload), way) == [Ping(payload)]
        other = client() if engine.role.value == "server" else server()
        assert other.receive(output(engine), 1.0) == [Pong(payload, None)]

    def test_6455_5_5_2_engine_answers_ten_pings_in_order(
        self, engine: WebSocketEngine, way: str
    ) -> None:
        payloads = [f"payload-{index}".encode() for index in range(10)]
        data = b"".join(frame_to(engine, 9, payload) for payload in payloads)
        assert receive(engine, data, way) == [Ping(payload) for payload in payloads]
        other = client() if engine.role.value == "server" else server()
        assert other.receive(output(engine), 1.0) == [Pong(each, None) for each in payloads]

    def test_6455_5_5_3_engine_takes_a_pong_that_nobody_asked_for(
        self, engine: WebSocketEngine, way: str
    ) -> None:
        assert receive(engine, frame_to(engine, 10, b"hi"), way) == [Pong(b"hi", None)]
        assert output(engine) == b""
        assert engine.latency_s is None
        assert engine.last_pong_s == 1.0
        assert engine.state is State.OPEN

    def test_6455_5_5_3_pong_tells_the_latency(self, engine: WebSocketEngine, way: str) -> None:
        first = engine.ping(now=10.0)
        second = engine.ping(b"mine", now=11.0)
        assert engine.last_ping_sent_s == 11.0
        assert receive(engine, frame_to(engine, 10, first), way, 10.5) == [Pong(first, 0.5)]
        assert receive(engine, frame_to(engine, 10, second), way, 11.25) == [Pong(b"mine", 0.25)]
        assert engine.latency_s == 0.25
        # Once only: the same pong again answers nothing.
        assert receive(engine, frame_to(engine, 10, second), way, 12.0) == [Pong(b"mine", None)]

    def test_6455_5_5_3_pong_to_a_later_ping_settles_the_earlier(
        self, engine: WebSocketEngine
    ) -> None:
        first = engine.ping(now=1.0)
        last = engine.ping(now=2.0)
        assert receive(engine, frame_to(engine, 10, last), now=3.0) == [Pong(last, 1.0)]
        assert receive(engine, frame_to(engine, 10, first), now=4.0) == [Pong(first, None)]

    def test_pings_that_nobody_answers_do_not_pile_up(self, engine: WebSocketEngine) -> None:
        first = engine.ping(now=0.0)
        for _ in range(1000):
            last = engine.ping(now=1.0)
        output(engine)
        assert receive(engine, frame_to(engine, 10, first), now=2.0) == [Pong(first, None)]
        assert receive(engine, frame_to(engine, 10, last), now=2.0) == [Pong(last, 1.0)]


class TestStreaming:
    """Messages as fragments, as they arrive."""

    @pytest.fixture
    def engine(self, role: str) -> WebSocketEngine:
        return client(streaming=True) if role == "client" else server(streaming=True)

    def collect(self, engine: WebSocketEngine, data: bytes, way: str) -> list[Fragment]:
        events = receive(engine, data, way)
        fragments = [event for event in events if isinstance(event, Fragment)]
        assert len(fragments) == len(events)
        return fragments

    @pytest.mark.parametrize("opcode", [1, 2])
    def test_streaming_engine_gives_the_whole_payload_once(
        self, engine: WebSocketEngine, way: str, opcode: int
    ) -> None:
        text = "κόσμε-" * 50
        data = (
            frame_to(engine, opcode, text.encode()[:101], fin=False)
            + frame_to(engine, 0, b"", fin=False)
            + frame_to(engine, 0, text.encode()[101:])
        )
        fragments = self.collect(engine, data, way)
        assert [fragment.first for fragment in fragments] == [True] + [False] * (len(fragments) - 1)
        assert [fragment.final for fragment in fragments] == [False] * (len(fragments) - 1) + [True]
        parts = [fragment.data for fragment in fragments]
        if opcode == 1:
            assert "".join(str(part) for part in parts) == text
            assert all(isinstance(part, str) for part in parts)
        else:
            assert b"".join(bytes(part) for part in parts) == text.encode()  # type: ignore[arg-type]
        assert engine.messages_received == 1

    def test_streaming_engine_gives_an_empty_message(
        self, engine: WebSocketEngine, way: str
    ) -> None:
        data = frame_to(engine, 1) + frame_to(engine, 2)
        assert self.collect(engine, data, way) == [
            Fragment("", True, True),
            Fragment(b"", True, True),
        ]

    def test_streaming_engine_does_not_wait_for_the_frame(self, engine: WebSocketEngine) -> None:
        frame = frame_to(engine, 2, bytes(range(100)))
        assert engine.receive(frame[:-40], 1.0) == [Fragment(bytes(range(60)), True, False)]
        assert engine.receive(frame[-40:], 1.0) == [Fragment(bytes(range(60, 100)), False, True)]

    def test_streaming_engine_cuts_text_between_characters(self, engine: WebSocketEngine) -> None:
        data = frame_to(engine, 1, "a𝄞".encode())
        seen = self.collect(engine, data, "octets")
        assert [str(fragment.data) for fragment in seen if fragment.data] == ["a", "𝄞"]

    def test_streaming_may_be_changed_between_messages(
        self, engine: WebSocketEngine, way: str
    ) -> None:
        assert engine.streaming
        engine.streaming = False
        assert receive(engine, frame_to(engine, 1, b"whole"), way) == ["whole"]
        engine.streaming = True
        assert "".join(
            str(fragment.data) for fragment in self.collect(engine, frame_to(engine, 1, b"ab"), way)
        ) == ("ab")

    def test_streaming_changed_within_a_message_holds_from_the_next(
        self, engine: WebSocketEngine
    ) -> None:
        first = frame_to(engine, 2, b"abcdef")
        assert engine.receive(first[:-2], 1.0) == [Fragment(b"abcd", True, False)]
        engine.streaming = False
        assert engine.receive(first[-2:], 1.0) == [Fragment(b"ef", False, True)]
        assert engine.receive(first[:-2], 1.0) == []
        engine.streaming = True
        assert engine.receive(first[-2:], 1.0) == [b"abcdef"]
