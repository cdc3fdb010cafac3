"""What the engine sends, and what it refuses to send (RFC 6455 sections 5.1 to 5.6, 6.1)."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any, ClassVar

import pytest

from longwire.base.entropy import EntropyPool
from longwire.base.errors import ProtocolError
from longwire.websocket.connection import Role, State, WebSocketEngine
from longwire.websocket.events import CloseReceived, Fragment
from longwire.websocket.frames import encode_message
from tests.unit.websocket.wire import (
    NO_KEEPALIVE,
    client,
    frame_to,
    output,
    receive,
    seeded,
    server,
)


@pytest.fixture
def engine(role: str) -> WebSocketEngine:
    return client() if role == "client" else server()


def peer_of(engine: WebSocketEngine, *, streaming: bool = False) -> WebSocketEngine:
    if engine.role is Role.CLIENT:
        return server(streaming=streaming)
    return client(streaming=streaming)


def refused(call: Any, *arguments: Any, **named: Any) -> str:
    """Check that a call is refused as the caller's fault; return the sentence."""
    with pytest.raises(ProtocolError) as caught:
        call(*arguments, **named)
    assert caught.value.side == "local"
    return caught.value.message


class TestWholeMessages:
    @pytest.mark.parametrize("size", [0, 1, 125, 126, 65_535, 65_536, 100_000])
    def test_6455_6_1_messages_arrive_as_sent(
        self, engine: WebSocketEngine, way: str, size: int
    ) -> None:
        engine.send("é" * (size // 2))
        engine.send(b"\xff" * size)
        data = output(engine)
        assert receive(peer_of(engine), data, way) == ["é" * (size // 2), b"\xff" * size]
        assert engine.messages_sent == 2
        assert engine.bytes_sent == len(data)

    def test_type_of_the_message_may_be_chosen(self, engine: WebSocketEngine) -> None:
        engine.send("as bytes", text=False)
        engine.send("é".encode(), text=True)
        engine.send(bytearray(b"a"), text=True)
        engine.send(memoryview(b"b"))
        assert receive(peer_of(engine), output(engine)) == [b"as bytes", "é", "a", b"b"]

    def test_6455_5_6_bytes_sent_as_text_must_be_utf8(self, engine: WebSocketEngine) -> None:
        assert "byte 1" in refused(engine.send, b"a\xff", text=True)
        assert "surrogates" in refused(engine.send, "a\ud800")
        assert output(engine) == b""
        assert engine.messages_sent == 0

    @pytest.mark.parametrize("wrong", [5, None, ["a"], 1.5])
    def test_what_is_no_message_is_a_type_error(self, engine: WebSocketEngine, wrong: Any) -> None:
        for call in (
            lambda: engine.send(wrong),
            lambda: engine.send_fragment(wrong, final=True),
            lambda: engine.pong(wrong),
        ):
            with pytest.raises(TypeError, match=type(wrong).__name__):
                call()
        assert output(engine) == b""

    def test_message_may_be_changed_after_sending(self, engine: WebSocketEngine) -> None:
        for size in (10, 100_000):
            buffer = bytearray(b"x" * size)
            engine.send(buffer)
            buffer[:] = bytes(size)
            assert receive(peer_of(engine), output(engine)) == [b"x" * size]

    def test_server_does_not_copy_large_bytes(self) -> None:
        engine = server()
        payload = bytes(100_000)
        engine.send(payload)
        assert any(buffer is payload for buffer in engine.take_output())

    def test_take_output_gives_everything_once(self, engine: WebSocketEngine) -> None:
        engine.send("a")
        assert engine.last_sent_s is None
        assert len(engine.take_output(5.0)) == 1
        assert engine.last_sent_s == 5.0
        assert engine.take_output(6.0) == []
        assert engine.last_sent_s == 5.0


class TestMasking:
    """RFC 6455 sections 5.1 and 5.3."""

    def test_6455_5_1_server_masks_nothing(self) -> None:
        engine = server()
        engine.send("a")
        engine.ping(now=0.0)
        engine.close(now=0.0)
        for frame in engine.take_output():
            assert frame[1] & 0x80 == 0

    def test_6455_5_3_client_masks_every_frame_with_a_fresh_key(self) -> None:
        drawn = []

        def entropy(count: int) -> bytes:
            drawn.append(len(drawn).to_bytes(count, "big"))
            return drawn[-1]

        engine = WebSocketEngine(Role.CLIENT, now=0.0, entropy=entropy, keepalive=NO_KEEPALIVE)
        engine.send("text")
        engine.send_fragment(b"a", final=False)
        engine.pong(b"")
        engine.ping(b"p", now=0.0)
        engine.send_fragment(b"b", final=True)
        engine.close(now=0.0)
        frames = engine.take_output()
        assert [frame[2:6] for frame in frames] == drawn
        assert len(set(drawn)) == 6
        assert all(frame[1] & 0x80 for frame in frames)

    def test_6455_5_3_pool_never_gives_a_key_twice(self) -> None:
        count = itertools.count()
        pool = EntropyPool(
            lambda size: b"".join(next(count).to_bytes(4, "big") for _ in range(size // 4))
        )
        keys = [pool(4) for _ in range(5000)]
        assert len(set(keys)) == 5000


class TestFragments:
    """RFC 6455 section 5.4."""

    @pytest.mark.parametrize("text", [True, False])
    def test_6455_5_4_fragments_arrive_as_one_message(
        self, engine: WebSocketEngine, way: str, text: bool
    ) -> None:
        parts = ["one ", "", "zwei äöü ", "drei"]
        for index, part in enumerate(parts):
            data = part if text else part.encode()
            engine.send_fragment(data, final=index == 3)
            engine.ping(b"between", now=0.0) if index < 3 else None
        data_out = output(engine)
        events = receive(peer_of(engine), data_out, way)
        expected = "".join(parts) if text else "".join(parts).encode()
        assert events[-1] == expected and len(events) == 4
        assert engine.messages_sent == 1

    def test_6455_5_4_each_fragment_is_one_frame(self, engine: WebSocketEngine) -> None:
        engine.send_fragment(b"ab", final=False)
        engine.send_fragment(b"", final=False)
        engine.send_fragment(b"c", final=True)
        firsts = [frame[0] for frame in engine.take_output()]
        assert firsts == [0x02, 0x00, 0x80]

    def test_one_final_fragment_is_a_message(self, engine: WebSocketEngine) -> None:
        engine.send_fragment("all", final=True)
        assert receive(peer_of(engine), output(engine)) == ["all"]

    def test_text_may_be_sent_as_bytes_cut_anywhere(self, engine: WebSocketEngine) -> None:
        encoded = "a☃b".encode()
        engine.send_fragment(encoded[:2], final=False, text=True)
        engine.send_fragment(encoded[2:3], final=False)
        engine.send_fragment(encoded[3:], final=True, text=True)
        peer = peer_of(engine, streaming=True)
        fragments = receive(peer, output(engine))
        assert [f.data for f in fragments if isinstance(f, Fragment)] == ["a", "☃b"]

    def test_binary_may_be_forced_for_str(self, engine: WebSocketEngine) -> None:
        engine.send_fragment("ab", final=True, text=False)
        assert receive(peer_of(engine), output(engine)) == [b"ab"]

    def test_6455_5_4_nothing_but_control_frames_goes_between(
        self, engine: WebSocketEngine
    ) -> None:
        engine.send_fragment("begun", final=False)
        assert "finish it first" in refused(engine.send, "other")
        if engine.role is Role.SERVER:
            assert "finish it first" in refused(engine.send_encoded, encode_message("x"))
        assert "type of its first" in refused(engine.send_fragment, b"x", final=True, text=False)
        engine.ping(now=0.0)
        engine.pong()
        engine.send_fragment(" done", final=True)
        engine.send("next")
        assert [e for e in receive(peer_of(engine), output(engine)) if type(e) is str] == [
            "begun done",
            "next",
        ]

    def test_str_is_refused_in_a_binary_message(self, engine: WebSocketEngine) -> None:
        engine.send_fragment(b"begun", final=False)
        assert "not str" in refused(engine.send_fragment, "x", final=True)

    def test_refused_first_fragment_begins_nothing(self, engine: WebSocketEngine) -> None:
        refused(engine.send_fragment, "\ud800", final=False)
        engine.send("whole")
        assert receive(peer_of(engine), output(engine)) == ["whole"]

    def test_close_may_interrupt_a_message(self, engine: WebSocketEngine) -> None:
        engine.send_fragment("begun", final=False)
        engine.close(now=0.0)
        assert receive(peer_of(engine), output(engine)) == [CloseReceived(1000, "")]


class TestControlFrames:
    def test_6455_5_5_ping_and_pong_carry_125_bytes_at_most(self, engine: WebSocketEngine) -> None:
        assert engine.ping(bytes(125), now=0.0) == bytes(125)
        engine.pong(bytes(125))
        assert "126" in refused(engine.ping, bytes(126), now=0.0)
        assert "125" in refused(engine.pong, bytes(126))

    def test_ping_makes_up_a_payload_that_is_not_in_flight(self) -> None:
        engine = WebSocketEngine(Role.SERVER, now=0.0, entropy=bytes, keepalive=NO_KEEPALIVE)
        payloads = [engine.ping(now=0.0) for _ in range(100)]
        assert len(set(payloads)) == 100

    def test_6455_5_5_3_ping_cannot_be_guessed(self) -> None:
        first, second = (
            WebSocketEngine(Role.SERVER, now=0.0, entropy=seeded(seed), keepalive=NO_KEEPALIVE)
            for seed in (1, 2)
        )
        assert first.ping(now=0.0) != second.ping(now=0.0)

    def test_ping_in_other_buffers(self, engine: WebSocketEngine) -> None:
        assert engine.ping(bytearray(b"abc"), now=0.0) == b"abc"  # type: ignore[arg-type]


class TestEncodedForMany:
    def test_one_frame_serves_every_client(self) -> None:
        frame = encode_message("to all")
        for _ in range(3):
            engine = server()
            engine.send_encoded(frame)
            (sent,) = engine.take_output()
            assert sent is frame
            assert client().receive(sent, 1.0) == ["to all"]
            assert (engine.messages_sent, engine.bytes_sent) == (1, len(frame))

    def test_joined_frames_count_as_many(self) -> None:
        engine = server()
        engine.send_encoded(encode_message("a") + encode_message(b"b"), messages=2)
        assert engine.messages_sent == 2
        assert client().receive(output(engine), 1.0) == ["a", b"b"]

    def test_6455_5_1_client_refuses_it(self) -> None:
        assert "masks" in refused(client().send_encoded, encode_message("x"))


class TestAfterTheEnd:
    CALLS: ClassVar[dict[str, Callable[[WebSocketEngine], Any]]] = {
        "send": lambda engine: engine.send("x"),
        "send_fragment": lambda engine: engine.send_fragment("x", final=True),
        "send_encoded": lambda engine: engine.send_encoded(b"\x81\x01x"),
        "ping": lambda engine: engine.ping(now=9.0),
        "pong": lambda engine: engine.pong(),
    }  # fmt: skip

    @pytest.mark.parametrize("name", CALLS)
    def test_6455_5_5_1_nothing_is_sent_after_our_close(
        self, engine: WebSocketEngine, name: str
    ) -> None:
        engine.close(now=1.0)
        output(engine)
        assert "the connection is closing" in refused(self.CALLS[name], engine)
        assert output(engine) == b""

    @pytest.mark.parametrize("name", CALLS)
    def test_6455_5_5_1_nothing_is_sent_after_the_peers_close(
        self, engine: WebSocketEngine, name: str
    ) -> None:
        receive(engine, frame_to(engine, 8))
        output(engine)
        assert engine.state is State.CLOSING
        assert "the connection is closing" in refused(self.CALLS[name], engine)

    @pytest.mark.parametrize("name", CALLS)
    def test_nothing_is_sent_after_the_transport(self, engine: WebSocketEngine, name: str) -> None:
        engine.receive_eof(1.0)
        assert "the connection is closed" in refused(self.CALLS[name], engine)
        assert output(engine) == b""
