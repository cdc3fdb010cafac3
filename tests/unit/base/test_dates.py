"""Dates of HTTP, written and read (RFC 9110 section 5.6.7)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longwire.base.dates import http_date, parse_http_date

SECOND = 784111777  # Sun, 06 Nov 1994 08:49:37 GMT


@pytest.mark.parametrize(
    "text",
    [
        "Sun, 06 Nov 1994 08:49:37 GMT",
        "Sunday, 06-Nov-94 08:49:37 GMT",
        "Sun Nov  6 08:49:37 1994",
        " Sun, 06 Nov 1994 08:49:37 GMT\t",
    ],
)
def test_9110_5_6_7_three_forms_are_read(text: str) -> None:
    assert parse_http_date(text) == SECOND


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0",
        "-1",
        "now",
        "1994-11-06T08:49:37Z",
        "Sun, 6 Nov 1994 08:49:37 GMT",
        "Sun, 06 nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 08:49:37 UTC",
        "Sun, 06 Nov 1994 08:49:37 +0000",
        "Sun, 32 Nov 1994 08:49:37 GMT",
        "Sun, 31 Nov 1994 08:49:37 GMT",
        "Sun, 00 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 24:00:00 GMT",
        "Sun, 06 Nov 1994 08:60:37 GMT",
        "Sun, 06 Nov 1994 08:49:61 GMT",
        "Sun, 06 Nov 1994 08:49:37 GMT, Mon, 07 Nov 1994 08:49:37 GMT",
        "Sun, ٠٦ Nov 1994 08:49:37 GMT",
    ],
)
def test_9110_5_6_7_what_is_no_date_is_none(text: str) -> None:
    assert parse_http_date(text) is None


def test_9110_5_6_7_two_digits_of_a_year_are_near_us() -> None:
    assert http_date(parse_http_date("Friday, 01-Jan-99 00:00:00 GMT") or 0).split()[3] == "1999"
    assert http_date(parse_http_date("Friday, 01-Jan-27 00:00:00 GMT") or 0).split()[3] == "2027"


@given(st.integers(min_value=-62_135_596_800, max_value=253_402_300_799))
def test_what_is_written_is_read(second: int) -> None:
    assert parse_http_date(http_date(second)) == second
