"""Cursors (Durable Streams 10.1)."""

import pytest

from longwire.gateways.durable.cursor import Cursors

# 2024-10-09T00:00:00Z
EPOCH_S = 1_728_432_000


def cursors(now_s, jitter=0.0):
    return Cursors(lambda: EPOCH_S + now_s, lambda: jitter)


def test_cursor_is_the_number_of_the_interval_of_20_seconds():
    assert cursors(0).after(None) == 0
    assert cursors(19.9).after(None) == 0
    assert cursors(20).after(None) == 1
    assert cursors(20_000).after("999") == 1_000


@pytest.mark.parametrize("given", ["1000", "1001", "5000"])
def test_cursor_is_greater_than_the_one_that_was_given(given):
    for jitter, least, most in ((0.0, 1, 1), (0.5, 1, 180), (0.999999, 1, 180)):
        step = cursors(20_000, jitter).after(given) - int(given)
        assert least <= step <= most


@pytest.mark.parametrize("given", ["", "x", "-1", "1.5", "9" * 40, "٣"])
def test_what_is_no_number_is_as_none(given):
    assert cursors(20_000).after(given) == 1_000
