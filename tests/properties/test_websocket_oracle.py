"""The engine against the sans-I/O protocol of the `websockets` library, in both directions."""

from __future__ import annotations

import codecs
from typing import Any

import websockets.client
import websockets.exceptions
import websockets.protocol
import websockets.server
from hypothesis import assume, given
from hypothesis import strategies as st
from websockets.extensions.permessage_deflate import (
    ClientPerMessageDeflateFactory,
    PerMessageDeflate,
    ServerPerMessageDeflateFactory,
)
from websockets.frames import Close, Frame, Opcode
from websockets.uri import parse_uri as parse_websockets_uri

from longwire.base.limits import WebSocketLimits
from longwire.websocket.connection import Role, State, WebSocketEngine
from longwire.websocket.deflate import DeflateOptions, DeflateParameters
from longwire.websocket.events import CloseReceived, Ping, Pong
from longwire.websocket.handshake import (
    ClientHandshake,
    HeadReader,
    accept_request,
    serialize_head,
)
from tests.properties.websocket_frames import streams
from tests.unit.websocket.wire import client, seeded, server

NO_LIMITS = WebSocketLimits(
    message_bytes_max=None, fragments_max=None, control_frames_per_s_max=None
)

texts = st.text(st.characters(codec="utf-8"), max_size=100)
messages = texts | st.binary(max_size=400) | st.binary(max_size=9).map(lambda unit: unit * 300)


def peer_protocol(engine: WebSocketEngine) -> websockets.protocol.Protocol:
    side = websockets.protocol.CLIENT if engine.role is Role.SERVER else websockets.protocol.SERVER
    return websockets.protocol.Protocol(side, max_size=None)


def frames_of(protocol: websockets.protocol.Protocol) -> list[Frame]:
    frames = protocol.events_received()
    assert all(isinstance(frame, Frame) for frame in frames)
    return frames  # type: ignore[return-value]


class Reference:
    """What the engine should report for the frames that `websockets` parsed."""

    def __init__(self, frames: list[Frame]) -> None:
        self.events: list[Any] = []
        self.code: int | None = None
        self._parts: list[bytes] = []
        self._decoder: codecs.IncrementalDecoder | None = None
        for frame in frames:
            self._add(frame)
            if self.code is not None:
                return

    def _add(self, frame: Frame) -> None:
        if frame.opcode is Opcode.PING:
            self.events.append(Ping(bytes(frame.data)))
        elif frame.opcode is Opcode.PONG:
            self.events.append(Pong(bytes(frame.data), None))
        elif frame.opcode is Opcode.CLOSE:
            close = Close.parse(bytes(frame.data))
            self.events.append(CloseReceived(close.code, close.reason))
        else:
            if frame.opcode is not Opcode.CONT:
                self._parts = []
                is_text = frame.opcode is Opcode.TEXT
                self._decoder = codecs.getincrementaldecoder("utf-8")() if is_text else None
            self._parts.append(bytes(frame.data))
            try:
                if self._decoder is not None:
                    self._decoder.decode(bytes(frame.data), frame.fin)
            except UnicodeDecodeError:
                self.code = 1007
                return
            # Python's decoder waits for the third octet of a surrogate.
            begun = b"" if self._decoder is None else self._decoder.getstate()[0]
            if begun[:1] == b"\xed" and begun[1:] >= b"\xa0":
                self.code = 1007
                return
            if frame.fin:
                whole = b"".join(self._parts)
                self.events.append(whole if self._decoder is None else whole.decode())


@given(streams, st.booleans())
def test_engine_reads_frames_as_websockets_does(frames: list[Any], is_server: bool) -> None:
    engine = server(limits=NO_LIMITS) if is_server else client(limits=NO_LIMITS)
    wire = b"".join(frame.encode(to_server=is_server) for frame in frames)
    side = websockets.protocol.SERVER if is_server else websockets.protocol.CLIENT
    other = websockets.protocol.Protocol(side, max_size=None)
    other.receive_data(wire)
    expected = Reference(frames_of(other))
    codes = {expected.code}
    if expected.code is None and isinstance(other.parser_exc, UnicodeDecodeError):
        # A Close frame may have a bad code and a bad reason, and either may be named.
        codes = {1007, 1002}
    elif expected.code is None and other.parser_exc is not None:
        assert isinstance(other.parser_exc, websockets.exceptions.ProtocolError)
        # It wants a fragmented message finished before a Close frame; RFC 6455 section 5.4 lets
        # control frames, of which Close is one, come in between.
        assume("incomplete fragmented message" not in str(other.parser_exc))
        codes = {1002}

    events = engine.receive(wire, 1.0)
    assert events == expected.events
    assert (None if engine.failure is None else engine.failure.code) in codes
    is_open = None in codes and other.state is websockets.protocol.OPEN
    assert (engine.state is State.OPEN) == is_open


def deflate_for(agreed: DeflateParameters, *, is_server: bool) -> PerMessageDeflate:
    """Return the extension of `websockets` for the side that is a server, or is not."""
    ours = (agreed.server_no_context_takeover, agreed.server_max_window_bits)
    theirs = (agreed.client_no_context_takeover, agreed.client_max_window_bits)
    if not is_server:
        ours, theirs = theirs, ours
    # It hands 8 to zlib as it is, which zlib refuses for compressing.
    return PerMessageDeflate(theirs[0], ours[0], theirs[1], max(ours[1], 9))


agreements = st.none() | st.builds(
    DeflateParameters,
    server_no_context_takeover=st.booleans(),
    client_no_context_takeover=st.booleans(),
    server_max_window_bits=st.integers(8, 15),
    client_max_window_bits=st.integers(8, 15),
    threshold_bytes=st.sampled_from([0, 50]),
)


def connected(
    is_server: bool, agreed: DeflateParameters | None
) -> tuple[WebSocketEngine, websockets.protocol.Protocol]:
    make = server if is_server else client
    engine = make(limits=NO_LIMITS, deflate=agreed)
    other = peer_protocol(engine)
    if agreed is not None:
        other.extensions = [deflate_for(agreed, is_server=not is_server)]
    return engine, other


@given(st.lists(messages, max_size=6), st.booleans(), agreements, st.integers(1, 50))
def test_websockets_reads_what_the_engine_writes(
    sent: list[Any], is_server: bool, agreed: DeflateParameters | None, size: int
) -> None:
    engine, other = connected(is_server, agreed)
    for index, message in enumerate(sent):
        if index % 2:
            engine.send(message)
        else:
            parts = [message[start : start + size] for start in range(0, len(message), size)]
            for part in parts[:5]:
                engine.send_fragment(part, final=False)
                engine.ping(b"between", now=0.0)
            engine.send_fragment(message[5 * size :], final=True)
    engine.close(1001, "done", now=0.0)
    other.receive_data(b"".join(engine.take_output()))
    assert other.parser_exc is None
    reference = Reference(frames_of(other))
    assert [e for e in reference.events if isinstance(e, str | bytes)] == sent
    assert reference.events[-1] == CloseReceived(1001, "done")
    # and its answer to our Close and pings is understood.
    events = engine.receive(b"".join(other.data_to_send()), 1.0)
    assert isinstance(events[-1], CloseReceived)
    assert engine.failure is None


@given(st.lists(messages, max_size=6), st.booleans(), agreements, st.integers(1, 50))
def test_engine_reads_what_websockets_writes(
    sent: list[Any], is_server: bool, agreed: DeflateParameters | None, size: int
) -> None:
    engine, other = connected(is_server, agreed)
    for index, message in enumerate(sent):
        data = message.encode() if isinstance(message, str) else message
        send = other.send_text if isinstance(message, str) else other.send_binary
        if index % 2:
            send(data)
        else:
            send(data[:size], False)
            other.send_ping(b"between")
            other.send_continuation(data[size:], True)
    other.send_close(1000, "over")
    wire = b"".join(other.data_to_send())
    events = engine.receive(wire, 1.0)
    assert [event for event in events if isinstance(event, str | bytes)] == sent
    assert events[-1] == CloseReceived(1000, "over")
    other.receive_data(b"".join(engine.take_output()))
    assert other.parser_exc is None
    assert other.close_rcvd == Close(1000, "over")


window = st.none() | st.integers(9, 15)
offers = st.none() | st.builds(
    DeflateOptions,
    server_no_context_takeover=st.booleans(),
    client_no_context_takeover=st.booleans(),
    server_max_window_bits=window,
    client_max_window_bits=window,
)
subprotocols = st.lists(st.sampled_from(["chat", "a.b", "v1"]), unique=True, max_size=3)


@given(offers, st.booleans(), st.booleans(), window, subprotocols, subprotocols)
def test_our_client_shakes_hands_with_their_server(
    ours: DeflateOptions | None,
    server_resets: bool,
    client_resets: bool,
    bits: int | None,
    offered: list[str],
    known: list[str],
) -> None:
    handshake = ClientHandshake(
        "ws://example.com/chat",
        entropy=seeded(),
        deflate=ours,
        subprotocols=offered,
        origin="https://example.com",
    )
    factory = ServerPerMessageDeflateFactory(server_resets, client_resets, bits, bits)
    # It insists on a subprotocol when it knows some; that is its own rule.
    assume(not known or set(known) & set(offered))
    other = websockets.server.ServerProtocol(
        extensions=[factory],
        subprotocols=known or None,  # type: ignore[arg-type]
        origins=["https://example.com"],  # type: ignore[list-item]
    )
    other.receive_data(handshake.request_bytes())
    (request,) = other.events_received()
    response = other.accept(request)  # type: ignore[arg-type]
    other.send_response(response)
    assert other.handshake_exc is None
    reader = HeadReader(expects="response")
    assert reader.feed(b"".join(other.data_to_send()))
    accepted = handshake.check_response(reader.response())
    assert accepted.subprotocol == other.subprotocol
    assert (accepted.deflate is None) == (not other.extensions)
    if accepted.deflate is not None:
        expected = deflate_for(accepted.deflate, is_server=True)
        assert repr(other.extensions) == repr([expected])
        check_talk(client(deflate=accepted.deflate), other)


@given(
    offers, st.booleans(), st.booleans(), window, st.booleans() | st.integers(9, 15), subprotocols
)
def test_their_client_shakes_hands_with_our_server(
    ours: DeflateOptions | None,
    server_resets: bool,
    client_resets: bool,
    server_bits: int | None,
    client_bits: bool | int,
    offered: list[str],
) -> None:
    factory = ClientPerMessageDeflateFactory(
        server_resets, client_resets, server_bits, client_bits or None
    )
    other = websockets.client.ClientProtocol(
        parse_websockets_uri("ws://example.com/chat"),
        extensions=[factory],
        subprotocols=offered or None,  # type: ignore[arg-type]
    )
    other.send_request(other.connect())
    reader = HeadReader(expects="request")
    assert reader.feed(b"".join(other.data_to_send()))
    accepted = accept_request(reader.request(), deflate=ours, subprotocols=["v1", "chat"])
    other.receive_data(serialize_head(accepted.response))
    assert other.handshake_exc is None
    assert other.subprotocol == accepted.subprotocol
    assert (accepted.deflate is None) == (not other.extensions)
    other.events_received()
    if accepted.deflate is not None:
        expected = deflate_for(accepted.deflate, is_server=False)
        assert repr(other.extensions) == repr([expected])
        check_talk(server(deflate=accepted.deflate), other)


def check_talk(engine: WebSocketEngine, other: websockets.protocol.Protocol) -> None:
    """Two messages each way over what was agreed."""
    for text in ("hello " * 100, "hello again " * 100):
        engine.send(text)
        other.receive_data(b"".join(engine.take_output()))
        (frame,) = frames_of(other)
        assert bytes(frame.data).decode() == text
        other.send_text(text.encode())
        assert engine.receive(b"".join(other.data_to_send()), 1.0) == [text]
