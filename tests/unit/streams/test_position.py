"""Position text, order, links and epochs (docs/protocol.md, 1.2 and 1.3)."""

import hashlib
import re

import pytest

from longwire.streams.errors import PositionError
from longwire.streams.position import (
    FIRST_LINK,
    OFFSET_MAX,
    POSITION_CHARACTERS,
    START,
    Position,
    draw_epoch,
    next_link,
    parse_position,
)

TEXT = "0000000000000002_k3v9x0qacbfcf8a668b2ca53"


def test_position_text_has_offset_epoch_and_link():
    position = Position(2, "k3v9x0qa", bytes.fromhex("cbfcf8a668b2ca53"))
    assert str(position) == TEXT
    assert parse_position(TEXT) == position


def test_position_text_has_41_characters_up_to_the_largest_offset():
    largest = Position(OFFSET_MAX, "zzzzzzzz", b"\xff" * 8)
    assert len(str(largest)) == len(str(START)) == POSITION_CHARACTERS
    assert parse_position(str(largest)) == largest


@pytest.mark.parametrize(
    "text",
    [
        "0000000000000000_000000000000000000000000",
        "0000000000000000_k3v9x0qacbfcf8a668b2ca53",
        "0000000000000000_0000000000000000",
        "0000000000000000_",
        "0000000000000000_Any~thing.at-all",
    ],
)
def test_offset_zero_is_the_start_whatever_follows(text):
    assert parse_position(text) == START


def test_start_is_written_in_one_way_only():
    assert str(parse_position("0000000000000000_k3v9x0qacbfcf8a668b2ca53")) == str(START)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "it has 0 characters, a position has 41"),
        ("-1", "it has 2 characters"),
        (TEXT[:-1], "it has 40 characters"),
        (TEXT + "0", "it has 42 characters"),
        ("x" + TEXT[1:], "the first 16 characters must be decimal digits"),
        ("٠" * 16 + TEXT[16:], "the first 16 characters must be decimal digits"),
        ("+" + TEXT[1:], "the first 16 characters must be decimal digits"),
        (TEXT.replace("_", "-"), 'the 17th character must be "_"'),
        (TEXT.replace("k3v9", "K3v9"), "characters 18 to 25 (the epoch)"),
        (TEXT[:25] + "CBFCF8A668B2CA53", "characters 26 to 41 (the link)"),
        (TEXT[:-1] + "g", "characters 26 to 41 (the link)"),
        (TEXT[:-1] + "\n", "characters 26 to 41 (the link)"),
        ("0000000000000000_a/b", "it has 20 characters"),
        ("0000000000000000_" + "0" * 300, "it has 317 characters"),
    ],
)
def test_parser_says_what_is_wrong_with_a_position(text, problem):
    with pytest.raises(PositionError, match=re.escape(problem)) as caught:
        parse_position(text)
    assert caught.value.code == "bad_position"
    assert str(caught.value).isprintable()


def test_error_cuts_long_text_short():
    with pytest.raises(PositionError) as caught:
        parse_position("7" * 100_000)
    assert len(str(caught.value)) < 200


def test_positions_sort_as_their_texts():
    positions = [
        Position(offset, epoch, link)
        for offset in (1, 9, 10, 11, 10**15)
        for epoch in ("00000001", "a0000000", "zzzzzzzz")
        for link in (bytes(8), bytes([0, 255] * 4), b"\xff" * 8)
    ]
    assert [str(p) for p in sorted(positions)] == sorted(str(p) for p in positions)


def test_link_is_the_head_of_sha1_over_previous_link_and_payload():
    payload = b'{"text":"hello"}'
    assert next_link(FIRST_LINK, payload) == hashlib.sha1(bytes(8) + payload).digest()[:8]
    assert next_link(FIRST_LINK, payload).hex() == "09ab2e94d8139afb"


def test_links_of_the_protocol_page_are_right():
    link = FIRST_LINK
    expected = ["09ab2e94d8139afb", "cbfcf8a668b2ca53", "ffd108936019636b", "4043d50ce5e13c2c"]
    for payload, wanted in zip(
        ['{"text":"hello"}', '{"text":"你好"}', "[1, 2.50]", '"bye"'], expected, strict=True
    ):
        link = next_link(link, payload.encode())
        assert link.hex() == wanted


def test_epoch_is_drawn_from_the_whole_alphabet():
    draws = iter([bytes(8), bytes([0, 0, 0, 0, 0, 0, 0, 1]), b"\xff" * 8])
    # All zeros is the epoch of the start and is drawn again.
    assert draw_epoch(lambda count: next(draws)) == "10000000"
    assert re.fullmatch("[0-9a-z]{8}", draw_epoch(lambda count: next(draws)))
