"""The engine against a model of the closing, over random walks of inputs and calls.

The model knows four facts: whether our Close is out, the peer's is in, the connection was failed,
and the transport is gone. Whatever is done in whatever order, the engine keeps these rules:

* only what the caller may not do raises, and always as the caller's fault;
* after our Close frame nothing is sent, and there is one Close frame at most;
* the state only goes forward, and a closing always has a deadline.
"""

from __future__ import annotations

from typing import Any

import hypothesis
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from longwire.base.errors import ProtocolError
from longwire.base.limits import KeepaliveSettings, WebSocketLimits
from longwire.websocket.closing import TRANSITIONS, ClosingInput, ClosingPhase, ClosingStep
from longwire.websocket.connection import Role, State, TransportAction, WebSocketEngine
from longwire.websocket.events import CloseReceived
from longwire.websocket.frames import ControlFrame, FrameParser
from tests.properties.websocket_frames import good_streams, wires
from tests.unit.websocket.wire import client, frame_to, server

LIMITS = WebSocketLimits(control_frames_per_s_max=None, close_timeout_s=10.0)
KEEPALIVE = KeepaliveSettings(ping_interval_s=20.0, ping_timeout_s=20.0)


class EngineWalk(RuleBasedStateMachine):
    @initialize(is_server=st.booleans(), streaming=st.booleans())
    def start(self, is_server: bool, streaming: bool) -> None:
        make = server if is_server else client
        self.engine: WebSocketEngine = make(limits=LIMITS, keepalive=KEEPALIVE, streaming=streaming)
        self.peer = FrameParser(is_server=not is_server)
        self.now = 0.0
        self.close_out = self.close_in = self.failed = self.gone = False
        self.sends_fragments = False
        self.state = State.OPEN
        self.closes_seen = 0

    @property
    def is_open(self) -> bool:
        return not (self.close_out or self.gone)

    def receive(self, data: bytes) -> list[Any]:
        was_over = self.close_in or self.failed or self.gone
        events = self.engine.receive(data, self.now)
        if was_over:
            assert events == []
        if any(isinstance(event, CloseReceived) for event in events):
            assert isinstance(events[-1], CloseReceived)
            self.close_in = self.close_out = True
        if not was_over and self.engine.failure is not None:
            self.failed = self.close_out = True
        return events

    @rule(data=st.data())
    def receive_good_frames(self, data: st.DataObject) -> None:
        is_server = self.engine.role is Role.SERVER
        frames = data.draw(good_streams)
        # A model of what is under way on the peer's side would be another engine; a stream that
        # does not fit fails the connection, which is an outcome too.
        self.receive(b"".join(frame.encode(to_server=is_server) for frame in frames))

    @rule(data=st.data())
    def receive_any_frames(self, data: st.DataObject) -> None:
        self.receive(data.draw(wires(to_server=self.engine.role is Role.SERVER)))

    @rule(data=st.binary(max_size=30))
    def receive_any_bytes(self, data: bytes) -> None:
        self.receive(data)

    @rule(code=st.sampled_from([None, 1000, 1001, 4000]))
    def receive_close(self, code: int | None) -> None:
        self.receive(frame_to(self.engine, 8, b"" if code is None else code.to_bytes(2, "big")))

    @rule()
    def receive_eof(self) -> None:
        assert self.engine.receive_eof(self.now) == []
        self.gone = True

    def call(self, is_allowed: bool, call: Any) -> None:
        if is_allowed:
            call()
            return
        with pytest.raises(ProtocolError) as caught:
            call()
        assert caught.value.side == "local"

    @rule(message=st.text(max_size=20) | st.binary(max_size=200))
    def send(self, message: str | bytes) -> None:
        is_allowed = self.is_open and not self.sends_fragments
        try:
            self.call(is_allowed, lambda: self.engine.send(message))
        except ProtocolError as error:
            # A lone surrogate.
            assert isinstance(message, str) and error.side == "local"

    @rule(data=st.binary(max_size=50), final=st.booleans())
    def send_fragment(self, data: bytes, final: bool) -> None:
        self.call(self.is_open, lambda: self.engine.send_fragment(data, final=final))
        if self.is_open:
            self.sends_fragments = not final

    @rule(payload=st.binary(max_size=130))
    def ping_and_pong(self, payload: bytes) -> None:
        is_allowed = self.is_open and len(payload) <= 125
        self.call(is_allowed, lambda: self.engine.ping(payload, now=self.now))
        self.call(is_allowed, lambda: self.engine.pong(payload))

    @rule(code=st.sampled_from([1000, 1001, 1011, 3000, 1005]))
    def close(self, code: int) -> None:
        self.engine.close(code, now=self.now)
        if not self.gone:
            self.close_out = True

    @rule(code=st.sampled_from([1002, 1008, 1006, 400]))
    def fail(self, code: int) -> None:
        before = self.engine.failure
        self.engine.fail(ProtocolError(code, "because"), now=self.now)
        if self.close_in or self.failed or self.gone:
            assert self.engine.failure is before
        else:
            self.failed = self.close_out = True

    @rule(is_paused=st.booleans())
    def set_reading_paused(self, is_paused: bool) -> None:
        self.engine.set_reading_paused(is_paused, self.now)

    @rule(step=st.sampled_from([0.0, 1.0, 10.0, 20.0, 100.0]))
    def let_time_pass(self, step: float) -> None:
        self.now += step
        was_open = self.engine.state is State.OPEN
        assert self.engine.handle_deadline(self.now) == []
        deadline = self.engine.deadline
        assert deadline is None or deadline > self.now
        if self.engine.keepalive_expired and was_open and self.engine.state is not State.OPEN:
            self.failed = self.close_out = True
        if self.engine.state is State.CLOSED and not self.gone:
            assert self.engine.transport_action is TransportAction.ABORT
            self.gone = True

    @invariant()
    def state_follows_the_model(self) -> None:
        engine = self.engine
        if self.gone:
            expected = State.CLOSED
        elif self.close_out:
            expected = State.CLOSING
        else:
            expected = State.OPEN
        assert engine.state is expected
        assert engine.state >= self.state
        self.state = engine.state
        assert (engine.close_received is not None) == self.close_in
        assert (engine.failure is not None) == self.failed
        if self.gone:
            assert engine.deadline is None
            assert engine.transport_action in (TransportAction.CLOSE, TransportAction.ABORT)
        elif self.close_out:
            assert engine.deadline is not None and engine.deadline <= self.now + 10.0

    @invariant()
    def at_most_one_close_frame_and_nothing_after_it(self) -> None:
        data = b"".join(self.engine.take_output())
        if self.closes_seen:
            assert data == b""
            return
        for item in self.peer.receive(data):
            if isinstance(item, ControlFrame) and item.opcode == 8:
                self.closes_seen += 1
        assert self.peer.failure is None
        assert self.closes_seen == int(self.engine.close_sent is not None)


TestEngineWalk = EngineWalk.TestCase
TestEngineWalk.settings = hypothesis.settings(stateful_step_count=25)


@pytest.mark.parametrize("phase", ClosingPhase)
@pytest.mark.parametrize("happened", ClosingInput)
def test_6455_7_every_phase_and_input_has_an_answer(
    phase: ClosingPhase, happened: ClosingInput
) -> None:
    step = TRANSITIONS.get((phase, happened))
    if step is None:
        # What may be ignored: all once it has ended, and what the phase has behind it.
        assert phase is ClosingPhase.ENDED or happened in IGNORED[phase], (phase, happened)
    else:
        assert isinstance(step, ClosingStep)
        assert phase is not ClosingPhase.ENDED and happened not in IGNORED[phase]


IGNORED = {
    # Without a Close frame out there is no close timeout to run out.
    ClosingPhase.OPEN: {ClosingInput.TIMEOUT},
    # Closing twice is harmless; a closing peer is timed out, not pinged.
    ClosingPhase.CLOSE_SENT: {ClosingInput.LOCAL_CLOSE, ClosingInput.GIVE_UP},
    # Nothing after the peer's Close frame is processed, and nothing is left to say.
    ClosingPhase.EXCHANGED: {
        ClosingInput.LOCAL_CLOSE,
        ClosingInput.REMOTE_CLOSE,
        ClosingInput.FAIL,
        ClosingInput.GIVE_UP,
    },
    ClosingPhase.FAILED: {
        ClosingInput.LOCAL_CLOSE,
        ClosingInput.REMOTE_CLOSE,
        ClosingInput.FAIL,
        ClosingInput.GIVE_UP,
    },
}
