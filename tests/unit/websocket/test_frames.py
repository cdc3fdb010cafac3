"""The frame parser and encoder (RFC 6455 section 5), loaded build and plain twin alike."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest

from longwire.base.errors import LimitError, ProtocolError
from longwire.websocket import frames as loaded
from tests.unit.websocket.wire import KEY, cut, load_plain_frames

BUILDS = [pytest.param(loaded, id="loaded"), pytest.param(load_plain_frames(), id="plain")]


@pytest.fixture(params=BUILDS)
def frames(request: pytest.FixtureRequest) -> ModuleType:
    module: ModuleType = request.param
    return module


def scan(parser: Any, data: bytes, way: str = "whole") -> list[Any]:
    """Feed ``data`` and return what came, pieces of a message joined."""
    items: list[Any] = []
    for piece in cut(data, way):
        for item in parser.receive(piece):
            if isinstance(item, (str, bytes)):
                items.append(item)
            elif hasattr(item, "opcode"):
                items.append((item.opcode, item.payload))
            elif item.is_first or not items or not isinstance(items[-1], list):
                items.append([item.is_text, item.is_compressed, item.payload, item.is_final])
            else:
                items[-1][2] += item.payload
                items[-1][3] = item.is_final
    return [finish(item) for item in items]


def finish(item: Any) -> Any:
    """Turn the pieces of a whole uncompressed message into the message."""
    if isinstance(item, list):
        is_text, is_compressed, payload, is_final = item
        if is_final and not is_compressed:
            return payload.decode() if is_text else payload
    return item


def plain_frame(first: int, length: bytes, payload: bytes = b"") -> bytes:
    return bytes((first,)) + length + payload


class TestExamplesOfSection5_7:
    """The frames that RFC 6455 section 5.7 spells out."""

    HELLO = bytes.fromhex("810548656c6c6f")
    HELLO_MASKED = bytes.fromhex("818537fa213d7f9f4d5158")
    HELLO_IN_TWO = bytes.fromhex("010348656c80026c6f")
    PING = bytes.fromhex("890548656c6c6f")
    PONG_MASKED = bytes.fromhex("8a8537fa213d7f9f4d5158")

    def test_6455_5_7_parser_reads_the_examples(self, frames: ModuleType, way: str) -> None:
        assert scan(frames.FrameParser(is_server=False), self.HELLO, way) == ["Hello"]
        assert scan(frames.FrameParser(is_server=True), self.HELLO_MASKED, way) == ["Hello"]
        assert scan(frames.FrameParser(is_server=False), self.HELLO_IN_TWO, way) == ["Hello"]
        assert scan(frames.FrameParser(is_server=False), self.PING, way) == [(9, b"Hello")]
        assert scan(frames.FrameParser(is_server=True), self.PONG_MASKED, way) == [(10, b"Hello")]

    def test_6455_5_7_parser_reads_long_lengths(self, frames: ModuleType, way: str) -> None:
        for header, size in (("827e0100", 256), ("827f0000000000010000", 65_536)):
            data = bytes.fromhex(header) + bytes(size)
            assert scan(frames.FrameParser(is_server=False), data, way) == [bytes(size)]

    def test_6455_5_7_encoder_writes_the_examples(self, frames: ModuleType) -> None:
        assert frames.encode_frame(1, b"Hello") == self.HELLO
        assert frames.encode_frame(1, b"Hello", mask=KEY) == self.HELLO_MASKED
        first = frames.encode_frame(1, b"Hel", fin=False)
        assert first + frames.encode_frame(0, b"lo") == self.HELLO_IN_TWO
        assert frames.encode_frame(9, b"Hello") == self.PING
        assert frames.encode_frame(10, b"Hello", mask=KEY) == self.PONG_MASKED
        assert frames.encode_frame(2, bytes(256))[:4] == bytes.fromhex("827e0100")
        assert frames.encode_frame(2, bytes(65_536))[:10] == bytes.fromhex("827f0000000000010000")


class TestLengths:
    @pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 128, 65_535, 65_536, 65_537])
    @pytest.mark.parametrize("opcode", [1, 2])
    def test_6455_5_2_every_length_form_goes_there_and_back(
        self, frames: ModuleType, size: int, opcode: int
    ) -> None:
        payload = b"x" * size
        expected = payload.decode() if opcode == 1 else payload
        for mask in (None, KEY):
            parser = frames.FrameParser(is_server=mask is not None)
            frame = frames.encode_frame(opcode, payload, mask=mask)
            assert scan(parser, frame, "random") == [expected]
            assert scan(parser, frame * 2) == [expected] * 2

    @pytest.mark.parametrize("length", [0, 1, 125])
    def test_6455_5_2_parser_fails_16_bits_for_a_short_length(
        self, frames: ModuleType, way: str, length: int
    ) -> None:
        parser = frames.FrameParser(is_server=False)
        data = plain_frame(0x82, b"\x7e" + length.to_bytes(2, "big"), bytes(length))
        assert scan(parser, data, way) == []
        assert parser.failure.code == 1002
        assert "fewest" in parser.failure.message

    @pytest.mark.parametrize("length", [0, 125, 126, 65_535])
    def test_6455_5_2_parser_fails_64_bits_for_a_shorter_length(
        self, frames: ModuleType, way: str, length: int
    ) -> None:
        parser = frames.FrameParser(is_server=False)
        data = plain_frame(0x82, b"\x7f" + length.to_bytes(8, "big"))
        assert scan(parser, data, way) == []
        assert parser.failure.code == 1002

    def test_6455_5_2_parser_fails_the_highest_bit_of_a_length(
        self, frames: ModuleType, way: str
    ) -> None:
        parser = frames.FrameParser(is_server=False)
        assert scan(parser, plain_frame(0x82, b"\x7f" + b"\xff" * 8), way) == []
        assert parser.failure.code == 1002
        assert "highest bit" in parser.failure.message

    def test_6455_5_2_parser_takes_the_largest_length(self, frames: ModuleType, way: str) -> None:
        parser = frames.FrameParser(is_server=False)
        header = plain_frame(0x02, b"\x7f\x7f" + b"\xff" * 7)
        assert scan(parser, header + b"abc", way) == [[False, False, b"abc", False]]
        assert parser.failure is None


class TestFirstTwoOctets:
    """What section 5.2 says about the first two octets fails as soon as both are there."""

    @pytest.mark.parametrize("bits", range(1, 8))
    @pytest.mark.parametrize("opcode", [0, 1, 2, 8, 9, 10])
    def test_6455_5_2_parser_fails_reserved_bits(
        self, frames: ModuleType, bits: int, opcode: int
    ) -> None:
        parser = frames.FrameParser(is_server=True)
        assert parser.receive(bytes((0x80 | bits << 4 | opcode, 0x80))) == []
        assert parser.failure.code == 1002
        assert "reserved bits" in parser.failure.message

    @pytest.mark.parametrize("opcode", [3, 4, 5, 6, 7, 11, 12, 13, 14, 15])
    @pytest.mark.parametrize("fin", [0, 0x80])
    def test_6455_5_2_parser_fails_reserved_opcodes(
        self, frames: ModuleType, opcode: int, fin: int
    ) -> None:
        parser = frames.FrameParser(is_server=True)
        assert parser.receive(bytes((fin | opcode, 0x80))) == []
        assert parser.failure.code == 1002
        assert f"opcode {opcode} is reserved" in parser.failure.message

    @pytest.mark.parametrize("opcode", [1, 2, 8, 9, 10])
    def test_6455_5_1_server_fails_unmasked_frame(self, frames: ModuleType, opcode: int) -> None:
        parser = frames.FrameParser(is_server=True)
        assert parser.receive(bytes((0x80 | opcode, 0))) == []
        assert parser.failure.code == 1002
        assert "not masked" in parser.failure.message

    @pytest.mark.parametrize("opcode", [1, 2, 8, 9, 10])
    def test_6455_5_1_client_fails_masked_frame(self, frames: ModuleType, opcode: int) -> None:
        parser = frames.FrameParser(is_server=False)
        assert parser.receive(bytes((0x80 | opcode, 0x80))) == []
        assert parser.failure.code == 1002
        assert "is masked" in parser.failure.message

    @pytest.mark.parametrize("opcode", [8, 9, 10])
    @pytest.mark.parametrize("length", [126, 127])
    def test_6455_5_5_parser_fails_long_control_frame(
        self, frames: ModuleType, opcode: int, length: int
    ) -> None:
        parser = frames.FrameParser(is_server=False)
        assert parser.receive(bytes((0x80 | opcode, length))) == []
        assert parser.failure.code == 1002

    @pytest.mark.parametrize("opcode", [8, 9, 10])
    def test_6455_5_5_parser_fails_fragmented_control_frame(
        self, frames: ModuleType, opcode: int
    ) -> None:
        parser = frames.FrameParser(is_server=False)
        assert parser.receive(bytes((opcode, 0))) == []
        assert parser.failure.code == 1002
        assert "fragmented" in parser.failure.message


class TestFragmentation:
    """RFC 6455 section 5.4."""

    def test_6455_5_4_parser_joins_fragments(self, frames: ModuleType, way: str) -> None:
        parser = frames.FrameParser(is_server=True)
        data = b"".join(
            frames.encode_frame(opcode, payload, fin=fin, mask=KEY)
            for opcode, payload, fin in (
                (1, b"a", False),
                (0, b"", False),
                (0, "é".encode(), False),
                (0, b"z", True),
                (2, b"after", True),
            )
        )
        assert scan(parser, data, way) == ["aéz", b"after"]

    def test_6455_5_4_parser_gives_control_frames_between_fragments(
        self, frames: ModuleType, way: str
    ) -> None:
        parser = frames.FrameParser(is_server=False)
        data = (
            frames.encode_frame(2, b"ab", fin=False)
            + frames.encode_frame(9, b"ping")
            + frames.encode_frame(0, b"cd", fin=False)
            + frames.encode_frame(10, b"")
            + frames.encode_frame(0, b"", fin=True)
        )
        controls = [item for item in scan(parser, data, way) if isinstance(item, tuple)]
        assert controls == [(9, b"ping"), (10, b"")]
        assert parser.failure is None

    @pytest.mark.parametrize("fin", [False, True])
    def test_6455_5_4_parser_fails_continuation_of_nothing(
        self, frames: ModuleType, way: str, fin: bool
    ) -> None:
        parser = frames.FrameParser(is_server=False)
        data = frames.encode_frame(2, b"whole") + frames.encode_frame(0, b"x", fin=fin)
        assert scan(parser, data, way) == [b"whole"]
        assert parser.failure.code == 1002
        assert "continuation" in parser.failure.message

    @pytest.mark.parametrize("fin", [False, True])
    @pytest.mark.parametrize("opcode", [1, 2])
    def test_6455_5_4_parser_fails_message_inside_message(
        self, frames: ModuleType, way: str, opcode: int, fin: bool
    ) -> None:
        parser = frames.FrameParser(is_server=False)
        data = frames.encode_frame(1, b"a", fin=False) + frames.encode_frame(opcode, b"b", fin=fin)
        assert scan(parser, data, way) == [[True, False, b"a", False]]
        assert parser.failure.code == 1002


class TestCompressedBit:
    """RFC 7692 section 6."""

    def test_7692_6_parser_marks_compressed_messages(self, frames: ModuleType, way: str) -> None:
        parser = frames.FrameParser(is_server=False, allows_rsv1=True)
        data = (
            frames.encode_frame(1, b"\x02", fin=False, rsv1=True)
            + frames.encode_frame(0, b"\x00")
            + frames.encode_frame(1, b"plain")
        )
        assert scan(parser, data, way) == [[True, True, b"\x02\x00", True], "plain"]

    @pytest.mark.parametrize("opcode", [0, 8, 9, 10])
    def test_7692_6_parser_fails_the_bit_elsewhere(
        self, frames: ModuleType, way: str, opcode: int
    ) -> None:
        parser = frames.FrameParser(is_server=False, allows_rsv1=True)
        begun = frames.encode_frame(1, b"a", fin=False, rsv1=True)
        scan(parser, begun + frames.encode_frame(opcode, b"", rsv1=True), way)
        assert parser.failure.code == 1002
        assert "RSV1" in parser.failure.message

    @pytest.mark.parametrize("bits", [0x20, 0x10, 0x30, 0x60, 0x50, 0x70])
    def test_7692_6_parser_fails_the_other_reserved_bits(
        self, frames: ModuleType, bits: int
    ) -> None:
        parser = frames.FrameParser(is_server=False, allows_rsv1=True)
        parser.receive(bytes((0x81 | bits, 0)))
        assert parser.failure.code == 1002


class TestAfterTheEnd:
    def test_6455_5_5_1_parser_ignores_all_after_a_close_frame(
        self, frames: ModuleType, way: str
    ) -> None:
        parser = frames.FrameParser(is_server=False)
        data = frames.encode_frame(8, b"\x03\xe8") + frames.encode_frame(1, b"late") + b"\xff" * 50
        assert scan(parser, data, way) == [(8, b"\x03\xe8")]
        assert parser.failure is None

    def test_6455_7_1_7_parser_ignores_all_after_a_failure(
        self, frames: ModuleType, way: str
    ) -> None:
        parser = frames.FrameParser(is_server=False)
        data = frames.encode_frame(2, b"ok") + b"\xf1\x00" + frames.encode_frame(2, b"late")
        assert scan(parser, data, way) == [b"ok"]
        failure = parser.failure
        assert parser.receive(b"\x83\x00") == []
        assert parser.failure is failure

    def test_6455_8_1_parser_fails_text_that_is_not_utf8(self, frames: ModuleType) -> None:
        parser = frames.FrameParser(is_server=False)
        data = frames.encode_frame(1, b"fine") + frames.encode_frame(1, b"ab\xff")
        assert parser.receive(data) == ["fine"]
        assert parser.failure.code == 1007
        assert "the character at byte 2 is broken" in parser.failure.message


class TestLimits:
    """Every limit fails from the header, before any payload (RFC 6455 section 10.4)."""

    @pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65_535, 65_536])
    def test_message_limit_holds_at_its_edge(self, frames: ModuleType, size: int) -> None:
        for length in (size, size + 1):
            parser = frames.FrameParser(is_server=False, message_bytes_max=size)
            frame = frames.encode_frame(2, bytes(length))
            header = frame[: len(frame) - length]
            assert parser.receive(header) == ([] if length else [b""])
            assert (parser.failure is not None) == (length > size)
        assert isinstance(parser.failure, LimitError)
        assert parser.failure.code == 1009
        assert parser.failure.limit_name == "message_bytes_max"
        assert (parser.failure.value, parser.failure.maximum) == (size + 1, size)

    def test_message_limit_counts_all_fragments(self, frames: ModuleType, way: str) -> None:
        parser = frames.FrameParser(is_server=False, message_bytes_max=10)
        data = frames.encode_frame(2, bytes(6), fin=False) + frames.encode_frame(0, bytes(4))
        assert scan(parser, data + data, way) == [bytes(10)] * 2
        scan(parser, frames.encode_frame(2, bytes(6), fin=False), way)
        scan(parser, frames.encode_frame(0, b"", fin=False), way)
        assert parser.failure is None
        parser.receive(b"\x80\x05")
        assert parser.failure.limit_name == "message_bytes_max"
        assert parser.failure.value == 11

    def test_message_limit_survives_lengths_that_overflow(self, frames: ModuleType) -> None:
        parser = frames.FrameParser(is_server=False, message_bytes_max=2**63 - 1)
        parser.receive(frames.encode_frame(2, b"abc", fin=False))
        parser.receive(b"\x00\x7f\x7f" + b"\xff" * 7)
        assert parser.failure.limit_name == "message_bytes_max"
        assert parser.failure.value == 2**63 + 2

    def test_message_limit_leaves_compressed_frames_to_the_inflater(
        self, frames: ModuleType
    ) -> None:
        parser = frames.FrameParser(is_server=False, allows_rsv1=True, message_bytes_max=10)
        parser.receive(frames.encode_frame(2, bytes(100), rsv1=True))
        assert parser.failure is None

    @pytest.mark.parametrize("rsv1", [False, True])
    def test_frame_limit_holds_at_its_edge(self, frames: ModuleType, rsv1: bool) -> None:
        for length in (200, 201):
            parser = frames.FrameParser(is_server=False, allows_rsv1=True, frame_bytes_max=200)
            parser.receive(frames.encode_frame(2, bytes(length), rsv1=rsv1)[:4])
            assert (parser.failure is not None) == (length > 200)
        assert parser.failure.code == 1009
        assert parser.failure.limit_name == "frame_bytes_max"

    def test_fragments_limit_holds_at_its_edge(self, frames: ModuleType, way: str) -> None:
        parser = frames.FrameParser(is_server=False, fragments_max=3)
        start = frames.encode_frame(2, b"", fin=False) + frames.encode_frame(0, b"", fin=False)
        assert scan(parser, start + frames.encode_frame(0, b"x"), way) == [b"x"]
        scan(parser, start + frames.encode_frame(0, b"", fin=False), way)
        assert parser.failure is None
        scan(parser, frames.encode_frame(0, b"", fin=False), way)
        assert parser.failure.code == 1009
        assert parser.failure.limit_name == "fragments_max"

    def test_fragments_limit_does_not_count_an_empty_end(
        self, frames: ModuleType, way: str
    ) -> None:
        parser = frames.FrameParser(is_server=False, fragments_max=1)
        data = frames.encode_frame(2, b"x", fin=False) + frames.encode_frame(0, b"")
        assert scan(parser, data, way) == [b"x"]
        assert scan(parser, frames.encode_frame(2, b""), way) == [b""]
        assert parser.failure is None

    def test_limits_do_not_touch_control_frames(self, frames: ModuleType) -> None:
        parser = frames.FrameParser(is_server=False, message_bytes_max=0, frame_bytes_max=0)
        assert scan(parser, frames.encode_frame(9, bytes(125))) == [(9, bytes(125))]
        assert parser.failure is None


class TestPieces:
    def test_streaming_parser_gives_whole_messages_as_pieces(self, frames: ModuleType) -> None:
        parser = frames.FrameParser(is_server=False, emits_pieces=True)
        items = parser.receive(frames.encode_frame(1, b"abc") + frames.encode_frame(2, b""))
        seen = [(i.payload, i.is_text, i.is_first, i.is_final) for i in items]
        assert seen == [(b"abc", True, True, True), (b"", False, True, True)]
        assert not parser.has_only_messages

    def test_parser_gives_payload_as_it_arrives(self, frames: ModuleType) -> None:
        parser = frames.FrameParser(is_server=True)
        frame = frames.encode_frame(2, bytes(range(200)), mask=KEY)
        got = b""
        for octet in cut(frame, "octets"):
            items = parser.receive(octet)
            got += b"".join(item.payload for item in items)
            assert not parser.has_only_messages or not items
        assert got == bytes(range(200))

    def test_parser_says_when_there_are_only_messages(self, frames: ModuleType) -> None:
        parser = frames.FrameParser(is_server=False)
        assert parser.receive(frames.encode_frame(1, b"a") * 3) == ["a"] * 3
        assert parser.has_only_messages
        parser.receive(frames.encode_frame(1, b"a") + frames.encode_frame(9, b""))
        assert not parser.has_only_messages
        assert parser.receive(frames.encode_frame(2, b"a")) == [b"a"]
        assert parser.has_only_messages


class TestEncoder:
    def test_encode_message_makes_a_servers_frame(self, frames: ModuleType) -> None:
        assert frames.encode_message("é") == b"\x81\x02\xc3\xa9"
        assert frames.encode_message(b"\x00\xff") == b"\x82\x02\x00\xff"
        assert frames.encode_message(bytearray(b"ab"), text=True) == b"\x81\x02ab"
        assert frames.encode_message(memoryview(b"ab")) == b"\x82\x02ab"
        assert frames.encode_message("a", text=False) == b"\x82\x01a"

    def test_encode_message_refuses_what_is_no_message(self, frames: ModuleType) -> None:
        with pytest.raises(TypeError, match="not int"):
            frames.encode_message(5)
        with pytest.raises(ProtocolError) as caught:
            frames.encode_message("\ud800")
        assert caught.value.side == "local"
        with pytest.raises(ProtocolError):
            frames.encode_message(b"\xff", text=True)

    def test_encode_frame_refuses_a_key_of_another_length(self, frames: ModuleType) -> None:
        for key in (b"", b"abc", b"abcde"):
            with pytest.raises(ValueError, match="4 bytes"):
                frames.encode_frame(1, b"x", mask=key)
