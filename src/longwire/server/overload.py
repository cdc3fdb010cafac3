"""More requests than the application can answer at a time are refused, not queued."""

from __future__ import annotations

from collections.abc import Awaitable, Coroutine

from longwire.server.dispatch import Answer, HttpHandler
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
        if self._maximum is None:
            return handler

        def handle(request: Request, exchange: Exchange) -> Answer:
            self._demand_room()
            answer = handler(request, exchange)
            if answer is None or isinstance(answer, Response):
                return answer
            return self._wait_for(answer)

        return handle

    async def _wait_for(self, answer: Awaitable[Response | None]) -> Response | None:
        try:
            # Others may have begun since this one was asked for.
            self._demand_room()
        except LimitHitError:
            if isinstance(answer, Coroutine):
                answer.close()
            raise
        self.under_way += 1
        try:
            return await answer
        finally:
            self.under_way -= 1

    def _demand_room(self) -> None:
        """Raise a ``LimitHitError`` (503) when handlers are busy with all that they may."""
        if self._maximum is not None and self.under_way >= self._maximum:
            self.refused += 1
            raise LimitHitError(
                "requests_max",
                503,
                "There is too much to do here now; try again in a moment.",
                {"Retry-After": str(RETRY_AFTER_S), "Cache-Control": "no-store"},
            )

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
