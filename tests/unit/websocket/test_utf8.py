"""UTF-8 checked octet by octet (RFC 3629): both bodies against each other and Python's decoder."""

from __future__ import annotations

import random
from types import ModuleType
from typing import Any

import pytest

from longwire.websocket import _utf8
from tests.unit.websocket.wire import load_plain

plain = load_plain("_utf8")


class ScannerOfThePlainBuild:
    """The compiled body's algorithm, run as plain Python."""

    def __init__(self) -> None:
        self._validator: Any = plain.Utf8Validator()

    def feed(self, data: bytes) -> bool:
        return bool(self._validator._scan(data, len(data)))

    def is_complete(self) -> bool:
        return bool(self._validator._needed == 0)


BUILDS = [
    pytest.param(_utf8.Utf8Validator, id="loaded"),
    pytest.param(plain.Utf8Validator, id="plain"),
    pytest.param(ScannerOfThePlainBuild, id="scanner as plain Python"),
]

# Every octet at which the rules of RFC 3629 change, and its neighbours.
EDGES = (
    0x00, 0x41, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xC1, 0xC2, 0xDF,
    0xE0, 0xE1, 0xEC, 0xED, 0xEE, 0xEF, 0xF0, 0xF1, 0xF3, 0xF4, 0xF5, 0xF8, 0xFF,
)  # fmt: skip

VALID = (
    b"",
    b"plain ASCII",
    "κόσμε".encode(),
    b"\xc2\x80",
    b"\xdf\xbf",
    b"\xe0\xa0\x80",
    b"\xed\x9f\xbf",
    b"\xee\x80\x80",
    b"\xef\xbf\xbf",
    b"\xf0\x90\x80\x80",
    b"\xf4\x8f\xbf\xbf",
    b"a" * 15 + "é".encode() + b"b" * 16 + "☃".encode() + b"c" * 33 + "𝄞".encode(),
)

# The text, and how many of its octets may arrive before the failure.
INVALID = (
    (b"\x80", 0),
    (b"\xc0\x80", 0),
    (b"\xc1\xbf", 0),
    (b"\xc2A", 1),
    (b"\xe0\x9f\xbf", 1),
    (b"\xed\xa0\x80", 1),
    (b"\xed\xbf\xbf", 1),
    (b"\xe1\x80A", 2),
    (b"\xf0\x8f\xbf\xbf", 1),
    (b"\xf4\x90\x80\x80", 1),
    (b"\xf5\x80\x80\x80", 0),
    (b"\xf8\x88\x80\x80\x80", 0),
    (b"\xff", 0),
    (b"a" * 40 + b"\xfe", 40),
    (b"a" * 16 + b"\xe2\x98" + b"a" * 16, 18),
)


@pytest.mark.parametrize("build", BUILDS)
class TestUtf8Validator:
    @pytest.mark.parametrize("text", VALID)
    def test_accepts_valid_text_cut_anywhere(self, build: type[Any], text: bytes) -> None:
        for first in range(len(text) + 1):
            validator = build()
            assert validator.feed(text[:first])
            assert validator.feed(text[first:])
            assert validator.is_complete()

    @pytest.mark.parametrize(("text", "accepted"), INVALID)
    def test_6455_8_1_fails_at_the_first_wrong_octet(
        self, build: type[Any], text: bytes, accepted: int
    ) -> None:
        validator = build()
        for index in range(accepted):
            assert validator.feed(text[index : index + 1]), index
        assert not validator.feed(text[accepted : accepted + 1])
        assert not build().feed(text)

    @pytest.mark.parametrize("text", [b"\xc2", b"\xe2\x98", b"\xf0\x9d\x84", b"abc\xe2"])
    def test_knows_that_a_character_is_not_finished(self, build: type[Any], text: bytes) -> None:
        validator = build()
        assert validator.feed(text)
        assert not validator.is_complete()

    def test_agrees_with_the_decoder_on_pairs_and_triples_of_edges(self, build: type[Any]) -> None:
        for first in EDGES:
            for second in EDGES:
                check_against_decoder(build, bytes((first, second)))
                for third in EDGES:
                    check_against_decoder(build, bytes((first, second, third)))

    def test_agrees_with_the_decoder_on_mixtures(self, build: type[Any]) -> None:
        generator = random.Random(3)
        for _ in range(3000):
            text = bytes(generator.choice(EDGES) for _ in range(generator.randrange(1, 24)))
            check_against_decoder(build, b"x" * generator.randrange(20) + text)


def check_against_decoder(build: type[Any], text: bytes) -> None:
    try:
        text.decode()
        is_valid = True
    except UnicodeDecodeError:
        is_valid = False
    validator = build()
    assert (validator.feed(text) and validator.is_complete()) == is_valid, text


def test_the_plain_twin_is_plain() -> None:
    assert isinstance(plain, ModuleType)
    assert str(plain.__file__).endswith(".py")
