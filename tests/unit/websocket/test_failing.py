"""What breaks a rule fails the connection (RFC 6455 sections 5, 7.1.7 and 8.1): the right code, at
once, and the events before it still come.
"""

from __future__ import annotations

import pytest

from longwire.base.errors import LimitError, ProtocolError
from longwire.base.limits import WebSocketLimits
from longwire.websocket.closing import parse_close
from longwire.websocket.connection import Close, Role, State, TransportAction, WebSocketEngine
from longwire.websocket.events import CloseReceived, Fragment, Ping
from longwire.websocket.frames import FrameParser
from tests.unit.websocket.wire import client, cut, frame_to, output, receive, server


@pytest.fixture
def engine(role: str) -> WebSocketEngine:
    return client() if role == "client" else server()


def sent_close(engine: WebSocketEngine) -> Close:
    """Return the Close frame in the output, which must be the last and only one."""
    parser = FrameParser(is_server=engine.role is Role.CLIENT)
    items = parser.receive(output(engine))
    closes = [item for item in items if getattr(item, "opcode", None) == 8]
    assert len(closes) == 1 and closes[0] is items[-1]
    return parse_close(closes[0].payload)  # type: ignore[union-attr]


def check_failed(engine: WebSocketEngine, code: int) -> ProtocolError:
    failure = engine.failure
    assert failure is not None
    assert failure.code == code
    assert failure.side == "remote"
    assert engine.state is State.CLOSING
    assert engine.close_initiator == "local"
    close = sent_close(engine)
    assert close == engine.close_sent
    assert close.code == code
    assert close.reason and failure.message.startswith(close.reason.rstrip("…"))
    # RFC 6455 section 7.1.1: the server ends TCP first.
    expected = TransportAction.HALF_CLOSE if engine.role is Role.SERVER else TransportAction.NONE
    assert engine.transport_action is expected
    # RFC 6455 section 7.1.7: nothing is processed any more.
    before = engine.messages_received
    assert engine.receive(frame_to(engine, 1, b"late") + frame_to(engine, 8), 2.0) == []
    assert engine.messages_received == before
    assert engine.close_received is None
    assert output(engine) == b""
    return failure


# What follows a good message, as (opcode, payload, fin, rsv1) each.
BROKEN = {
    "RSV1 without an extension": [(1, b"x", True, True)],
    "RSV1 on a ping": [(9, b"", True, True)],
    "reserved opcode 3": [(3, b"", True, False)],
    "reserved opcode 7 with payload": [(7, b"reserved", True, False)],
    "reserved control opcode 11": [(11, b"", True, False)],
    "reserved control opcode 15": [(15, b"xyz", True, False)],
    "ping of 126 bytes": [(9, bytes(126), True, False)],
    "close of 126 bytes": [(8, b"\x03\xe8" + bytes(124), True, False)],
    "fragmented ping": [(9, b"a", False, False), (0, b"b", True, False)],
    "fragmented pong": [(10, b"a", False, False)],
    "fragmented close": [(8, b"", False, False)],
    "continuation first": [(0, b"nothing to go on with", True, False)],
    "unfinished continuation first": [(0, b"", False, False)],
    "continuation after the last": [
        (1, b"a", False, False),
        (0, b"b", True, False),
        (0, b"c", True, False),
    ],
    "text inside text": [(1, b"a", False, False), (1, b"b", True, False)],
    "binary inside text": [
        (1, b"a", False, False),
        (0, b"b", False, False),
        (2, b"c", False, False),
    ],
}


@pytest.mark.parametrize("name", BROKEN)
def test_6455_5_engine_fails_broken_frames(engine: WebSocketEngine, way: str, name: str) -> None:
    data = frame_to(engine, 1, b"good")
    for opcode, payload, fin, rsv1 in BROKEN[name]:
        data += frame_to(engine, opcode, payload, fin=fin, rsv1=rsv1)
    events = receive(engine, data + frame_to(engine, 1, b"late"), way)
    assert "good" in events and "late" not in events
    check_failed(engine, 1002)


def test_6455_5_1_server_fails_unmasked_frame(way: str) -> None:
    engine = server()
    assert receive(engine, frame_to(client(), 1, b"hello"), way) == []
    assert "not masked" in check_failed(engine, 1002).message


def test_6455_5_1_client_fails_masked_frame(way: str) -> None:
    engine = client()
    assert receive(engine, frame_to(server(), 1, b"hello"), way) == []
    assert "masked" in check_failed(engine, 1002).message


class TestInvalidUtf8:
    """RFC 6455 section 8.1; the failure comes with the first wrong octet."""

    # The text, and how many octets of it may arrive before the failure.
    CASES = (
        (b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80\x65", 12),
        (b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xf4\x90\x80\x80\x65", 12),
        (b"abc\xff tail", 3),
        (b"\xc0\xaf", 0),
        (b"\x80", 0),
        (b"\xfe\xfe\xff\xff", 0),
        (b"x" * 200 + b"\xe0\x80\x80", 201),
    )

    @pytest.mark.parametrize(("text", "accepted"), CASES)
    @pytest.mark.parametrize("streaming", [False, True])
    def test_6455_8_1_engine_fails_invalid_text_as_soon_as_it_can(
        self, role: str, text: bytes, accepted: int, streaming: bool
    ) -> None:
        engine = client(streaming=streaming) if role == "client" else server(streaming=streaming)
        frame = frame_to(engine, 1, text)
        header = frame[: len(frame) - len(text)]
        engine.receive(header, 1.0)
        for octet in cut(frame[len(header) : len(header) + accepted], "octets"):
            engine.receive(octet, 1.0)
            assert engine.failure is None
        engine.receive(frame[len(header) + accepted : len(header) + accepted + 1], 1.0)
        check_failed(engine, 1007)

    @pytest.mark.parametrize(("text", "accepted"), CASES)
    def test_6455_8_1_engine_fails_invalid_text_in_fragments(
        self, engine: WebSocketEngine, way: str, text: bytes, accepted: int
    ) -> None:
        engine.receive(frame_to(engine, 1, text[:accepted], fin=False), 1.0)
        assert engine.failure is None
        receive(engine, frame_to(engine, 0, text[accepted : accepted + 1], fin=False), way)
        check_failed(engine, 1007)

    @pytest.mark.parametrize(("text", "accepted"), CASES)
    def test_6455_8_1_engine_fails_invalid_text_however_it_is_cut(
        self, engine: WebSocketEngine, way: str, text: bytes, accepted: int
    ) -> None:
        assert accepted < len(text)
        assert receive(engine, frame_to(engine, 1, text), way) == []
        check_failed(engine, 1007)

    @pytest.mark.parametrize("text", [b"\xce", b"abc\xe2\x98", b"\xf0\x9d\x84"])
    @pytest.mark.parametrize("streaming", [False, True])
    def test_6455_8_1_engine_fails_text_that_ends_in_a_character(
        self, role: str, way: str, text: bytes, streaming: bool
    ) -> None:
        engine = client(streaming=streaming) if role == "client" else server(streaming=streaming)
        receive(engine, frame_to(engine, 1, text, fin=False), way)
        assert engine.failure is None
        receive(engine, frame_to(engine, 0), way)
        check_failed(engine, 1007)

    def test_6455_8_1_streaming_gives_the_text_before_the_wrong_octet(self, role: str) -> None:
        engine = client(streaming=True) if role == "client" else server(streaming=True)
        data = frame_to(engine, 1, b"good\xff")
        fragments = receive(engine, data, "octets")
        assert (
            "".join(str(fragment.data) for fragment in fragments if type(fragment) is Fragment)
            == "good"
        )
        check_failed(engine, 1007)

    def test_6455_5_6_engine_takes_any_octets_in_binary(
        self, engine: WebSocketEngine, way: str
    ) -> None:
        payload = bytes(range(256))
        assert receive(engine, frame_to(engine, 2, payload), way) == [payload]


class TestLimits:
    """Each limit at its edge, with its name (RFC 6455 section 10.4)."""

    def engine(
        self, role: str, limits: WebSocketLimits, streaming: bool = False
    ) -> WebSocketEngine:
        if role == "client":
            return client(limits=limits, streaming=streaming)
        return server(limits=limits, streaming=streaming)

    @pytest.mark.parametrize("streaming", [False, True])
    def test_message_limit(self, role: str, way: str, streaming: bool) -> None:
        engine = self.engine(role, WebSocketLimits(message_bytes_max=1000), streaming)
        assert receive(engine, frame_to(engine, 2, bytes(1000)), way)
        assert engine.failure is None
        frame = frame_to(engine, 2, bytes(1001))
        # From the header alone: no byte of the payload was needed.
        assert receive(engine, frame[: len(frame) - 1001], way) == []
        failure = check_failed(engine, 1009)
        assert isinstance(failure, LimitError)
        assert failure.limit_name == "message_bytes_max"
        assert (failure.value, failure.maximum) == (1001, 1000)
        assert "1001" in failure.message and "1000" in failure.message

    def test_message_limit_over_fragments(self, role: str, way: str) -> None:
        engine = self.engine(role, WebSocketLimits(message_bytes_max=1000))
        receive(engine, frame_to(engine, 1, b"a" * 600, fin=False), way)
        assert receive(engine, frame_to(engine, 0, b"a" * 401), way) == []
        failure = check_failed(engine, 1009)
        assert isinstance(failure, LimitError) and failure.limit_name == "message_bytes_max"

    def test_frame_limit(self, role: str, way: str) -> None:
        engine = self.engine(role, WebSocketLimits(frame_bytes_max=500, message_bytes_max=None))
        data = frame_to(engine, 2, bytes(500), fin=False) + frame_to(engine, 0, bytes(500))
        assert receive(engine, data, way) == [bytes(1000)]
        receive(engine, frame_to(engine, 2, bytes(501)), way)
        failure = check_failed(engine, 1009)
        assert isinstance(failure, LimitError) and failure.limit_name == "frame_bytes_max"

    def test_fragments_limit(self, role: str, way: str) -> None:
        engine = self.engine(role, WebSocketLimits(fragments_max=10))
        nine = frame_to(engine, 1, b"a", fin=False) + frame_to(engine, 0, b"a", fin=False) * 8
        assert receive(engine, nine + frame_to(engine, 0, b"a"), way) == ["a" * 10]
        receive(engine, nine + frame_to(engine, 0, b"a", fin=False) * 2, way)
        failure = check_failed(engine, 1009)
        assert isinstance(failure, LimitError) and failure.limit_name == "fragments_max"

    def test_control_frame_rate(self, role: str, way: str) -> None:
        engine = self.engine(role, WebSocketLimits(control_frames_per_s_max=2.0))
        burst = frame_to(engine, 9, b"x") * 10 + frame_to(engine, 10, b"x") * 10
        assert len(receive(engine, burst, way, now=100.0)) == 20
        assert engine.failure is None
        # Half a second brings one back.
        assert receive(engine, frame_to(engine, 9), way, now=100.5) == [Ping(b"")]
        output(engine)
        assert receive(engine, frame_to(engine, 9), way, now=100.5) == []
        failure = check_failed(engine, 1008)
        assert isinstance(failure, LimitError)
        assert failure.limit_name == "control_frames_per_s_max"

    def test_control_frame_rate_does_not_count_messages_or_the_close(self, role: str) -> None:
        engine = self.engine(role, WebSocketLimits(control_frames_per_s_max=0.1))
        assert len(receive(engine, frame_to(engine, 1, b"x") * 500)) == 500
        assert receive(engine, frame_to(engine, 9)) == [Ping(b"")]
        assert receive(engine, frame_to(engine, 8)) == [CloseReceived(1005, "")]
        assert engine.failure is None

    def test_message_rate(self, role: str, way: str) -> None:
        engine = self.engine(role, WebSocketLimits(messages_per_s_max=1.0))
        fragmented = frame_to(engine, 1, b"a", fin=False) + frame_to(engine, 0, b"b")
        burst = frame_to(engine, 1, b"x") * 9 + fragmented
        assert receive(engine, burst, way, now=100.0) == ["x"] * 9 + ["ab"]
        assert engine.failure is None
        # A second brings one back; pings are counted elsewhere.
        assert receive(engine, frame_to(engine, 2, b"y"), way, now=101.0) == [b"y"]
        assert receive(engine, frame_to(engine, 9), way, now=101.0) == [Ping(b"")]
        output(engine)
        assert receive(engine, frame_to(engine, 1, b"x"), way, now=101.0) == []
        failure = check_failed(engine, 1008)
        assert isinstance(failure, LimitError)
        assert failure.limit_name == "messages_per_s_max"
        assert engine.messages_received == 11

    def test_no_limits_is_a_choice(self, role: str) -> None:
        limits = WebSocketLimits(
            message_bytes_max=None,
            frame_bytes_max=None,
            fragments_max=None,
            control_frames_per_s_max=None,
        )
        engine = self.engine(role, limits)
        size = 2 * 1024 * 1024
        assert receive(engine, frame_to(engine, 2, bytes(size)), "random") == [bytes(size)]
        assert len(receive(engine, frame_to(engine, 9) * 5000)) == 5000
        data = frame_to(engine, 2, fin=False) + frame_to(engine, 0, fin=False) * 9000
        assert receive(engine, data + frame_to(engine, 0)) == [b""]
        assert engine.failure is None


class TestFailedByTheCaller:
    def test_fail_sends_the_code_and_the_reason(self, engine: WebSocketEngine) -> None:
        engine.fail(ProtocolError(1008, "no such room"), now=5.0)
        assert engine.close_sent == Close(1008, "no such room")
        check_failed(engine, 1008)

    def test_fail_clips_a_long_reason_between_characters(self, engine: WebSocketEngine) -> None:
        engine.fail(ProtocolError(1008, "é" * 100), now=5.0)
        assert engine.close_sent is not None
        assert len(engine.close_sent.reason.encode()) <= 123
        assert engine.close_sent.reason == "é" * 60 + "…"

    @pytest.mark.parametrize("code", [0, 500, 1005, 1006, 1015, 2000, 5000])
    def test_7_4_fail_sends_1011_for_a_code_that_may_not_be_sent(
        self, engine: WebSocketEngine, code: int
    ) -> None:
        engine.fail(ProtocolError(code, "why"), now=5.0)
        assert engine.close_sent == Close(1011, "why")

    def test_fail_after_our_close_sends_no_second_one(self, engine: WebSocketEngine) -> None:
        engine.close(now=1.0)
        output(engine)
        receive(engine, frame_to(engine, 3))
        assert engine.failure is not None
        assert output(engine) == b""
        assert engine.close_sent == Close(1000, "")
        expected = (
            TransportAction.HALF_CLOSE if engine.role is Role.SERVER else TransportAction.NONE
        )
        assert engine.transport_action is expected

    def test_fail_after_the_end_does_nothing(self, engine: WebSocketEngine) -> None:
        engine.receive_eof(1.0)
        engine.fail(ProtocolError(1008, "late"), now=2.0)
        assert engine.failure is None
        assert engine.state is State.CLOSED
