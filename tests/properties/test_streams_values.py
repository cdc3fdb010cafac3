"""Positions and logs over arbitrary values."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longwire.stores.memory_log import DenseLog, LatestLog
from longwire.streams.entry import JSON, Entry
from longwire.streams.errors import PositionError
from longwire.streams.lineage import Lineage
from longwire.streams.position import OFFSET_MAX, START, Position, next_link, parse_position
from longwire.streams.verdict import judge

positions = st.builds(
    Position,
    st.integers(1, OFFSET_MAX),
    st.text("0123456789abcdefghijklmnopqrstuvwxyz", min_size=8, max_size=8),
    st.binary(min_size=8, max_size=8),
)


@given(positions)
def test_position_survives_its_text(position):
    assert parse_position(str(position)) == position


@given(positions, positions)
def test_order_of_positions_is_the_order_of_their_texts(one, other):
    assert (one < other) == (str(one) < str(other))


@given(st.text(max_size=60))
def test_any_text_is_a_position_or_an_error(text):
    try:
        position = parse_position(text)
    except PositionError as error:
        assert str(error).isprintable()
    else:
        assert str(position) == text or position == START


steps = st.lists(
    st.one_of(
        st.tuples(st.just("append"), st.sampled_from("abcd"), st.binary(max_size=3)),
        st.tuples(st.just("drop"), st.just(""), st.just(b"")),
    ),
    max_size=200,
)


@pytest.mark.parametrize("kind", [DenseLog, LatestLog])
@given(steps=steps, entries_max=st.integers(1, 7))
def test_log_agrees_with_a_plain_list(kind, steps, entries_max):
    log = kind(Lineage("abcdefgh"))
    kept: list[Entry] = []
    every: list[Position] = [START]
    floor = START
    for action, key, payload in steps:
        if action == "append":
            previous = every[-1]
            link = next_link(previous.link, payload)
            position = Position(previous.offset + 1, "abcdefgh", link)
            entry = Entry(position, previous, payload, 0, JSON, key)
            superseded = log.append(entry)
            gone = [e for e in kept if kind is LatestLog and e.key == key]
            assert superseded == gone
            kept = [e for e in kept if e not in gone] + [entry]
            every.append(position)
        elif kept:
            assert log.oldest() is kept[0]
            assert log.drop_oldest() is kept.pop(0)
            floor = max(floor, log.floor)
        assert len(log) == len(kept)
        assert log.payload_bytes == sum(len(e.payload) for e in kept)
        assert log.tail == every[-1]
    for position in every:
        if position.offset >= log.floor.offset:
            assert judge(position, log).reason is None
            if position.offset:
                wrong = position._replace(link=bytes(b ^ 1 for b in position.link))
                assert judge(wrong, log).reason is not None
            wanted = [e for e in kept if e.position.offset > position.offset]
            assert list(log.after(position.offset, entries_max)) == wanted[:entries_max]
        wanted = [e for e in kept if e.position.offset < position.offset]
        assert list(log.before(position.offset, entries_max)) == wanted[-entries_max:]
