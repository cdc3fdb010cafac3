"""For whoever runs the server: is it alive, does it take work, what are its figures."""

from __future__ import annotations

from collections.abc import Callable

from longwire.server.errors import HttpError
from longwire.server.exchange import Exchange
from longwire.server.metrics import METRICS_CONTENT_TYPE, ServerMetrics
from longwire.server.request import Request
from longwire.server.response import Response

__all__ = ["Operations"]

_NO_STORE = {"Cache-Control": "no-store"}


class Operations:
    """``/healthz``, ``/readyz`` and ``/metrics``."""

    def __init__(self, metrics: ServerMetrics, store_health: Callable[[], str | None]) -> None:
        self._metrics = metrics
        self._store_health = store_health
        self.not_ready_reason: str | None = "the server is starting"
        """Why no new work is taken; ``None`` when it is."""

    def set_ready(self, reason: str | None) -> None:
        """Say that work is taken (``None``), or why not."""
        self.not_ready_reason = reason

    def why_not_ready(self) -> str | None:
        """Why no new work is taken now: this server's own reason, or its store's."""
        if self.not_ready_reason is not None:
            return self.not_ready_reason
        problem = self._store_health()
        return None if problem is None else f"the store cannot be used: {problem}"

    async def health(self, request: Request, exchange: Exchange) -> Response:
        """The process runs and its event loop turns."""
        return Response.text("ok\n", headers=_NO_STORE)

    async def readiness(self, request: Request, exchange: Exchange) -> Response:
        """New connections are welcome; 503 tells a load balancer to choose another server."""
        reason = self.why_not_ready()
        if reason is not None:
            message = f"Not ready: {reason}."
            raise HttpError(503, message, {**_NO_STORE, "Retry-After": "5"})
        return Response.text("ready\n", headers=_NO_STORE)

    async def figures(self, request: Request, exchange: Exchange) -> Response:
        """The metrics, for Prometheus and for reading."""
        self._metrics.ready.set(1 if self.why_not_ready() is None else 0)
        return Response.bytes(self._metrics.render(), METRICS_CONTENT_TYPE, headers=_NO_STORE)
