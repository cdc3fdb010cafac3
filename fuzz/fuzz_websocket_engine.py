"""The WebSocket engine: any bytes in any role, whole and cut, give the same and never raise.

The first four octets of the input choose role, streaming, deflate and the cuts; the rest is what
the peer sends, with masking keys as they stand.
"""

import random
import sys

import atheris

with atheris.instrument_imports(include=["longwire"]):
    from longwire.base.errors import ProtocolError
    from longwire.base.limits import WebSocketLimits
    from longwire.websocket.connection import Role, State, WebSocketEngine
    from longwire.websocket.deflate import DeflateParameters
    from longwire.websocket.events import Fragment

LIMITS = WebSocketLimits(
    message_bytes_max=4096,
    frame_bytes_max=2048,
    fragments_max=8,
    control_frames_per_s_max=2.0,
)


def run(choices: int, pieces: list[bytes]) -> tuple[object, ...]:
    engine = WebSocketEngine(
        Role.SERVER if choices & 1 else Role.CLIENT,
        now=0.0,
        entropy=bytes,
        limits=LIMITS,
        deflate=DeflateParameters() if choices & 4 else None,
        streaming=bool(choices & 2),
    )
    messages: list[object] = []
    others: list[object] = []
    partial: str | bytes | None = None
    for piece in pieces:
        for event in engine.receive(piece, 1.0):
            if isinstance(event, Fragment):
                partial = event.data if partial is None else partial + event.data
                assert len(partial) <= 4096
                if event.final:
                    messages.append(partial)
                    partial = None
            elif isinstance(event, str | bytes):
                assert len(event) <= 4096
                messages.append(event)
            else:
                others.append(event)
    failure = engine.failure
    assert failure is None or (isinstance(failure, ProtocolError) and failure.side == "remote")
    assert (engine.state is State.OPEN) == (engine.close_sent is None)
    engine.take_output()
    result = (
        messages,
        others,
        failure and failure.code,
        engine.close_received,
        engine.close_sent and engine.close_sent.code,
        engine.transport_action,
    )
    engine.receive_eof(2.0)
    assert engine.state is State.CLOSED
    return result


def test_one_input(data: bytes) -> None:
    if len(data) < 4:
        return
    choices, wire = data[0], data[4:]
    whole = run(choices, [wire])
    generator = random.Random(data[1:4])
    places = sorted(generator.randrange(len(wire) + 1) for _ in range(generator.randrange(8)))
    pieces = [
        wire[start:stop] for start, stop in zip([0, *places], [*places, len(wire)], strict=True)
    ]
    assert run(choices, pieces) == whole, (whole, pieces)


atheris.Setup(sys.argv, test_one_input)
atheris.Fuzz()
