"""So many events a second on average over ten seconds."""

from __future__ import annotations

from longwire.base.rate import RateLimit


def test_burst_of_ten_seconds_is_allowed() -> None:
    limit = RateLimit(5.0, now=0.0)
    assert [limit.take(0.0) for _ in range(51)] == [True] * 50 + [False]


def test_events_come_back_with_time() -> None:
    limit = RateLimit(5.0, now=0.0)
    for _ in range(50):
        limit.take(0.0)
    assert [limit.take(1.0) for _ in range(6)] == [True] * 5 + [False]


def test_silence_saves_ten_seconds_at_most() -> None:
    limit = RateLimit(5.0, now=0.0)
    assert [limit.take(1e6) for _ in range(51)] == [True] * 50 + [False]


def test_average_is_held_for_ever() -> None:
    limit = RateLimit(10.0, now=0.0)
    taken = sum(limit.take(tick / 100) for tick in range(100_000))
    assert 10_000 <= taken <= 10_101


def test_clock_that_stands_or_turns_back_gives_nothing() -> None:
    limit = RateLimit(1.0, now=100.0)
    assert [limit.take(90.0) for _ in range(11)] == [True] * 10 + [False]


def test_small_rate_allows_one() -> None:
    limit = RateLimit(0.01, now=0.0)
    assert [limit.take(0.0), limit.take(0.0), limit.take(99.0), limit.take(101.0)] == [
        True,
        False,
        False,
        True,
    ]
