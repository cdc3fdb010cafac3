"""Dates as HTTP writes them (RFC 9110 section 5.6.7), also in the opening handshake."""

from __future__ import annotations

import math
from collections.abc import Callable
from time import gmtime

__all__ = ["DateSource", "http_date"]

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def http_date(unix_time_s: float) -> str:
    """Return a time as IMF-fixdate, ``Sun, 06 Nov 1994 08:49:37 GMT`` (RFC 9110 section 5.6.7)."""
    # RFC 9110 section 5.6.7: always GMT, English names and two digits, whatever the locale.
    moment = gmtime(math.floor(unix_time_s))
    return (
        f"{_DAYS[moment.tm_wday]}, {moment.tm_mday:02d} {_MONTHS[moment.tm_mon - 1]} "
        f"{moment.tm_year:04d} {moment.tm_hour:02d}:{moment.tm_min:02d}:{moment.tm_sec:02d} GMT"
    )


class DateSource:
    """The value of ``Date`` for all connections of a server, formatted once a second.

    ``wall_clock`` returns seconds since 1970 (``time.time`` in production).
    """

    __slots__ = ("_second", "_text", "_wall_clock")

    def __init__(self, wall_clock: Callable[[], float]) -> None:
        self._wall_clock = wall_clock
        self._second: int | None = None
        self._text = ""

    def __call__(self) -> str:
        """Return the date of now."""
        second = math.floor(self._wall_clock())
        if second != self._second:
            self._second = second
            self._text = http_date(second)
        return self._text
