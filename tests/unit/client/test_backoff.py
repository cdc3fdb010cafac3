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
    assert backoff.lost(1000.0, 5.0)
    assert backoff.failures == 0
    assert backoff.next(1000.1) == 0.5
    assert backoff.next(1002.0) == 1.5


def test_links_that_break_often_do_not_add_up_to_a_long_outage():
    backoff, now_s = Backoff(0.5, 30.0, lambda: 1.0), 0.0
    for _ in range(20):
        now_s += sum(waits(backoff, 4, now_s))  # the last of these bounds is 1.3 s
        now_s += 1.0
        assert not backoff.lost(now_s, 1.0)
    assert backoff.next(now_s) == 0.5


def test_whoever_is_dropped_as_soon_as_connected_waits_longer_and_longer():
    backoff, now_s, seen = Backoff(0.5, 30.0, lambda: 1.0), 0.0, []
    for _ in range(16):
        backoff.lost(now_s, 0.01)
        seen.append(backoff.next(now_s))
        now_s += seen[-1] + 0.01
    assert seen[:8] == sorted(seen[:8])
    assert min(seen[10:]) > 25


def test_a_little_life_makes_good_a_part_even_of_a_long_outage():
    backoff = Backoff(0.5, 30.0, lambda: 1.0)
    backoff.next(0.0)
    backoff.lost(3600.0, 1.0)
    assert backoff.next(3600.0) == pytest.approx(0.75 * (30.0 / 0.75 - 10.0))
    backoff.lost(3610.0, 4.9)
    assert backoff.next(3610.0) == 0.5


@pytest.mark.parametrize("outage_s", [2.0, 10.0, 30.0])
def test_whoever_was_away_is_back_soon_after(outage_s):
    for seed in range(300):
        backoff, now_s = Backoff(0.5, 30.0, random.Random(seed).random), 0.0
        backoff.lost(0.0, 60.0)
        while now_s < outage_s:
            now_s += backoff.next(now_s)
        assert now_s <= outage_s * 1.75 + 0.5
        assert backoff.failures < 40


def test_range_of_the_server_is_kept():
    backoff = Backoff(0.5, 30.0, random.Random(2).random)
    assert all(1.0 <= backoff.within(1.0, 3.0) <= 3.0 for _ in range(100))
    assert backoff.within(2.0, 2.0) == 2.0
