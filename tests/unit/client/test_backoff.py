"""When a client tries again."""

import random

import pytest

from longwire.client.backoff import Backoff


def waits(backoff, count, now_s=0.0):
    for _ in range(count):
        wait_s = backoff.next(now_s)
        yield wait_s
        now_s += wait_s


def test_bound_grows_with_the_outage_up_to_its_limit():
    seen = list(waits(Backoff(0.5, 30.0, lambda: 1.0), 14))
    assert seen[:4] == [0.5, 0.5, 0.75, pytest.approx(1.3125)]
    assert seen == sorted(seen)
    assert seen[-1] == 30.0


def test_waits_are_drawn_from_the_whole_range():
    source = random.Random(1)
    seen = [Backoff(0.5, 30.0, source.random).next(0.0) for _ in range(1000)]
    assert min(seen) < 0.01 and max(seen) > 0.49


def test_outage_begins_when_a_connection_that_lived_is_lost():
    backoff = Backoff(0.5, 30.0, lambda: 1.0)
    list(waits(backoff, 10))
    assert backoff.failures == 10
    backoff.lived(1000.0)
    assert backoff.failures == 0
    assert backoff.next(1000.1) == 0.5
    assert backoff.next(1002.0) == 1.5


@pytest.mark.parametrize("outage_s", [2.0, 10.0, 30.0])
def test_whoever_was_away_is_back_soon_after(outage_s):
    for seed in range(300):
        backoff, now_s = Backoff(0.5, 30.0, random.Random(seed).random), 0.0
        backoff.lived(0.0)
        while now_s < outage_s:
            now_s += backoff.next(now_s)
        assert now_s <= outage_s * 1.75 + 0.5
        assert backoff.failures < 40


def test_range_of_the_server_is_kept():
    backoff = Backoff(0.5, 30.0, random.Random(2).random)
    assert all(1.0 <= backoff.within(1.0, 3.0) <= 3.0 for _ in range(100))
    assert backoff.within(2.0, 2.0) == 2.0
