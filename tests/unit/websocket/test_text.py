"""Text at the borders of UTF-8 (RFC 3629): whole, in fragments, cut anywhere."""

from __future__ import annotations

import pytest

from longwire.websocket.connection import WebSocketEngine
from tests.unit.websocket.wire import client, frame_to, receive, server

# The first and last character of each length, and those next to the surrogates.
BORDERS = (0x00, 0x7F, 0x80, 0x7FF, 0x800, 0xD7FF, 0xE000, 0xFFFD, 0xFFFF, 0x10000, 0x10FFFF)

# Permanently unassigned, and still characters that UTF-8 can carry.
NONCHARACTERS = [0xFDD0, 0xFDEF] + [
    plane << 16 | last for plane in range(17) for last in (0xFFFE, 0xFFFF)
]

SURROGATES = (0xD800, 0xDB7F, 0xDB80, 0xDBFF, 0xDC00, 0xDF80, 0xDFFF)


def as_three_octets(code: int) -> bytes:
    return bytes((0xE0 | code >> 12, 0x80 | code >> 6 & 0x3F, 0x80 | code & 0x3F))


MALFORMED = {
    "beyond U+10FFFF": [b"\xf4\x90\x80\x80", b"\xf7\xbf\xbf\xbf"],
    "five and six octets": [
        b"\xf8\x88\x80\x80\x80",
        b"\xfb\xbf\xbf\xbf\xbf",
        b"\xfc\x84" + b"\x80" * 4,
    ],
    "lone continuations": [b"\x80", b"\xbf", b"\x80\xbf" * 3, bytes(range(0x80, 0xC0))],
    "lone starts": [bytes((start, 0x20)) for start in range(0xC2, 0xF5)],
    "one octet short": [
        b"\xdf ",
        b"\xef\xbf ",
        b"\xf4\x8f\xbf ",
        b"\xc2\xc2\x80",
        b"\xe1\x80\xe1\x80\x80",
    ],
    "never in UTF-8": [b"\xfe", b"\xff", b"\xfe\xfe\xff\xff", b"\xc0", b"\xc1", b"\xf5"],
    "overlong": [
        b"\xc0\xaf",
        b"\xe0\x80\xaf",
        b"\xf0\x80\x80\xaf",
        b"\xc1\xbf",
        b"\xe0\x9f\xbf",
        b"\xf0\x8f\xbf\xbf",
        b"\xc0\x80",
        b"\xe0\x80\x80",
        b"\xf0\x80\x80\x80",
    ],
    "surrogates": [as_three_octets(code) for code in SURROGATES],
    "pairs of surrogates": [
        as_three_octets(high) + as_three_octets(low)
        for high in SURROGATES[:4]
        for low in SURROGATES[4:]
    ],
}


@pytest.fixture
def engine(role: str) -> WebSocketEngine:
    return client() if role == "client" else server()


def test_3629_border_characters_are_text(engine: WebSocketEngine, way: str) -> None:
    texts = [chr(code) for code in BORDERS] + ["".join(map(chr, BORDERS)) * 3]
    data = b"".join(frame_to(engine, 1, text.encode()) for text in texts)
    assert receive(engine, data, way) == texts


def test_3629_noncharacters_are_text(engine: WebSocketEngine, way: str) -> None:
    text = "".join(map(chr, NONCHARACTERS))
    assert receive(engine, frame_to(engine, 1, text.encode()), way) == [text]


def test_3629_every_cut_of_a_text_into_fragments_is_text(engine: WebSocketEngine) -> None:
    text = "aé☃𝄞\U0010ffff"
    encoded = text.encode()
    for first in range(len(encoded) + 1):
        for second in range(first, len(encoded) + 1):
            data = (
                frame_to(engine, 1, encoded[:first], fin=False)
                + frame_to(engine, 0, encoded[first:second], fin=False)
                + frame_to(engine, 0, encoded[second:])
            )
            assert receive(engine, data) == [text]


@pytest.mark.parametrize("kind", MALFORMED)
def test_3629_malformed_octets_fail_the_connection(role: str, way: str, kind: str) -> None:
    for octets in MALFORMED[kind]:
        for before, after in (
            (b"", b""),
            (b"ok ", b""),
            ("é☃".encode(), b" tail"),
            (b"", b"x" * 40),
        ):
            engine = client() if role == "client" else server()
            assert receive(engine, frame_to(engine, 1, before + octets + after), way) == []
            failure = engine.failure
            assert failure is not None and failure.code == 1007, (octets, before)
            try:
                (before + octets + after).decode()
            except UnicodeDecodeError as error:
                # Wherever it was cut, the sentence names the same place.
                assert f"the character at byte {error.start} is broken" in failure.message
