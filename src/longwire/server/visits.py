"""HTTP responses that last, and for whom: they end when their reader's token does.

Gateways end a response when the server goes away (``wait_shutdown``). A visit lets them take the
end of a token, or a revocation, for the same: the reader comes back and shows what it has.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from longwire.identity.principal import Principal
from longwire.server.exchange import Exchange, ExchangeWrapper

__all__ = ["Visits"]


class Visits:
    """The exchanges of those who showed a token. Belongs to one event loop."""

    def __init__(self) -> None:
        self._visits: dict[_Visit, Principal] = {}

    @contextmanager
    def receive(self, exchange: Exchange, principal: Principal) -> Iterator[Exchange]:
        """Give what is to be used in place of ``exchange`` in the block."""
        if principal.is_anonymous:
            yield exchange
            return
        visit = _Visit(exchange)
        self._visits[visit] = principal
        timer = None
        if principal.expires_at_s is not None:
            left_s = max(0.0, principal.expires_at_s - time.time())
            timer = asyncio.get_running_loop().call_later(left_s, visit.over.set)
        try:
            yield visit
        finally:
            del self._visits[visit]
            if timer is not None:
                timer.cancel()

    def end_where(self, is_meant: Callable[[Principal], bool]) -> None:
        """End the responses to those who are meant."""
        for visit, principal in self._visits.items():
            if is_meant(principal):
                visit.over.set()


class _Visit(ExchangeWrapper):
    def __init__(self, exchange: Exchange) -> None:
        super().__init__(exchange)
        self.over = asyncio.Event()

    async def wait_shutdown(self) -> None:
        ends = [
            asyncio.ensure_future(self._exchange.wait_shutdown()),
            asyncio.ensure_future(self.over.wait()),
        ]
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for end in ends:
                end.cancel()
