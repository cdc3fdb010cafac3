"""The containers under TCP against plain models of them."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from longwire.tcpip.tcp.ranges import RangeSet
from longwire.tcpip.tcp.receive_buffer import ReceiveBuffer
from longwire.tcpip.tcp.scoreboard import Scoreboard
from longwire.tcpip.tcp.send_buffer import SendBuffer
from longwire.tcpip.tcp.sequence import on_wire, unwrap

spans = st.tuples(st.integers(0, 60), st.integers(1, 15))


@given(st.lists(st.one_of(spans, st.integers(0, 80)), max_size=30))
def test_range_set_is_a_set_of_numbers(steps: list[tuple[int, int] | int]) -> None:
    ranges, model = RangeSet(), set[int]()
    for step in steps:
        if isinstance(step, int):
            ranges.remove_below(step)
            model = {number for number in model if number >= step}
        else:
            start, end = step[0], step[0] + step[1]
            low, high = ranges.add(start, end)
            model |= set(range(start, end))
            assert set(range(low, high)) <= model
            assert low - 1 not in model
            assert high not in model
        found = list(ranges)
        assert {number for low, high in found for number in range(low, high)} == model
        assert list(reversed(ranges)) == found[::-1]
        assert all(one[1] < other[0] for one, other in itertools.pairwise(found))
        assert ranges.total == len(model)
        assert ranges.end == (max(model) + 1 if model else None)
        for number in range(0, 80, 7):
            assert (number in ranges) == (number in model)
            assert (ranges.find(number) is not None) == (number in model)
        missing = {number for low, high in ranges.gaps(10, 50) for number in range(low, high)}
        assert missing == set(range(10, 50)) - model
    ranges.clear()
    assert (len(ranges), ranges.total) == (0, 0)


@given(
    st.integers(0, 1 << 33),
    st.lists(st.one_of(st.binary(max_size=40), st.integers(0, 40)), max_size=200),
    st.data(),
)
def test_send_buffer_is_a_window_of_a_stream(
    start: int, steps: list[bytes | int], data: st.DataObject
) -> None:
    buffer, stream, released = SendBuffer(start), b"", 0
    for step in steps:
        if isinstance(step, bytes):
            buffer.append(step)
            stream += step
        else:
            released = min(len(stream), released + step)
            buffer.release(start + released)
        assert (buffer.start - start, buffer.end - start) == (released, len(stream))
        low = data.draw(st.integers(released, len(stream)))
        high = data.draw(st.integers(low, len(stream)))
        assert bytes(buffer.slice(start + low, start + high)) == stream[low:high]


@given(st.lists(spans, max_size=40), st.integers(1, 20), st.integers(1, 64))
def test_receive_buffer_delivers_the_stream_once_and_in_order(
    arrivals: list[tuple[int, int]], pieces_max: int, at_once: int
) -> None:
    stream = bytes(range(200))
    buffer = ReceiveBuffer(1000, pieces_max)
    following, read = 0, b""
    for start, count in arrivals:
        end = min(start + count, len(stream))
        if end <= following:
            continue
        if start <= following:
            buffer.append(stream[following:end])
            following = buffer.advance(end)
        else:
            buffer.insert(start, stream[start:end])
        assert len(buffer._pieces) <= pieces_max
        for left, right in buffer.sack_blocks(4):
            assert following < left < right
            assert buffer.early.find(left) == (left, right)
        assert buffer.readable == following - len(read)
        read += buffer.read(at_once)
        assert read == stream[: len(read)]
    read += buffer.read(1000)
    assert read == stream[:following]


@given(st.lists(st.tuples(st.integers(0, 6), spans), max_size=60))
def test_scoreboard_counts_are_what_its_records_say(
    steps: list[tuple[int, tuple[int, int]]],
) -> None:
    board = Scoreboard()
    una = following = 0
    for kind, (place, count) in steps:
        if kind <= 1:
            board.add(following, following + count, 0)
            following += count
        elif kind == 2:
            una = min(following, una + count)
            board.acknowledge(una)
        elif kind == 3:
            start = min(una + place, following)
            before = board.sacked.total
            news, _ = board.sack(start, min(start + count, following))
            assert board.sacked.total == before + news
        elif kind == 4:
            limit = board.loss_limit(3, 20)
            if limit is not None:
                board.mark_lost_below(limit)
                assert all(each.is_lost or each.is_sacked for each in board if each.start < limit)
        elif kind == 5:
            for record in (board.next_lost(), board.next_below_sacked(), board.first):
                if record is not None and not record.is_sacked:
                    board.cut(record, record.start + 1 + count // 2)
                    board.resend(record, 0)
        elif place > 50:
            board.mark_all_lost(keep_sacked=place % 2 == 0)
        elif board.first is not None:
            board.mark_resent_lost(board.first)
        records = list(board)
        edges = [una, *(record.end for record in records)]
        assert [record.start for record in records] == edges[:-1]
        assert edges[-1] == following
        assert board.pipe == sum((each.end - each.start) * each.weight for each in records)
        waiting = [each for each in records if each.is_lost and not each.is_resent]
        assert board.waiting_octets == sum(each.end - each.start for each in waiting)
        assert board.next_lost() is (waiting[0] if waiting else None)
        highest = board.sacked.end or 0
        holes = [
            each
            for each in records
            if not each.is_sacked and not each.is_resent and each.start < highest
        ]
        assert board.next_below_sacked() is (holes[0] if holes else None)
        unsacked = [each for each in records if not each.is_sacked]
        assert board.last_unsacked() is (unsacked[-1] if unsacked else None)


@given(st.integers(0, 1 << 40), st.integers(-(1 << 31), (1 << 31) - 1))
def test_9293_3_4_sequence_numbers_unwrap_next_to_what_is_known(near: int, distance: int) -> None:
    assert unwrap(on_wire(near + distance), near) == near + distance
