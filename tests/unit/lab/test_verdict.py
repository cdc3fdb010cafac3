"""Percentiles: no value is made up between two."""

from __future__ import annotations

from array import array

from longwire.lab.verdict import Percentiles, percentiles


def test_of_a_hundred_values_in_any_order() -> None:
    values = array("d", range(100, 0, -1))
    assert percentiles(values) == Percentiles(50, 95, 99, 100)


def test_of_one() -> None:
    assert percentiles(array("d", [2.5])) == Percentiles(2.5, 2.5, 2.5, 2.5)


def test_of_none() -> None:
    assert percentiles(array("d")) == Percentiles(None, None, None, None)
