"""How much may come in a second."""

from __future__ import annotations

import pytest

from longwire.hub.errors import RateError
from longwire.hub.rates import Rates


def take(rates: Rates, name: str, now: float, amount: int = 1) -> float | None:
    """``None`` when it passes, else after how long it may be tried again."""
    try:
        rates.take(name, now, amount)
    except RateError as error:
        after_s = error.details["after_s"]
        assert isinstance(after_s, float)
        return after_s
    return None


def test_burst_is_ten_seconds_worth_and_fills_again() -> None:
    rates = Rates(2.0, "from here")
    assert [take(rates, "a", 0.0) for _ in range(21)] == [None] * 20 + [0.5]
    assert take(rates, "a", 0.25) == 0.25
    assert take(rates, "a", 0.5) is None
    assert take(rates, "a", 0.5) == 0.5
    assert rates.refused == 3
    assert [take(rates, "a", 1000.0) for _ in range(21)] == [None] * 20 + [0.5]


def test_waiting_as_long_as_told_is_enough() -> None:
    rates, now = Rates(3.0, "from here"), 0.0
    for _ in range(200):
        after_s = take(rates, "a", now)
        if after_s is not None:
            now += after_s + 0.001
            assert take(rates, "a", now) is None
    assert now == pytest.approx((200 - 30) / 3, rel=0.05)


def test_names_do_not_disturb_each_other() -> None:
    rates = Rates(0.1, "from here")
    assert take(rates, "a", 0.0) is None
    assert take(rates, "a", 0.0) == 10.0
    assert take(rates, "b", 0.0) is None


def test_batch_counts_as_what_it_holds() -> None:
    rates = Rates(1.0, "from here")
    assert take(rates, "a", 0.0, 10) is None
    assert take(rates, "a", 0.0, 5) == 5.0
    # One that is larger than ten seconds' worth passes a full bucket, and is paid for after.
    assert take(rates, "b", 0.0, 100) is None
    assert take(rates, "b", 0.0) == 91.0
    assert take(rates, "c", 0.0, 0) is None


def test_without_a_rate_or_a_name_everything_passes() -> None:
    for rates, name in ((Rates(None, ""), "a"), (Rates(0.001, ""), "")):
        assert [take(rates, name, 0.0) for _ in range(50)] == [None] * 50


def test_names_at_the_limit_and_one_past_it() -> None:
    rates = Rates(0.1, "from here", names_max=2)
    for name in ("a", "b", "a"):
        take(rates, name, 0.0)
    take(rates, "c", 0.0)  # "b" was heard of least recently
    assert take(rates, "a", 0.0) is not None
    assert take(rates, "b", 0.0) is None


def test_refusal_says_how_much_whose_and_when() -> None:
    rates = Rates(0.5, "to this stream")
    rates.take("a", 0.0, 5)
    with pytest.raises(RateError, match=r"more than 0\.5 a second came to this stream") as caught:
        rates.take("a", 0.0)
    assert (caught.value.code, caught.value.is_retryable) == ("rate_limited", True)
    assert (caught.value.details["after_s"], caught.value.after_whole_s) == (2.0, 2)
