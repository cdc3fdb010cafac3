"""Masking (RFC 6455 section 5.3): the loaded build, the plain twin and the definition agree."""

from __future__ import annotations

import random
from types import ModuleType

import pytest

from longwire.websocket import _mask
from tests.unit.websocket.wire import load_plain

BUILDS = [pytest.param(_mask, id="loaded"), pytest.param(load_plain("_mask"), id="plain")]


def by_definition(data: bytes, key: bytes) -> bytes:
    # RFC 6455 section 5.3: j = i MOD 4; transformed-octet-i = original-octet-i XOR key-octet-j.
    return bytes(octet ^ key[index % 4] for index, octet in enumerate(data))


@pytest.mark.parametrize("build", BUILDS)
class TestMaskRange:
    def test_6455_5_3_masks_as_defined_at_every_length(self, build: ModuleType) -> None:
        generator = random.Random(1)
        for length in [*range(70), 125, 126, 1000, 65_535, 65_536, 65_537]:
            data, key = generator.randbytes(length), generator.randbytes(4)
            assert build.mask_range(data, 0, length, key) == by_definition(data, key), length

    def test_6455_5_3_masks_a_range_from_its_own_start(self, build: ModuleType) -> None:
        data, key = bytes(range(64)), b"\x01\x20\x83\xff"
        for start in range(8):
            for stop in range(start, 40):
                expected = by_definition(data[start:stop], key)
                assert build.mask_range(data, start, stop, key) == expected

    def test_undoes_itself(self, build: ModuleType) -> None:
        data, key = random.Random(2).randbytes(1000), b"\xde\xad\xbe\xef"
        masked = build.mask_range(data, 0, 1000, key)
        assert masked != data
        assert build.mask_range(masked, 0, 1000, key) == data

    def test_keeps_leading_and_trailing_zeros(self, build: ModuleType) -> None:
        key = b"\x01\x02\x03\x04"
        assert build.mask_range(key * 3, 0, 12, key) == bytes(12)

    def test_gives_nothing_for_an_empty_range(self, build: ModuleType) -> None:
        assert build.mask_range(b"abcd", 2, 2, b"1234") == b""
        assert build.mask_range(b"", 0, 0, b"1234") == b""

    def test_leaves_its_input_alone(self, build: ModuleType) -> None:
        data = bytes(range(100))
        copy = bytes(bytearray(data))
        build.mask_range(data, 0, 100, b"abcd")
        assert data == copy
