# cython: annotation_typing=False, auto_pickle=False
"""Dates as HTTP writes them (RFC 9110 section 5.6.7), also in the opening handshake."""

from __future__ import annotations

import math
import re
from calendar import timegm
from collections.abc import Callable
from time import gmtime

__all__ = ["DateSource", "http_date", "parse_http_date"]

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

# RFC 9110 section 5.6.7, the three forms that a recipient must read. Names are case-sensitive, and
# there is no zone but GMT:
#   IMF-fixdate  Sun, 06 Nov 1994 08:49:37 GMT
#   rfc850-date  Sunday, 06-Nov-94 08:49:37 GMT
#   asctime-date Sun Nov  6 08:49:37 1994
_MONTH = r"(?P<month>" + "|".join(_MONTHS) + ")"
_TIME = r"(?P<hour>[0-9]{2}):(?P<minute>[0-9]{2}):(?P<second>[0-9]{2})"
_SHORT_DAY = "(?:" + "|".join(_DAYS) + ")"
_LONG_DAY = "(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day"
_FORMS = (
    re.compile(rf"{_SHORT_DAY}, (?P<day>[0-9]{{2}}) {_MONTH} (?P<year>[0-9]{{4}}) {_TIME} GMT"),
    re.compile(rf"{_LONG_DAY}, (?P<day>[0-9]{{2}})-{_MONTH}-(?P<year>[0-9]{{2}}) {_TIME} GMT"),
    re.compile(rf"{_SHORT_DAY} {_MONTH} (?P<day>[0-9 ][0-9]) {_TIME} (?P<year>[0-9]{{4}})"),
)
_DAYS_OF_MONTH = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


def http_date(unix_time_s: float) -> str:
    """Return a time as IMF-fixdate, ``Sun, 06 Nov 1994 08:49:37 GMT`` (RFC 9110 section 5.6.7)."""
    # RFC 9110 section 5.6.7: always GMT, English names and two digits, whatever the locale.
    moment = gmtime(math.floor(unix_time_s))
    return (
        f"{_DAYS[moment.tm_wday]}, {moment.tm_mday:02d} {_MONTHS[moment.tm_mon - 1]} "
        f"{moment.tm_year:04d} {moment.tm_hour:02d}:{moment.tm_min:02d}:{moment.tm_sec:02d} GMT"
    )


def parse_http_date(text: str) -> int | None:
    """Return the seconds since 1970 of an HTTP date in any of its three forms; ``None`` if it is
    none.

    Two digits of a year are of 1970 to 2069: without a clock, the rule of RFC 9110 (no more than
    50 years ahead) cannot be kept to the year, and who still writes them means the past.
    """
    text = text.strip(" \t")
    for form in _FORMS:
        match = form.fullmatch(text)
        if match is not None:
            break
    else:
        return None
    year, day = int(match["year"]), int(match["day"])
    if len(match["year"]) == 2:
        year += 1900 if year >= 70 else 2000
    month = _MONTHS.index(match["month"]) + 1
    hour, minute, second = int(match["hour"]), int(match["minute"]), int(match["second"])
    # Section 5.6.7: a second of 60 is a leap second.
    if not (1 <= day <= _DAYS_OF_MONTH[month - 1] and hour < 24 and minute < 60 and second <= 60):
        return None
    return timegm((year, month, day, hour, minute, second))


class DateSource:
    """The value of ``Date`` for all connections of a server, formatted once a second.

    ``wall_clock`` returns seconds since 1970 (``time.time`` in production).
    """

    __slots__ = ("_second", "_text", "_wall_clock")

    def __init__(self, wall_clock: Callable[[], float]) -> None:
        self._wall_clock = wall_clock
        self._second = math.nan
        self._text = ""

    def __call__(self) -> str:
        """Return the date of now."""
        now_s = self._wall_clock()
        if not self._second <= now_s < self._second + 1:
            self._second = math.floor(now_s)
            self._text = http_date(now_s)
        return self._text
