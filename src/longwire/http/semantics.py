"""What HTTP means in every version: status codes, dates (RFC 9110)."""

from __future__ import annotations

import math
from collections.abc import Callable
from http import HTTPStatus
from time import gmtime

__all__ = ["DateSource", "http_date", "reason_phrase"]

_REASONS = {status.value: status.phrase for status in HTTPStatus}
# The standard library's tables differ between Python versions; these are the names of RFC 9110
# and the IANA registry.
_REASONS.update(
    {
        413: "Content Too Large",
        414: "URI Too Long",
        416: "Range Not Satisfiable",
        418: "Unused",
        422: "Unprocessable Content",
    }
)

_CLASSES = {
    1: "Informational",
    2: "Success",
    3: "Redirection",
    4: "Client Error",
    5: "Server Error",
}

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def reason_phrase(status: int) -> str:
    """Return the registered phrase of a status code; that of its class for one without."""
    # RFC 9110 section 15: a client treats an unknown code as the x00 of its class.
    return _REASONS.get(status) or _CLASSES.get(status // 100, "Unknown")


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
