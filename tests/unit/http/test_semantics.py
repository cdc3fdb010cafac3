"""Reason phrases and dates."""

from __future__ import annotations

import locale
from email.utils import parsedate_to_datetime

import pytest

from longwire.base.dates import DateSource, http_date
from longwire.http.semantics import reason_phrase


@pytest.mark.parametrize(
    ("status", "phrase"),
    [
        (100, "Continue"),
        (103, "Early Hints"),
        (200, "OK"),
        (206, "Partial Content"),
        (308, "Permanent Redirect"),
        (404, "Not Found"),
        (413, "Content Too Large"),
        (414, "URI Too Long"),
        (416, "Range Not Satisfiable"),
        (417, "Expectation Failed"),
        (421, "Misdirected Request"),
        (422, "Unprocessable Content"),
        (426, "Upgrade Required"),
        (431, "Request Header Fields Too Large"),
        (451, "Unavailable For Legal Reasons"),
        (505, "HTTP Version Not Supported"),
    ],
)
def test_9110_15_reason_phrase_is_the_registered_one(status: int, phrase: str) -> None:
    assert reason_phrase(status) == phrase


def test_9110_15_unknown_status_has_the_phrase_of_its_class() -> None:
    assert reason_phrase(299) == "Success"
    assert reason_phrase(499) == "Client Error"
    assert reason_phrase(599) == "Server Error"
    assert reason_phrase(799) == "Unknown"


@pytest.mark.parametrize(
    ("unix_time_s", "text"),
    [
        (784111777, "Sun, 06 Nov 1994 08:49:37 GMT"),
        (784111777.999, "Sun, 06 Nov 1994 08:49:37 GMT"),
        (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
        (-0.5, "Wed, 31 Dec 1969 23:59:59 GMT"),
        (1709208000, "Thu, 29 Feb 2024 12:00:00 GMT"),
        (253402300799, "Fri, 31 Dec 9999 23:59:59 GMT"),
    ],
)
def test_9110_5_6_7_date_is_written(unix_time_s: float, text: str) -> None:
    assert http_date(unix_time_s) == text
    assert parsedate_to_datetime(text).timestamp() == unix_time_s // 1


def test_date_does_not_follow_the_locale() -> None:
    before = locale.setlocale(locale.LC_TIME)
    try:
        for name in ("de_DE.UTF-8", "fr_FR.UTF-8", "C"):
            try:
                locale.setlocale(locale.LC_TIME, name)
            except locale.Error:
                continue
            assert http_date(784111777) == "Sun, 06 Nov 1994 08:49:37 GMT"
    finally:
        locale.setlocale(locale.LC_TIME, before)


def test_date_source_is_formatted_anew_each_second() -> None:
    times = [784111777.0, 784111777.9, 784111778.0]
    source = DateSource(lambda: times.pop(0))
    first, second, third = source(), source(), source()
    assert first is second
    assert third == "Sun, 06 Nov 1994 08:49:38 GMT"
