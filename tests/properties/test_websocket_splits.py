"""However the input is cut, the engine says the same; and the two builds of the parser agree."""

from __future__ import annotations

import dataclasses
from types import ModuleType
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from longwire.base.errors import LimitError, ProtocolError
from longwire.base.limits import WebSocketLimits
from longwire.websocket import frames as loaded_frames
from longwire.websocket.connection import State, WebSocketEngine
from longwire.websocket.deflate import DeflateParameters
from longwire.websocket.events import Event, Fragment
from tests.properties.websocket_frames import cuts, wires
from tests.unit.websocket.wire import client, load_plain_frames, server

LIMITS = WebSocketLimits(
    message_bytes_max=500, frame_bytes_max=280, fragments_max=4, control_frames_per_s_max=0.5
)
DEFLATE = DeflateParameters(threshold_bytes=0)

plain_frames = load_plain_frames()


def joined(events: list[Event]) -> list[Any]:
    """Join the fragments of each message: where they are cut follows the input."""
    made: list[Any] = []
    for event in events:
        if isinstance(event, Fragment):
            if not event.first and made and isinstance(made[-1], list):
                made[-1] = [made[-1][0] + event.data, event.final]
                continue
            made.append([event.data, event.final])
        elif isinstance(event, str | bytes):
            made.append([event, True])
        else:
            made.append(event)
    return made


def outcome(engine: WebSocketEngine, pieces: list[bytes]) -> dict[str, Any]:
    events: list[Event] = []
    for piece in pieces:
        events += engine.receive(piece, 1.0)
    failure = engine.failure
    assert failure is None or failure.side == "remote"
    messages = [e for e in events if isinstance(e, str | bytes | Fragment)]
    return {
        "messages": joined(messages),
        "controls": [e for e in events if not isinstance(e, str | bytes | Fragment)],
        "failure": None if failure is None else (failure.code, failure.message),
        "limit": failure.limit_name if isinstance(failure, LimitError) else None,
        "state": engine.state,
        "action": engine.transport_action,
        "received": engine.close_received,
        "sent": None if engine.close_sent is None else engine.close_sent.code,
        "initiator": engine.close_initiator,
        "output": b"".join(engine.take_output()),
        "counters": (engine.bytes_received, engine.messages_received),
    }


@given(st.data(), st.booleans(), st.booleans(), st.booleans())
def test_engine_does_not_depend_on_cuts(
    data: st.DataObject, is_server: bool, streaming: bool, with_deflate: bool
) -> None:
    wire = data.draw(wires(to_server=is_server))
    make = server if is_server else client
    deflate = DEFLATE if with_deflate else None

    def run(pieces: list[bytes]) -> dict[str, Any]:
        return outcome(make(limits=LIMITS, deflate=deflate, streaming=streaming), pieces)

    whole = run([wire])
    octets = run([wire[index : index + 1] for index in range(len(wire))])
    drawn = run(data.draw(cuts(wire)))
    if streaming and whole["failure"] is not None:
        # What came before a wrong octet has been reported only if it came in a piece before.
        for each in (whole, octets, drawn):
            each["messages"] = [message for message in each["messages"] if message[1]]
    assert octets == whole
    assert drawn == whole


@given(st.data(), st.booleans())
def test_streaming_gives_the_same_messages(data: st.DataObject, is_server: bool) -> None:
    wire = data.draw(wires(to_server=is_server))
    make = server if is_server else client
    streamed = outcome(make(limits=LIMITS, streaming=True), [wire])
    whole = outcome(make(limits=LIMITS), [wire])
    finished = [message for message in streamed["messages"] if message[1]]
    assert finished == whole["messages"]
    assert streamed["failure"] == whole["failure"]
    assert streamed["controls"] == whole["controls"]


def items_of(module: ModuleType, is_server: bool, rsv1: bool, pieces: list[bytes]) -> Any:
    parser = module.FrameParser(
        is_server=is_server,
        allows_rsv1=rsv1,
        message_bytes_max=500,
        frame_bytes_max=280,
        fragments_max=4,
    )
    seen = []
    for piece in pieces:
        for item in parser.receive(piece):
            if isinstance(item, str | bytes):
                seen.append(item)
            elif hasattr(item, "opcode"):
                seen.append((item.opcode, item.payload))
            else:
                seen.append(
                    (item.payload, item.is_text, item.is_compressed, item.is_first, item.is_final)
                )
        seen.append(parser.has_only_messages)
    failure = parser.failure
    return seen, failure and (type(failure).__name__, failure.code, failure.message)


@given(st.data(), st.booleans(), st.booleans())
def test_both_builds_of_the_parser_agree(data: st.DataObject, is_server: bool, rsv1: bool) -> None:
    pieces = data.draw(cuts(data.draw(wires(to_server=is_server))))
    loaded = items_of(loaded_frames, is_server, rsv1, pieces)
    assert loaded == items_of(plain_frames, is_server, rsv1, pieces)


@given(
    st.integers(0, 15),
    st.binary(max_size=200) | st.sampled_from([bytes(65_535), bytes(65_536)]),
    st.booleans(),
    st.booleans(),
    st.none() | st.binary(min_size=4, max_size=4),
)
def test_both_builds_of_the_encoder_agree(
    opcode: int, payload: bytes, fin: bool, rsv1: bool, mask: bytes | None
) -> None:
    encoded = loaded_frames.encode_frame(opcode, payload, fin=fin, rsv1=rsv1, mask=mask)
    assert encoded == plain_frames.encode_frame(opcode, payload, fin=fin, rsv1=rsv1, mask=mask)
    assert encoded[0] == fin << 7 | rsv1 << 6 | opcode


@given(
    st.sampled_from([1, 2]), st.text(max_size=300), st.none() | st.binary(min_size=4, max_size=4)
)
def test_parser_reads_what_the_encoder_wrote(opcode: int, text: str, mask: bytes | None) -> None:
    parser = loaded_frames.FrameParser(is_server=mask is not None)
    frame = loaded_frames.encode_frame(opcode, text.encode(), mask=mask)
    assert parser.receive(frame) == [text if opcode == 1 else text.encode()]


@given(st.lists(st.binary(max_size=60), max_size=20), st.booleans(), st.booleans(), st.booleans())
def test_6455_any_bytes_never_raise(
    pieces: list[bytes], is_server: bool, streaming: bool, with_deflate: bool
) -> None:
    make = server if is_server else client
    engine = make(streaming=streaming, deflate=DEFLATE if with_deflate else None)
    for piece in pieces:
        engine.receive(piece, 1.0)
    engine.receive_eof(2.0)
    assert engine.state is State.CLOSED
    assert engine.failure is None or isinstance(engine.failure, ProtocolError)
    assert dataclasses.is_dataclass(engine.close_sent) or engine.close_sent is None
