"""More requests than the application can answer at a time are refused, not queued."""

from __future__ import annotations

from longwire.server.dispatch import HttpHandler
from longwire.server.errors import LimitHitError
from longwire.server.exchange import Exchange
from longwire.server.request import Request
from longwire.server.response import Response

__all__ = ["Overload"]

RETRY_AFTER_S = 1


class Overload:
    """Counts the requests that handlers of the application are busy with."""

    def __init__(self, maximum: int | None) -> None:
        self._maximum = maximum
        self.under_way = 0
        self.refused = 0

    def guard(self, handler: HttpHandler) -> HttpHandler:
        """Return a handler that refuses (503) what is too much; the same one without a limit."""
        maximum = self._maximum
        if maximum is None:
            return handler

        async def handle(request: Request, exchange: Exchange) -> Response | None:
            if self.under_way >= maximum:
                self.refused += 1
                raise LimitHitError(
                    "requests_max",
                    503,
                    "There is too much to do here now; try again in a moment.",
                    {"Retry-After": str(RETRY_AFTER_S), "Cache-Control": "no-store"},
                )
            self.under_way += 1
            try:
                return await handler(request, exchange)
            finally:
                self.under_way -= 1

        return handle

    def figures(self) -> dict[str, tuple[str, float, bool]]:
        """What is counted, for the metrics."""
        return {
            "longwire_requests_under_way": (
                "Requests that routes are busy with, where http.requests_max limits them.",
                self.under_way,
                False,
            ),
            "longwire_requests_overload_refused": (
                "Requests refused past http.requests_max.",
                self.refused,
                True,
            ),
        }
