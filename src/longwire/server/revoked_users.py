"""Revoked users, kept in the store, so that all servers know them and a restart forgets none."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

import msgspec

from longwire.base.limits import RetentionLimits
from longwire.hub.hub import Hub
from longwire.hub.sinks import Gap
from longwire.hub.subscription import Attachment
from longwire.identity.revocations import Revocations
from longwire.streams.entry import Entry, NewEntry
from longwire.streams.position import Position
from longwire.streams.store import Append, StreamSettings
from longwire.streams.verdict import StartAt

__all__ = ["RevokedUsers"]

logger = logging.getLogger("longwire.identity")

STREAM = "$revoked"
PAGE_ENTRIES = 1_000
PAGE_BYTES = 1 << 20


class _Record(msgspec.Struct):
    """How a revocation is written into the store, under the user's name as its key."""

    since_s: float


class RevokedUsers:
    """The stream of revocations: a writer, and a sink of the hub that hears of other servers'.

    ``on_revoked`` is called with each user when it becomes known, on every server.
    """

    def __init__(
        self,
        hub: Hub,
        revocations: Revocations,
        users_max: int,
        on_revoked: Callable[[str], None],
    ) -> None:
        self._hub = hub
        self._revocations = revocations
        self._on_revoked = on_revoked
        self._attachment: Attachment | None = None
        retention = RetentionLimits(entries_max=users_max, bytes_max=None, age_max_s=None)
        self._settings = StreamSettings(is_keep_latest=True, retention=retention)

    async def start(self) -> None:
        """Read what was revoked before; where other servers write too, go on reading.

        Raises ``StoreUnavailableError``.
        """
        if not self._hub.store.is_shared:
            await self._read((await self._hub.store.seek(STREAM, StartAt.EARLIEST)).resume)
            return
        self._attachment = self._hub.attach(self)
        subscription = await self._attachment.open(
            STREAM, StartAt.EARLIEST, is_reserved_allowed=True
        )
        await self._read(subscription.position)
        subscription.begin()  # with what was read now: to be told twice changes nothing

    async def _read(self, position: Position) -> None:
        has_more = True
        while has_more:
            page = await self._hub.store.read(
                STREAM, position, entries_max=PAGE_ENTRIES, bytes_max=PAGE_BYTES
            )
            self.send_entries(STREAM, page.entries)
            position, has_more = page.upto, page.has_more

    def close(self) -> None:
        """Read nothing any more."""
        if self._attachment is not None:
            self._attachment.detach()

    async def revoke(self, user: str, since_s: float) -> None:
        """Write a revocation; it holds when this returns. Raises ``StoreUnavailableError`` …"""
        entry = NewEntry(msgspec.json.encode(_Record(since_s)), user)
        await self._hub.store.append(Append(STREAM, (entry,), create=self._settings))
        self._note(user, since_s)

    def _note(self, user: str, since_s: float) -> None:
        if self._revocations.note(user, since_s):
            self._on_revoked(user)

    # -- the sink ---------------------------------------------------------------------------------

    def send_entries(self, stream: str, entries: Sequence[Entry]) -> int:
        for entry in entries:
            try:
                record = msgspec.json.decode(entry.payload, type=_Record)
            except msgspec.DecodeError:
                logger.warning("%s at %s is no revocation", STREAM, entry.position)
            else:
                self._note(entry.key, record.since_s)
        return 0

    def send_gap(self, stream: str, gap: Gap) -> int:
        return 0  # a newer revocation of the same user, or one that made room

    def send_closed(self, stream: str, position: Position) -> int:
        return 0
