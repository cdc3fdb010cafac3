"""The marks of the receive queue, at their edges."""

from __future__ import annotations

import pytest

from longwire.net.receive_queue import ITEM_OVERHEAD_BYTES, ReceiveQueue
from longwire.websocket.events import Fragment


def test_count_marks() -> None:
    queue = ReceiveQueue(4, None)
    for _ in range(4):
        queue.put("x")
    assert not queue.is_over()
    queue.put("x")
    assert queue.is_over()
    while len(queue) > 2:
        queue.take()
    assert not queue.is_low()
    queue.take()
    assert queue.is_low()


def test_byte_marks_count_overhead() -> None:
    queue = ReceiveQueue(None, 1000)
    queue.put(b"x" * (1000 - ITEM_OVERHEAD_BYTES))
    assert queue.size_bytes == 1000
    assert not queue.is_over()
    queue.put(b"")
    assert queue.is_over()
    queue.take()
    assert queue.is_low()


def test_one_item_over_the_limit_is_taken_all_the_same() -> None:
    queue = ReceiveQueue(16, 1000)
    queue.put(b"x" * 5000)
    assert queue.is_over() and not queue.is_low()
    assert queue.take() == b"x" * 5000
    assert queue.is_low() and queue.size_bytes == 0


def test_limit_of_zero_and_own_low_mark() -> None:
    queue = ReceiveQueue(0, None)
    queue.put("x")
    assert queue.is_over()
    queue.take()
    assert queue.is_low()
    queue = ReceiveQueue(8, None, 6)
    for _ in range(7):
        queue.put("x")
    assert not queue.is_low()
    queue.take()
    assert queue.is_low()


def test_no_limits_never_pause() -> None:
    queue = ReceiveQueue(None, None)
    for _ in range(1000):
        queue.put("x" * 1000)
    assert not queue.is_over() and queue.is_low()


def test_counts_take_fragments_of_one_message_as_one() -> None:
    queue = ReceiveQueue(None, None)
    queue.put("whole")
    queue.put(Fragment("a", first=True, final=False))
    queue.put(Fragment("bc", first=False, final=True))
    assert queue.counts() == (2, 8)


def test_empty_queue_has_nothing_to_take() -> None:
    with pytest.raises(IndexError):
        ReceiveQueue(1, 1).take()
