"""What ``/metrics`` shows, in the text format of Prometheus.

Nothing is counted twice: what connections count for themselves is read from them when somebody
asks, and added to the totals when they end. So the hot paths pay nothing.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable, Iterable
from itertools import accumulate
from typing import TYPE_CHECKING, Any, Protocol

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.gc_collector import GCCollector
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from longwire.base.errors import LimitError
from longwire.base.limits import Http2Limits, HttpLimits
from longwire.base.version import __version__
from longwire.server.figures import ByLabel, Figures
from longwire.server.request_counts import BOUNDS_S, RequestCounts

if TYPE_CHECKING:
    from longwire.net.closed import Closed

__all__ = ["METRICS_CONTENT_TYPE", "CountedSocket", "ServerMetrics"]

METRICS_CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4

_LAG_BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
_LAG_SAMPLE_S = 1.0

_HTTP_LIMITS = frozenset(
    field.name for limits in (HttpLimits, Http2Limits) for field in dataclasses.fields(limits)
)


class CountedSocket(Protocol):
    """A WebSocket connection that counts for itself: an ``Endpoint``, or the like under ASGI."""

    @property
    def engine(self) -> Any:
        """Has ``messages_received``, ``messages_sent``, ``bytes_received``, ``bytes_sent``."""

    @property
    def held_bytes(self) -> int:
        """Bytes sent that have not left yet."""

    @property
    def closed(self) -> Closed | None:
        """How the connection ended."""


class SocketTotals(Collector):
    """The WebSocket connections that are open, and the sums over those that are not any more."""

    def __init__(self) -> None:
        self._open: set[CountedSocket] = set()
        self._opened = 0
        self._messages_in = self._messages_out = 0
        self._bytes_in = self._bytes_out = 0

    def add(self, endpoint: CountedSocket) -> None:
        """A connection has been opened."""
        self._open.add(endpoint)
        self._opened += 1

    def remove(self, endpoint: CountedSocket) -> None:
        """It is closed: keep what it counted."""
        if endpoint in self._open:
            self._open.discard(endpoint)
            engine = endpoint.engine
            self._messages_in += engine.messages_received
            self._messages_out += engine.messages_sent
            self._bytes_in += engine.bytes_received
            self._bytes_out += engine.bytes_sent

    def collect(self) -> Iterable[Metric]:
        """Called for every scrape."""
        engines = [endpoint.engine for endpoint in self._open]
        yield GaugeMetricFamily(
            "longwire_websocket_connections", "Open WebSocket connections.", len(engines)
        )
        yield GaugeMetricFamily(
            "longwire_websocket_held_bytes",
            "Bytes written to WebSocket connections that the kernel has not taken yet.",
            sum(endpoint.held_bytes for endpoint in self._open),
        )
        yield CounterMetricFamily(
            "longwire_websocket_opened", "WebSocket connections opened.", self._opened
        )
        messages = CounterMetricFamily(
            "longwire_websocket_messages", "WebSocket messages.", labels=["direction"]
        )
        messages.add_metric(["in"], self._messages_in + sum(e.messages_received for e in engines))
        messages.add_metric(["out"], self._messages_out + sum(e.messages_sent for e in engines))
        yield messages
        size = CounterMetricFamily(
            "longwire_websocket_bytes", "Bytes on WebSocket connections.", labels=["direction"]
        )
        size.add_metric(["in"], self._bytes_in + sum(engine.bytes_received for engine in engines))
        size.add_metric(["out"], self._bytes_out + sum(engine.bytes_sent for engine in engines))
        yield size


class RequestTotals(Collector):
    """The requests that were answered."""

    def __init__(self, counts: RequestCounts) -> None:
        self._counts = counts

    def collect(self) -> Iterable[Metric]:
        """Called for every scrape."""
        requests = CounterMetricFamily(
            "longwire_http_requests",
            "HTTP requests answered, handshakes of WebSocket included; status 0: not answered.",
            labels=["method", "status"],
        )
        for (method, status), count in self._counts.by_outcome.items():
            requests.add_metric([method, str(status)], count)
        yield requests
        bounds = [*map(floatToGoString, BOUNDS_S), "+Inf"]
        yield HistogramMetricFamily(
            "longwire_http_request_seconds",
            "From a request's head to its answer; streams and WebSocket connections left out.",
            buckets=list(zip(bounds, accumulate(self._counts.buckets), strict=True)),
            sum_value=self._counts.duration_s,
        )


class FigureCollector(Collector):
    """Figures that somebody else keeps, read at every scrape."""

    def __init__(self, read: Callable[[], Figures]) -> None:
        self._read = read

    def collect(self) -> Iterable[Metric]:
        """Called for every scrape."""
        for name, (meaning, value, is_total) in self._read().items():
            family = CounterMetricFamily if is_total else GaugeMetricFamily
            if isinstance(value, ByLabel):
                metric = family(name, meaning, labels=[value.label])
                for label, part in value.values.items():
                    metric.add_metric([label], part)
                yield metric
            else:
                yield family(name, meaning, value)


class ServerMetrics:
    """All metrics of one server; several servers in one process do not share any."""

    def __init__(self, *, with_process: bool = True) -> None:
        self.registry = CollectorRegistry()
        self.sockets = SocketTotals()
        self.registry.register(self.sockets)
        if with_process:
            ProcessCollector(registry=self.registry)
            GCCollector(registry=self.registry)
        information = Gauge("longwire_info", "Always 1.", ["version"], registry=self.registry)
        information.labels(__version__).set(1)
        self.ready = Gauge(
            "longwire_ready", "1 while new connections are taken.", registry=self.registry
        )
        self.requests = RequestCounts()
        self.registry.register(RequestTotals(self.requests))
        self._refused = Counter(
            "longwire_http_refused",
            "Requests that never reached a handler: malformed, too slow or past a limit.",
            ["status"],
            registry=self.registry,
        )
        self._closed = Counter(
            "longwire_websocket_closed",
            "WebSocket connections ended, by the peer's close code (1006: none came) and verdict.",
            ["code", "verdict"],
            registry=self.registry,
        )
        self._limits = Counter(
            "longwire_limit_hits",
            "Limits that something ran into.",
            ["limit"],
            registry=self.registry,
        )
        self._loop_lag = Histogram(
            "longwire_loop_lag_seconds",
            "How much later than asked for the event loop ran, sampled once a second.",
            buckets=_LAG_BUCKETS_S,
            registry=self.registry,
        )

    def add_figures(self, read: Callable[[], Figures]) -> None:
        """Show figures that somebody else keeps."""
        self.registry.register(FigureCollector(read))

    def request_refused(self, status: int, reason: str) -> None:
        """Count a request that the HTTP engine refused, and the limit that it ran into."""
        self._refused.labels(str(status)).inc()
        name, separator, _ = reason.partition(":")
        if separator and name in _HTTP_LIMITS:
            self.limit_hit(name)

    def socket_closed(self, endpoint: CountedSocket, closed: Closed | None) -> None:
        """Count how a WebSocket connection ended."""
        self.sockets.remove(endpoint)
        if closed is not None:
            received = closed.ending.received
            code = 1006 if received is None else received.code
            # Peers choose among 2,000 private codes; a label for each would be theirs to multiply.
            label = str(code) if code < 3000 else f"{code // 1000}xxx"
            self._closed.labels(label, closed.verdict.code).inc()
            if isinstance(closed.ending.failure, LimitError):
                self.limit_hit(closed.ending.failure.limit_name)

    def limit_hit(self, limit_name: str) -> None:
        """Count that something ran into a limit."""
        self._limits.labels(limit_name).inc()

    async def watch_loop(self) -> None:
        """Sample the lag of the event loop until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            due_s = loop.time() + _LAG_SAMPLE_S
            await asyncio.sleep(_LAG_SAMPLE_S)
            self._loop_lag.observe(max(0.0, loop.time() - due_s))

    def render(self) -> bytes:
        """The text that Prometheus reads."""
        return generate_latest(self.registry)
