"""Which way to the server is taken: WebSocket, server-sent events with POST, or long-polling.

What worked is tried first the next time. What certainly does not work, and what has failed several
times in doubt, gives way to the next one; from one that is not the best, better ones are tried
again from time to time beside what works.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, TypeAlias, get_args

from longwire.client.backoff import LIVED_S
from longwire.client.carrier import Doubt, MakeCarrier, WebSocketCarrier
from longwire.client.connection import Ending, Timing
from longwire.client.errors import ClientError
from longwire.client.http_carrier import EventsCarrier, PollCarrier, draw_client_key

__all__ = ["TRANSPORTS", "Transport", "Transports"]

Transport: TypeAlias = Literal["websocket", "sse", "long-poll"]
TRANSPORTS: tuple[Transport, ...] = get_args(Transport)
"""All of them, the best first."""

DOUBTS_MAX = 2
"""Failures in a row that may have been the network's, after which the transport is doubted."""

DOUBTS_PROVEN_MAX = 20
"""The same for one that has worked for this client: then it is the network, as a rule. By the waits
of ``backoff`` an outage of two seconds takes about eight attempts, one of a minute twenty."""

CLIMB_S_MAX = 600.0


class Transports:
    """The choice of one client. ``url`` is one of ``ws`` or ``wss``; ``remembered`` is what worked
    before. Raises ``ClientError`` for names that are none."""

    def __init__(
        self,
        url: str,
        names: Sequence[str],
        options: Mapping[str, Any],
        timing: Timing,
        remembered: str | None = None,
    ) -> None:
        unknown = [name for name in names if name not in TRANSPORTS]
        if unknown or not names or len(set(names)) < len(names):
            raise ClientError(
                "bad_use",
                f"transports is {tuple(names)!r}; it names some of {TRANSPORTS}, each once",
            )
        self._names = tuple(names)
        self._url = url
        self._options = options
        self._timing = timing
        self._client_key = draw_client_key()
        self._index = self._names.index(remembered) if remembered in self._names else 0
        self._doubts = 0
        self._works: int | None = None
        """What worked last, and before it."""
        self._worked_before: int | None = None
        self._proven: set[str] = set()
        self._failed: dict[str, Ending] = {}
        """How those failed that were tried since one worked, by name."""
        self._climbs = 0
        self._climb_at_s: float | None = None
        """When to climb, whatever becomes of connections until then."""

    @property
    def current(self) -> str:
        """The one to try, or that is in use."""
        return self._names[self._index]

    def make_carrier(self, name: str) -> MakeCarrier:
        """What makes carriers of this name."""
        if name == "websocket":
            return functools.partial(WebSocketCarrier, url=self._url, options=self._options)
        kind = EventsCarrier if name == "sse" else PollCarrier
        return functools.partial(
            kind,
            url="http" + self._url.removeprefix("ws"),
            options=self._options,
            timing=self._timing,
            client_key=self._client_key,
        )

    def worked(self, name: str) -> None:
        """The server has welcomed the client on it."""
        self._index = self._names.index(name)
        if self._index != self._works:
            self._works, self._worked_before = self._index, self._works
        self._proven.add(name)
        self._doubts = 0
        self._failed.clear()
        if self._index == 0:
            self._climb_at_s = None

    def failed(self, ending: Ending) -> Ending | None:
        """A connection or an attempt ended. Return ``None`` when another one is to be tried at
        once, else how all of it ended."""
        if ending.lived_s >= LIVED_S:
            self._climbs = 0 if self._index == 0 else self._climbs
        elif ending.lived_s and self._worked_before is not None:
            # If it was better, it was so for a moment only.
            self._index = max(self._index, self._worked_before)
        if ending.doubt is Doubt.NONE:
            return ending
        self._doubts += 1
        doubts_max = DOUBTS_PROVEN_MAX if self.current in self._proven else DOUBTS_MAX
        if ending.doubt is Doubt.SOME and self._doubts < doubts_max:
            return ending
        self._failed.setdefault(self.current, ending)
        self._doubts = 0
        for step in range(1, len(self._names)):
            index = (self._index + step) % len(self._names)
            if self._names[index] not in self._failed:
                self._index = index
                return None
        endings, self._failed = list(self._failed.values()), {}
        self._index = 0
        return next((one for one in endings if one.can_reconnect), endings[0])

    def better(self) -> Sequence[str]:
        """Those to climb to, the best first."""
        return self._names[: self._index]

    def climb_delay_s(self, now_s: float, random: Callable[[], float]) -> float:
        """How long to wait before the next climb; longer after each one."""
        if self._climb_at_s is None:
            bound_s = min(CLIMB_S_MAX, self._timing.climb_s * 2.0**self._climbs)
            self._climb_at_s = now_s + bound_s * (0.75 + random() / 2)
        return max(0.0, self._climb_at_s - now_s)

    def climbing(self) -> None:
        """Better ones are tried now."""
        self._climbs += 1
        self._climb_at_s = None
