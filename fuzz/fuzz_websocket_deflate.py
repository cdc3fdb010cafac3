"""permessage-deflate: any bytes inflate within the limit or are refused; messages come back.

The first octet chooses window bits and takeover, the second what is done: inflate the rest as one
message or as several, or send the rest there and back.
"""

import sys

import atheris

with atheris.instrument_imports(include=["longwire"]):
    from longwire.base.errors import LimitError, ProtocolError
    from longwire.websocket.deflate import Deflater, Inflater

MAXIMUM = 20_000


def inflate_anything(bits: int, resets: bool, wire: bytes, size: int) -> None:
    receiver = Inflater(bits, resets)
    total = 0
    for start in range(0, len(wire), size):
        piece = wire[start : start + size]
        # Every eighth piece ends a message.
        is_final = start // size % 8 == 7
        try:
            inflated = receiver.inflate(piece, is_final=is_final, before=total, maximum=MAXIMUM)
        except LimitError as error:
            assert error.code == 1009 and error.value > MAXIMUM
            return
        except ProtocolError as error:
            assert error.code == 1007
            return
        total = 0 if is_final else total + len(inflated)
        assert total <= MAXIMUM


def send_there_and_back(bits: int, resets: bool, data: bytes, size: int) -> None:
    sender = Deflater(bits, resets, level=6, memory_level=5)
    receiver = Inflater(bits, resets)
    for message in (data, data[::-1], b"", data * 2):
        parts = [message[start : start + size] for start in range(0, len(message), size)] or [b""]
        got = b""
        for index, part in enumerate(parts):
            is_final = index == len(parts) - 1
            wire = sender.deflate(part, is_final=is_final)
            got += receiver.inflate(wire, is_final=is_final, before=len(got), maximum=None)
        assert got == message


def test_one_input(data: bytes) -> None:
    if len(data) < 2:
        return
    bits, resets = 8 + (data[0] & 7), bool(data[0] & 8)
    size = 1 + (data[1] >> 1)
    if data[1] & 1:
        inflate_anything(bits, resets, data[2:], size)
    else:
        send_there_and_back(bits, resets, data[2:], size)


atheris.Setup(sys.argv, test_one_input)
atheris.Fuzz()
