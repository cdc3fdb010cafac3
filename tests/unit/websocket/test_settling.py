"""What came before a last word in the same read can be answered before it is."""

from __future__ import annotations

import pytest

from longwire.websocket.connection import State, TransportAction, WebSocketEngine
from longwire.websocket.events import CloseReceived
from longwire.websocket.frames import BINARY, TEXT
from tests.unit.websocket.wire import both, client, close_frame, frame_to, output, server

BROKEN_OPCODE = 0x5


@pytest.mark.parametrize("engine", both(), ids=["client", "server"])
def test_6455_5_5_1_message_before_a_close_is_answered_before_it(engine: WebSocketEngine) -> None:
    data = frame_to(engine, TEXT, b"hello") + close_frame(engine, 1000)
    assert engine.take_in(data, 1.0) == ["hello", CloseReceived(1000, "")]
    assert engine.state is State.OPEN
    engine.send("hello")
    engine.settle(1.0)
    assert engine.state is not State.OPEN
    peer = server() if engine.role.value == "client" else client()
    events = peer.receive(output(engine), 1.0)
    assert events == ["hello", CloseReceived(1000, "")]


@pytest.mark.parametrize("engine", both(), ids=["client", "server"])
def test_6455_7_1_7_message_before_a_broken_frame_is_answered(engine: WebSocketEngine) -> None:
    data = frame_to(engine, BINARY, b"good") + frame_to(engine, BROKEN_OPCODE, b"bad")
    assert engine.take_in(data, 1.0) == [b"good"]
    assert engine.failure is None
    engine.send(b"good")
    engine.settle(1.0)
    assert engine.failure is not None
    peer = server() if engine.role.value == "client" else client()
    events = peer.receive(output(engine), 1.0)
    assert events[0] == b"good"
    assert isinstance(events[1], CloseReceived)
    assert events[1].code == 1002


def test_close_of_our_own_in_between_passes_first_and_ends_the_handshake() -> None:
    engine = server()
    engine.take_in(close_frame(engine, 1000), 1.0)
    engine.close(4000, "mine", now=1.0)
    engine.settle(1.0)
    assert engine.close_sent is not None
    assert engine.close_sent.code == 4000
    assert engine.close_received is not None
    assert engine.close_initiator == "remote"
    assert engine.transport_action is TransportAction.CLOSE


def test_settling_twice_or_with_nothing_put_off_does_nothing() -> None:
    engine = server()
    engine.settle(1.0)
    assert engine.state is State.OPEN
    engine.take_in(close_frame(engine, 1000), 1.0)
    engine.settle(1.0)
    sent = output(engine)
    engine.settle(1.0)
    assert sent
    assert output(engine) == b""


def test_what_was_put_off_is_settled_by_the_next_input_and_by_the_end() -> None:
    for end in ("input", "eof"):
        engine = server()
        engine.take_in(close_frame(engine, 1000), 1.0)
        if end == "input":
            assert engine.take_in(frame_to(engine, TEXT, b"late"), 2.0) == []
        else:
            engine.receive_eof(2.0)
        assert engine.close_sent is not None
