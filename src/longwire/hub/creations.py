"""Who wants to hear of new streams, and how a server learns what others have created.

On a shared store each server notes the names of the streams that it creates in a stream of the
servers' own, which the others follow. A note that is lost with its server is made up for by looking
at all names now and then.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from longwire.base.limits import RetentionLimits
from longwire.streams.entry import BYTES, Entry, NewEntry
from longwire.streams.store import Append, Store, StreamSettings

__all__ = ["CREATED", "Creations"]

logger = logging.getLogger("longwire.hub")

CREATED = "$created"
"""The stream with the names of new streams."""

_SETTINGS = StreamSettings(content_type=BYTES, retention=RetentionLimits(entries_max=1_000))


class Creations:
    """Tells followers of streams that are created. ``$`` streams are nobody's business."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._followers: dict[object, Callable[[str], None]] = {}
        self._is_watching = False

    async def follow(self, tell: Callable[[str], None]) -> Callable[[], None]:
        """Call ``tell`` with the name of each new stream from the return on, of some maybe twice;
        returns what ends that. Raises ``StoreUnavailableError``."""
        if self._store.is_shared and not self._is_watching:
            await self._store.watch(CREATED)
            self._is_watching = True
        token = object()
        self._followers[token] = tell
        return lambda: self._followers.pop(token, None) and None

    async def created_here(self, stream: str) -> None:
        """This server has created a stream."""
        if stream.startswith("$"):
            return
        if not self._store.is_shared:
            self.created(stream)
            return
        note = Append(CREATED, (NewEntry(stream.encode()),), create=_SETTINGS)
        try:
            await self._store.append(note)
        except Exception as error:
            logger.warning("others were not told that %r is new: %s", stream, error)
            self.created(stream)

    def noted(self, entries: Sequence[Entry]) -> None:
        """Some server, maybe this one, has created streams."""
        for entry in entries:
            self.created(entry.payload.decode(errors="replace"))

    def created(self, stream: str) -> None:
        """Tell the followers."""
        for tell in list(self._followers.values()):
            tell(stream)

    async def look_again(self) -> None:
        """Tell the followers of all streams: what was missed is among them."""
        if self._followers:
            async for name in self._store.names():
                if not name.startswith("$"):
                    self.created(name)
