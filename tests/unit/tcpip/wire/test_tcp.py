"""TCP segments: known octets, and options with hostile lengths."""

from __future__ import annotations

import struct

import pytest

from longwire.tcpip.addresses import parse_address
from longwire.tcpip.reasons import Reason
from longwire.tcpip.wire.checksum import checksum, pseudo_header, word_sum
from longwire.tcpip.wire.errors import WireError
from longwire.tcpip.wire.tcp import ACK, PSH, SYN, Segment, TcpView

SOURCE = parse_address("10.0.0.1")
DESTINATION = parse_address("10.0.0.2")


def segment_with(options: bytes, *, offset: int | None = None, text: bytes = b"") -> bytes:
    """A segment whose option octets are these, with a right checksum."""
    octets = 20 + len(options) if offset is None else offset
    head = struct.pack("!HHIIBBHHH", 1, 2, 3, 4, octets << 2, ACK, 5, 0, 0) + options + text
    total = pseudo_header(SOURCE, DESTINATION, 6, len(head)) + word_sum(head)
    return head[:16] + struct.pack("!H", checksum(total)) + head[18:]


def reason_of(data: bytes) -> Reason:
    with pytest.raises(WireError) as caught:
        TcpView(data, SOURCE, DESTINATION)
    return caught.value.reason


def test_segment_encodes_to_known_octets() -> None:
    segment = Segment(
        40000, 80, 0x01020304, 0, SYN, 64240, mss=1460, window_scale=7, sack_permitted=True,
        timestamp=1, timestamp_echo=0,
    )  # fmt: skip
    octets = segment.encode(SOURCE, DESTINATION)
    ports, sequence, acknowledgment = "9c400050", "01020304", "00000000"
    options = "020405b401030307010104020101080a0000000100000000"
    assert octets[:16].hex() == ports + sequence + acknowledgment + "b002faf0"
    assert octets[18:].hex() == "0000" + options
    assert checksum(pseudo_header(SOURCE, DESTINATION, 6, len(octets)) + word_sum(octets)) == 0


@pytest.mark.parametrize(
    "options",
    [
        b"\x02\x00\x00\x00",  # maximum segment size of no length
        b"\x02\x01\x00\x00",
        b"\x02\x03\x05\x00",
        b"\x02\x05\x05\xb4\x00\x00\x00\x00",
        b"\x01\x01\x01\x02",  # a kind without its length
        b"\x01\x01\x08\x0a",  # timestamps past the header
        b"\x03\x04\x07\x00",
        b"\x04\x03\x00\x00",
        b"\x05\x02\x00\x00",  # selective acknowledgments without a block
        b"\x05\x0b" + bytes(10),
        b"\xfe\x00\x00\x00",  # unknown, of no length
        b"\xfe\xff\x00\x00",
    ],
)
def test_9293_must_7_illegal_option_length_is_refused(options: bytes) -> None:
    assert reason_of(segment_with(options)) is Reason.TCP_OPTION_LENGTH


def test_9293_must_6_unknown_option_is_passed_over() -> None:
    view = TcpView(segment_with(b"\xfe\x04\x00\x00\x02\x04\x05\xb4"), SOURCE, DESTINATION)
    assert view.options.mss == 1460


def test_9293_must_64_option_need_not_be_aligned() -> None:
    view = TcpView(segment_with(b"\x01\x02\x04\x05\xb4\x03\x03\x07"), SOURCE, DESTINATION)
    assert (view.options.mss, view.options.window_scale) == (1460, 7)


def test_9293_must_5_options_are_read_on_a_segment_that_is_no_syn() -> None:
    view = TcpView(segment_with(b"\x02\x04\x02\x18", text=b"hello"), SOURCE, DESTINATION)
    assert view.options.mss == 536
    assert bytes(view.text) == b"hello"


def test_octets_behind_the_end_of_options_are_ignored() -> None:
    view = TcpView(segment_with(b"\x00\x02\x00\x00"), SOURCE, DESTINATION)
    assert view.options.mss is None


@pytest.mark.parametrize("offset", [0, 16, 24, 60])
def test_data_offset_outside_the_segment_is_refused(offset: int) -> None:
    assert reason_of(segment_with(b"", offset=offset)) is Reason.TCP_DATA_OFFSET


def test_short_segment_is_refused() -> None:
    assert reason_of(bytes(19)) is Reason.TCP_TRUNCATED


def test_9293_must_3_wrong_checksum_is_refused() -> None:
    octets = bytearray(segment_with(b"", text=b"hello"))
    octets[-1] ^= 1
    assert reason_of(bytes(octets)) is Reason.TCP_CHECKSUM


def test_9293_must_1_window_is_unsigned() -> None:
    octets = Segment(1, 2, 3, 4, ACK, 0xFFFF).encode(SOURCE, DESTINATION)
    assert TcpView(octets, SOURCE, DESTINATION).window == 0xFFFF


def test_too_many_options_are_a_mistake_of_the_caller() -> None:
    blocks = tuple((at, at + 1) for at in range(0, 40, 10))
    with pytest.raises(ValueError, match="at most 40 octets"):
        Segment(1, 2, 3, 4, ACK, 5, sack=blocks, timestamp=1).encode(SOURCE, DESTINATION)


def test_repr_reads_like_a_capture() -> None:
    text = repr(Segment(1, 2, 3, 4, ACK | PSH, 5, b"hello", timestamp=6, timestamp_echo=7))
    assert text == "<Segment 1 > 2 [P.] seq 3 length 5 ack 4 win 5 ts 6 7>"
