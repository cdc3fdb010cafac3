"""Where keys come from, and that they change: read again by age, and when a new one is named.

Whoever sends tokens can name keys that nobody has; so what is read because of a token is read at
most once in ``keys_retry_s``, and all tokens that wait share it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from longwire.base.errors import LongwireError
from longwire.identity.keys import SigningKey, read_keys

__all__ = ["KeySource", "Load"]

logger = logging.getLogger("longwire.identity")

Load = Callable[[], Awaitable[bytes]]
"""Brings the text of a set of keys. Raises ``LongwireError`` or ``OSError``."""


class KeySource:
    """A set of keys that somebody else keeps. Belongs to one event loop.

    ``name`` is a path or a URL. What could be read once stays in use when it cannot be read later.
    """

    def __init__(
        self,
        name: str,
        load: Load,
        *,
        refresh_s: float,
        retry_s: float,
        are_secrets_allowed: bool,
    ) -> None:
        self.name = name
        self.keys: tuple[SigningKey, ...] = ()
        self.has_loaded = False
        self.failures = 0
        self._load = load
        self._refresh_s = refresh_s
        self._retry_s = retry_s
        self._are_secrets_allowed = are_secrets_allowed
        self._asked_s: float | None = None
        self._loading: asyncio.Task[None] | None = None

    async def prepare(self) -> None:
        """Have keys, if they can be had: wait for the first reading, begin one when they are old.

        Cancelled, the reading goes on for others.
        """
        if self.has_loaded:
            if self._is_due(self._refresh_s):
                self._begin()
        elif self._loading is not None or self._is_due(self._retry_s):
            await asyncio.shield(self._begin())

    async def look_again(self) -> bool:
        """Read the keys again unless that was tried just now; tell whether they were read.

        Cancellation as for ``prepare``.
        """
        if self._loading is None and not self._is_due(self._retry_s):
            return False
        await asyncio.shield(self._begin())
        return True

    def close(self) -> None:
        """Read nothing any more."""
        if self._loading is not None:
            self._loading.cancel()

    def _is_due(self, after_s: float) -> bool:
        now = asyncio.get_running_loop().time()
        return self._asked_s is None or now - self._asked_s >= after_s

    def _begin(self) -> asyncio.Task[None]:
        if self._loading is None:
            loop = asyncio.get_running_loop()
            self._asked_s = loop.time()
            self._loading = loop.create_task(self._read())
        return self._loading

    async def _read(self) -> None:
        try:
            keys = read_keys(await self._load(), are_secrets_allowed=self._are_secrets_allowed)
        except (LongwireError, OSError) as error:
            self.failures += 1
            said = error.strerror if isinstance(error, OSError) else str(error)
            kept = "the old ones stay" if self.has_loaded else "there are none"
            logger.warning("keys of %s cannot be used: %s; %s", self.name, said, kept)
        else:
            self.keys, self.has_loaded = keys, True
        finally:
            self._loading = None
