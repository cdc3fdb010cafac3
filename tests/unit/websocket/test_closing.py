"""The closing handshake (RFC 6455 sections 5.5.1, 7.1 and 7.4) and its table."""

from __future__ import annotations

import pytest

from longwire.base.errors import ProtocolError
from longwire.base.limits import WebSocketLimits
from longwire.websocket.closing import (
    TRANSITIONS,
    ClosingInput,
    ClosingPhase,
    clip_reason,
    encode_close,
    parse_close,
)
from longwire.websocket.connection import Close, State, TransportAction, WebSocketEngine
from longwire.websocket.events import CloseReceived, Ping, Pong
from tests.unit.websocket.wire import client, close_frame, frame_to, output, receive, server

LEGAL = [
    1000,
    1001,
    1002,
    1003,
    1007,
    1008,
    1009,
    1010,
    1011,
    1012,
    1013,
    1014,
    3000,
    3999,
    4000,
    4999,
]
ILLEGAL = [0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535]  # fmt: skip


@pytest.fixture
def engine(role: str) -> WebSocketEngine:
    return client() if role == "client" else server()


class TestPayload:
    @pytest.mark.parametrize("code", LEGAL)
    def test_6455_7_4_codes_that_may_be_sent(self, code: int) -> None:
        assert parse_close(encode_close(code, "gone é")) == Close(code, "gone é")
        assert parse_close(encode_close(code, "")) == Close(code, "")

    @pytest.mark.parametrize("code", ILLEGAL)
    def test_6455_7_4_codes_that_may_not_be_sent(self, code: int) -> None:
        with pytest.raises(ProtocolError) as caught:
            parse_close(code.to_bytes(2, "big") + b"x")
        assert (caught.value.code, caught.value.side) == (1002, "remote")
        assert str(code) in caught.value.message
        with pytest.raises(ProtocolError) as caught:
            encode_close(code, "x")
        assert caught.value.side == "local"

    def test_6455_5_5_1_empty_close_is_1005(self) -> None:
        assert parse_close(b"") == Close(1005, "")
        assert encode_close(1005, "") == b""

    def test_6455_5_5_1_close_of_one_byte_is_refused(self) -> None:
        with pytest.raises(ProtocolError) as caught:
            parse_close(b"\x03")
        assert caught.value.code == 1002
        assert "1 byte" in caught.value.message

    @pytest.mark.parametrize(
        "reason", [b"\xff", b"\xed\xa0\x80", b"ok\xe2\x98", b"a" * 122 + b"\xc3"]
    )
    def test_6455_8_1_reason_is_utf8(self, reason: bytes) -> None:
        with pytest.raises(ProtocolError) as caught:
            parse_close(b"\x03\xe8" + reason)
        assert caught.value.code == 1007

    def test_6455_5_5_reason_has_123_bytes_at_most(self) -> None:
        assert len(encode_close(1000, "r" * 123)) == 125
        assert len(encode_close(1000, "é" * 61)) == 124
        for reason in ("r" * 124, "é" * 62):
            with pytest.raises(ProtocolError) as caught:
                encode_close(1000, reason)
            assert caught.value.side == "local"
            assert "124" in caught.value.message and "123" in caught.value.message

    def test_reason_must_be_encodable(self) -> None:
        with pytest.raises(ProtocolError) as caught:
            encode_close(1000, "\udc80")
        assert caught.value.side == "local"

    def test_clip_reason_keeps_what_fits(self) -> None:
        assert clip_reason("short") == "short"
        assert clip_reason("r" * 123) == "r" * 123
        assert clip_reason("r" * 124) == "r" * 120 + "…"
        for count in range(40, 140):
            clipped = clip_reason("𝄞" * count)
            assert len(clipped.encode()) <= 123
        assert clip_reason("\ud800") == "?"


class TestLocalClose:
    @pytest.mark.parametrize("code", LEGAL)
    def test_6455_7_1_2_close_is_a_handshake(self, role: str, way: str, code: int) -> None:
        ours = client() if role == "client" else server()
        theirs = server() if role == "client" else client()
        ours.close(code, "bye", now=1.0)
        assert ours.state is State.CLOSING
        assert ours.close_initiator == "local"
        assert receive(theirs, output(ours), way) == [CloseReceived(code, "bye")]
        assert theirs.close_initiator == "remote"
        assert theirs.close_received == Close(code, "bye")
        assert receive(ours, output(theirs), way) == [CloseReceived(code, "bye")]
        assert ours.close_sent == theirs.close_sent == Close(code, "bye")
        assert ours.close_code == theirs.close_code == code
        assert ours.close_reason == "bye"
        # RFC 6455 section 7.1.1: the server closes TCP, the client waits for it.
        actions = {each.role.value: each.transport_action for each in (ours, theirs)}
        assert actions == {"server": TransportAction.CLOSE, "client": TransportAction.NONE}
        for each in (ours, theirs):
            assert each.receive_eof(2.0) == []
            assert each.state is State.CLOSED
            assert each.transport_action is TransportAction.CLOSE
            assert each.deadline is None
            assert each.failure is None

    def test_6455_5_5_1_close_without_a_code(self, engine: WebSocketEngine, way: str) -> None:
        engine.close(1005, now=1.0)
        assert engine.close_sent == Close(1005, "")
        frame = output(engine)
        assert len(frame) == (2 if engine.role.value == "server" else 6)
        assert receive(engine, close_frame(engine, None), way) == [CloseReceived(1005, "")]
        assert engine.close_code == 1005

    @pytest.mark.parametrize("code", [*ILLEGAL, 1005, -1, 70_000])
    def test_7_4_close_refuses_codes_that_may_not_be_sent(
        self, engine: WebSocketEngine, code: int
    ) -> None:
        with pytest.raises(ProtocolError) as caught:
            engine.close(code, "with a reason", now=1.0)
        assert caught.value.side == "local"
        assert engine.state is State.OPEN
        assert output(engine) == b""

    def test_close_twice_is_harmless(self, engine: WebSocketEngine) -> None:
        engine.close(4000, "first", now=1.0)
        engine.close(4001, "second", now=2.0)
        assert engine.close_sent == Close(4000, "first")
        assert engine.deadline == 11.0
        output(engine)
        engine.receive_eof(3.0)
        engine.close(now=4.0)
        assert output(engine) == b""

    def test_6455_5_5_1_messages_before_the_peers_close_still_come(
        self, engine: WebSocketEngine, way: str
    ) -> None:
        engine.close(now=1.0)
        output(engine)
        data = frame_to(engine, 1, b"under way") + frame_to(engine, 9, b"?")
        data += frame_to(engine, 10, b"!") + close_frame(engine, 1000)
        assert receive(engine, data, way) == [
            "under way",
            Ping(b"?"),
            Pong(b"!", None),
            CloseReceived(1000, ""),
        ]
        # Nothing is sent after our Close frame, no pong either.
        assert output(engine) == b""

    def test_both_close_at_once(self, role: str) -> None:
        ours = client() if role == "client" else server()
        ours.close(1000, "ours", now=1.0)
        output(ours)
        assert ours.receive(close_frame(ours, 1001, b"theirs"), 2.0) == [
            CloseReceived(1001, "theirs")
        ]
        assert output(ours) == b""
        assert ours.close_sent == Close(1000, "ours")
        assert ours.close_received == Close(1001, "theirs")
        assert ours.close_initiator == "local"


class TestRemoteClose:
    @pytest.mark.parametrize("code", LEGAL)
    @pytest.mark.parametrize("reason", [b"", b"going \xc3\xa9", b"r" * 123])
    def test_6455_5_5_1_engine_answers_with_the_same_code(
        self, engine: WebSocketEngine, way: str, code: int, reason: bytes
    ) -> None:
        data = close_frame(engine, code, reason) + frame_to(engine, 1, b"late") + b"\xff\xff"
        assert receive(engine, data, way) == [CloseReceived(code, reason.decode())]
        assert engine.close_sent == Close(code, reason.decode())
        assert engine.state is State.CLOSING
        assert engine.failure is None
        other = client() if engine.role.value == "server" else server()
        assert other.receive(output(engine), 1.0) == [CloseReceived(code, reason.decode())]

    def test_6455_5_5_1_engine_answers_an_empty_close_with_an_empty_one(
        self, engine: WebSocketEngine, way: str
    ) -> None:
        assert receive(engine, close_frame(engine, None), way) == [CloseReceived(1005, "")]
        other = client() if engine.role.value == "server" else server()
        assert other.receive(output(engine), 1.0) == [CloseReceived(1005, "")]

    @pytest.mark.parametrize("code", ILLEGAL)
    @pytest.mark.parametrize("reason", [b"", b"because"])
    def test_6455_7_4_engine_fails_illegal_codes(
        self, engine: WebSocketEngine, way: str, code: int, reason: bytes
    ) -> None:
        assert receive(engine, close_frame(engine, code, reason), way) == []
        assert engine.failure is not None and engine.failure.code == 1002
        assert engine.close_received is None
        assert engine.close_sent is not None and engine.close_sent.code == 1002
        assert engine.close_code == 1006

    @pytest.mark.parametrize(
        ("payload", "code"), [(b"\x03", 1002), (b"\x03\xe8\xff", 1007), (b"\x03\xe8\xe2\x98", 1007)]
    )
    def test_6455_5_5_1_engine_fails_malformed_close(
        self, engine: WebSocketEngine, way: str, payload: bytes, code: int
    ) -> None:
        assert receive(engine, frame_to(engine, 8, payload), way) == []
        assert engine.failure is not None and engine.failure.code == code

    def test_6455_5_5_1_close_may_come_inside_a_fragmented_message(
        self, engine: WebSocketEngine, way: str
    ) -> None:
        data = frame_to(engine, 1, b"begun", fin=False) + close_frame(engine, 1001)
        assert receive(engine, data, way) == [CloseReceived(1001, "")]

    def test_ping_before_the_close_is_answered_before_it(
        self, engine: WebSocketEngine, way: str
    ) -> None:
        receive(engine, frame_to(engine, 9, b"p") + close_frame(engine, 1000), way)
        other = client() if engine.role.value == "server" else server()
        assert other.receive(output(engine), 1.0) == [Pong(b"p", None), CloseReceived(1000, "")]


class TestEndOfTransport:
    def test_6455_7_1_5_eof_while_open_is_1006(self, engine: WebSocketEngine) -> None:
        engine.receive(frame_to(engine, 1, b"half a mess")[:5], 1.0)
        assert engine.receive_eof(2.0) == []
        assert engine.state is State.CLOSED
        assert engine.close_code == 1006
        assert engine.close_reason == ""
        assert engine.close_initiator is None
        assert engine.close_received is engine.close_sent is engine.failure is None
        assert engine.transport_action is TransportAction.CLOSE
        assert engine.deadline is None
        assert engine.receive(b"anything", 3.0) == []
        assert engine.receive_eof(3.0) == []

    def test_6455_7_1_5_eof_after_our_close_is_1006(self, engine: WebSocketEngine) -> None:
        engine.close(now=1.0)
        engine.receive_eof(2.0)
        assert engine.close_code == 1006
        assert engine.close_sent == Close(1000, "")
        assert engine.close_initiator == "local"


class TestCloseTimeout:
    LIMITS = WebSocketLimits(close_timeout_s=3.0)

    def new(self, role: str) -> WebSocketEngine:
        return client(limits=self.LIMITS) if role == "client" else server(limits=self.LIMITS)

    def test_peer_that_never_answers_is_dropped(self, role: str) -> None:
        engine = self.new(role)
        engine.close(now=10.0)
        assert engine.deadline == 13.0
        engine.handle_deadline(12.9)
        assert engine.transport_action is TransportAction.NONE
        engine.handle_deadline(13.0)
        assert engine.transport_action is TransportAction.ABORT
        assert engine.state is State.CLOSED
        assert engine.deadline is None

    def test_peer_that_goes_on_sending_does_not_put_it_off(self, role: str) -> None:
        engine = self.new(role)
        engine.close(now=10.0)
        engine.receive(frame_to(engine, 1, b"more"), 12.0)
        assert engine.deadline == 13.0

    def test_transport_that_does_not_end_is_dropped(self, role: str) -> None:
        engine = self.new(role)
        engine.close(now=10.0)
        engine.receive(close_frame(engine, 1000), 11.0)
        assert engine.deadline == 14.0
        engine.handle_deadline(14.0)
        assert engine.transport_action is TransportAction.ABORT
        # What was exchanged stays exchanged.
        assert engine.close_code == 1000

    def test_failed_connection_is_dropped(self, role: str) -> None:
        engine = self.new(role)
        engine.receive(b"\xff\xff", 1.0)
        assert engine.deadline == 4.0
        engine.receive(b"flood" * 1000, 3.9)
        engine.handle_deadline(4.0)
        assert engine.transport_action is TransportAction.ABORT
        assert engine.failure is not None

    def test_no_timeout_is_a_choice(self, role: str) -> None:
        limits = WebSocketLimits(close_timeout_s=None)
        engine = client(limits=limits) if role == "client" else server(limits=limits)
        engine.close(now=1.0)
        assert engine.deadline is None


class TestTable:
    def test_every_phase_but_the_last_has_a_way_to_the_end(self) -> None:
        for phase in ClosingPhase:
            if phase is ClosingPhase.ENDED:
                continue
            assert TRANSITIONS[phase, ClosingInput.EOF].next is ClosingPhase.ENDED
            if phase is not ClosingPhase.OPEN:
                assert TRANSITIONS[phase, ClosingInput.TIMEOUT].next is ClosingPhase.ENDED

    def test_closing_only_goes_forward(self) -> None:
        order = list(ClosingPhase)
        for (phase, _), step in TRANSITIONS.items():
            assert order.index(step.next) > order.index(phase)

    def test_close_is_sent_from_open_only(self) -> None:
        # RFC 6455 section 5.5.1: one Close frame each way.
        for (phase, _), step in TRANSITIONS.items():
            assert step.sends == "nothing" or phase is ClosingPhase.OPEN

    def test_6455_7_1_1_client_never_closes_before_the_server_unless_it_gives_up(self) -> None:
        for (_, happened), step in TRANSITIONS.items():
            if happened in (ClosingInput.EOF, ClosingInput.TIMEOUT, ClosingInput.GIVE_UP):
                assert step.client is step.server is not TransportAction.NONE
            else:
                assert step.client is TransportAction.NONE
