"""A client and a server talk over a line that delivers any number of bytes at a time."""

from __future__ import annotations

from collections import deque
from typing import Any

import hypothesis
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from longwire.base.limits import WebSocketLimits
from longwire.websocket.connection import State, TransportAction, WebSocketEngine
from longwire.websocket.deflate import DeflateParameters
from longwire.websocket.events import CloseReceived, Fragment, Ping, Pong
from tests.unit.websocket.wire import client, server

LIMITS = WebSocketLimits(control_frames_per_s_max=None)

parameters = st.none() | st.builds(
    DeflateParameters,
    server_no_context_takeover=st.booleans(),
    client_no_context_takeover=st.booleans(),
    server_max_window_bits=st.integers(8, 15),
    client_max_window_bits=st.integers(8, 15),
    level=st.integers(0, 9),
    memory_level=st.integers(1, 9),
    threshold_bytes=st.sampled_from([0, 20, 1000]),
)
texts = st.text(st.characters(codec="utf-8"), max_size=60)
messages = texts | st.binary(max_size=300) | st.binary(max_size=8).map(lambda unit: unit * 5000)


class Side:
    """One engine, what it sent, what it received, and the bytes on their way to the other."""

    def __init__(self, engine: WebSocketEngine) -> None:
        self.engine = engine
        self.sent: list[Any] = []
        self.received: list[Any] = []
        self.line: deque[bytes] = deque()
        self.open_fragments: list[Any] | None = None
        self.partial: Any = None

    def collect(self, events: list[Any]) -> None:
        for event in events:
            if isinstance(event, Fragment):
                if event.first:
                    self.partial = event.data
                else:
                    self.partial += event.data
                if event.final:
                    self.received.append(self.partial)
            else:
                self.received.append(event)


class Conversation(RuleBasedStateMachine):
    @initialize(deflate=parameters, streams=st.tuples(st.booleans(), st.booleans()))
    def start(self, deflate: DeflateParameters | None, streams: tuple[bool, bool]) -> None:
        self.now = 0.0
        self.sides = (
            Side(client(limits=LIMITS, deflate=deflate, streaming=streams[0])),
            Side(server(limits=LIMITS, deflate=deflate, streaming=streams[1])),
        )

    def is_ready(self, side: Side) -> bool:
        return side.engine.state is State.OPEN

    @rule(who=st.integers(0, 1), message=messages, compress=st.none() | st.booleans())
    def send(self, who: int, message: str | bytes, compress: bool | None) -> None:
        side = self.sides[who]
        if self.is_ready(side) and side.open_fragments is None:
            side.engine.send(message, compress=compress)
            side.sent.append(message)

    @rule(who=st.integers(0, 1), part=st.binary(max_size=200), final=st.booleans())
    def send_binary_fragment(self, who: int, part: bytes, final: bool) -> None:
        self.send_fragment(who, part, final, b"")

    @rule(who=st.integers(0, 1), part=texts, final=st.booleans())
    def send_text_fragment(self, who: int, part: str, final: bool) -> None:
        self.send_fragment(who, part, final, "")

    def send_fragment(self, who: int, part: Any, final: bool, empty: Any) -> None:
        side = self.sides[who]
        if not self.is_ready(side):
            return
        if side.open_fragments is None:
            side.open_fragments = [empty]
        elif type(side.open_fragments[0]) is not type(part):
            return
        side.engine.send_fragment(part, final=final)
        side.open_fragments.append(part)
        if final:
            side.sent.append(empty.join(side.open_fragments))
            side.open_fragments = None

    @rule(who=st.integers(0, 1), payload=st.binary(max_size=125))
    def ping(self, who: int, payload: bytes) -> None:
        side = self.sides[who]
        if self.is_ready(side):
            side.engine.ping(payload, now=self.now)
            side.sent.append(Ping(payload))

    @rule(who=st.integers(0, 1), sizes=st.lists(st.integers(1, 400), min_size=1, max_size=20))
    def deliver(self, who: int, sizes: list[int]) -> None:
        """Bring some bytes from one side to the other."""
        side, other = self.sides[who], self.sides[1 - who]
        self.now += 0.001
        side.line.extend(side.engine.take_output())
        held = b"".join(side.line)
        side.line.clear()
        offset = 0
        for size in sizes:
            other.collect(other.engine.receive(held[offset : offset + size], self.now))
            offset += size
        if held[offset:]:
            side.line.append(held[offset:])

    @rule(who=st.integers(0, 1), code=st.sampled_from([1000, 1001, 4321]))
    def close(self, who: int, code: int) -> None:
        side = self.sides[who]
        if self.is_ready(side):
            side.engine.close(code, f"by {who}", now=self.now)

    def teardown(self) -> None:
        if not hasattr(self, "sides"):
            return
        for _ in range(4):
            for who in (0, 1):
                self.deliver(who, [1 << 24])
        for who in (0, 1):
            self.check(self.sides[who], self.sides[1 - who])
        if any(side.engine.state is not State.OPEN for side in self.sides):
            self.check_closed()

    def check(self, side: Side, other: Side) -> None:
        assert side.engine.failure is None
        # What one side sent the other received, in order, all of it: TCP keeps order, and a
        # Close frame comes after everything else.
        arrived = [event for event in other.received if not isinstance(event, Pong | CloseReceived)]
        if other.engine.state is State.OPEN or side.engine.close_initiator == "local":
            assert arrived == side.sent
        else:
            assert arrived == side.sent[: len(arrived)]
        pongs = [event.payload for event in side.received if isinstance(event, Pong)]
        pings = [event.payload for event in side.sent if isinstance(event, Ping)]
        if side.engine.state is State.OPEN:
            assert pongs == pings
        else:
            assert pongs == pings[: len(pongs)]

    def check_closed(self) -> None:
        ours, theirs = (side.engine for side in self.sides)
        assert ours.close_sent == theirs.close_received
        assert ours.close_received == theirs.close_sent
        assert {ours.close_initiator, theirs.close_initiator} in (
            {"local", "remote"},
            # Both closed before either heard of it.
            {"local"},
        )
        assert ours.transport_action is TransportAction.NONE
        assert theirs.transport_action is TransportAction.CLOSE
        for side in self.sides:
            assert isinstance(side.received[-1], CloseReceived)


TestConversation = Conversation.TestCase
TestConversation.settings = hypothesis.settings(max_examples=60, stateful_step_count=30)
