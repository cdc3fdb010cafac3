"""The opening handshake: any bytes as request or response give an answer or a HandshakeError.

The first octet chooses the side, the second the cut; the rest is what the peer sends.
"""

import sys

import atheris

with atheris.instrument_imports(include=["longwire"]):
    from longwire.base.limits import WebSocketLimits
    from longwire.websocket.deflate import DeflateOptions
    from longwire.websocket.handshake import (
        ClientHandshake,
        HandshakeError,
        HeadReader,
        accept_request,
        serialize_head,
    )

LIMITS = WebSocketLimits(handshake_head_bytes_max=1024, handshake_headers_max=16)

CLIENT = ClientHandshake(
    "ws://example.com/chat",
    entropy=bytes,
    subprotocols=["a", "b"],
    deflate=DeflateOptions(),
)


def answer(is_server: bool, pieces: list[bytes]) -> object:
    """Return what came of it in a form that can be compared."""
    reader = HeadReader(LIMITS)
    try:
        for piece in pieces:
            reader.feed(piece)
        if is_server:
            accepted = accept_request(
                reader.request(), subprotocols=["b"], deflate=DeflateOptions()
            )
            # What we answer is a head that can be read.
            assert HeadReader().feed(serialize_head(accepted.response))
        else:
            accepted = CLIENT.check_response(reader.response())
    except HandshakeError as error:
        assert error.message
        if is_server:
            assert HeadReader().feed(serialize_head(error.response()))
        return error.status
    return accepted.subprotocol, accepted.deflate, reader.rest


def test_one_input(data: bytes) -> None:
    if len(data) < 2:
        return
    is_server, wire = bool(data[0] & 1), data[2:]
    cut = data[1] % (len(wire) + 1)
    whole = answer(is_server, [wire])
    assert answer(is_server, [wire[:cut], wire[cut:]]) == whole
    assert answer(is_server, [wire[index : index + 1] for index in range(len(wire))]) == whole


atheris.Setup(sys.argv, test_one_input)
atheris.Fuzz()
