"""Who is there: members of a stream, by user, over all his connections and all servers.

Each server knows the members whose connections it has. On a shared store it tells the others: a
keep-latest stream for each room, in which every server's key holds its list, said again before its
lease ends. Members are there when any server says so, so who changes servers within the grace
period neither leaves nor joins. A server that dies stops renewing, and its list with it.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import msgspec

from longwire.base.limits import PresenceLimits, RetentionLimits
from longwire.hub.errors import MembersLimitError, NotEnteredError
from longwire.hub.sinks import Gap
from longwire.hub.subscription import Subscription
from longwire.streams.entry import Entry, NewEntry
from longwire.streams.position import Position
from longwire.streams.store import Append, StreamSettings
from longwire.streams.verdict import StartAt

if TYPE_CHECKING:
    from longwire.hub.hub import Hub

__all__ = ["Change", "Event", "Member", "Presence"]

logger = logging.getLogger("longwire.hub")

_PREFIX = "$presence/"
_RENEWALS = 3
"""Times that a server says its list within a lease."""

_SETTINGS = StreamSettings(
    is_keep_latest=True,
    is_ephemeral=True,
    ttl_s=3600,
    retention=RetentionLimits(entries_max=1_000, age_max_s=600.0),
)


class Member(NamedTuple):
    """One who is there: a user, or a connection of nobody in particular."""

    user: str
    """Empty for an anonymous connection."""
    connection: str
    """Empty for a user, however many connections he has."""
    data: bytes | None = None
    """JSON text."""

    @property
    def key(self) -> tuple[str, str]:
        return (self.user, self.connection)


class Event(Enum):
    """What happened. The values are the words on the wire."""

    JOIN = "join"
    UPDATE = "update"
    LEAVE = "leave"


class Change(NamedTuple):
    """One event of one member."""

    event: Event
    member: Member


Tell: TypeAlias = Callable[[str, Change], None]
"""Called with the stream and each change, in one order for all."""

Key: TypeAlias = tuple[str, str]


@dataclass(slots=True)
class _Local:
    """A member whose connections this server has, or had a moment ago."""

    connections: dict[str, bytes | None] = field(default_factory=dict)
    """By name, in the order of entering; the data entered last counts."""
    data: bytes | None = None
    grace: asyncio.TimerHandle | None = None


@dataclass(slots=True)
class _Remote:
    """What another server said last."""

    members: Mapping[Key, bytes | None]
    ends: asyncio.TimerHandle


class _List(msgspec.Struct):
    """One server's members of one room, as they are written into the store."""

    members: list[tuple[str, str, str | None]]


class Presence:
    """All rooms of one hub. Belongs to its event loop."""

    def __init__(self, hub: Hub, limits: PresenceLimits) -> None:
        self.limits = limits
        self._hub = hub
        self._server = secrets.token_hex(8)
        self._rooms: dict[str, _Room] = {}

    async def room(self, stream: str) -> _Room:
        """The room of a stream, as all servers see it. Raises ``StoreUnavailableError``."""
        room = self._rooms.get(stream)
        if room is None:
            room = self._rooms[stream] = _Room(self._hub, self.limits, self._server, stream)
        room.awaited += 1
        try:
            await room.ready()
        except BaseException:
            room.awaited -= 1
            self.tidy(stream)
            raise
        room.awaited -= 1
        return room

    def find(self, stream: str) -> _Room | None:
        """The room, if anybody is in it or watches it."""
        return self._rooms.get(stream)

    def tidy(self, stream: str) -> None:
        """Forget a room that is idle."""
        room = self._rooms.get(stream)
        if room is not None and room.is_idle:
            room.close()
            del self._rooms[stream]

    def close(self) -> None:
        """Stop all timers."""
        for room in self._rooms.values():
            room.close()
        self._rooms.clear()


class _Room:
    """Who is in one stream."""

    def __init__(self, hub: Hub, limits: PresenceLimits, server: str, stream: str) -> None:
        self.stream = stream
        self._hub = hub
        self._limits = limits
        self._server = server
        self._local: dict[Key, _Local] = {}
        self._remote: dict[str, _Remote] = {}
        self._shown: dict[Key, Member] = {}
        self._watchers: dict[object, Tell] = {}
        self._link = _SharedList(hub, self) if hub.store.is_shared else None
        self._renewal: asyncio.TimerHandle | None = None
        self.awaited = 0
        """Who waits for it to be ready."""

    async def ready(self) -> None:
        """Wait until what other servers say is known. Raises ``StoreUnavailableError``."""
        if self._link is not None:
            await self._link.follow()

    @property
    def is_idle(self) -> bool:
        """Whether nobody is in it by this server, nobody watches, and nobody is about to."""
        return not self._local and not self._watchers and not self.awaited

    @property
    def members(self) -> list[Member]:
        """Who is there, in the order of coming."""
        return list(self._shown.values())

    # -- connections of this server -------------------------------------------------------------

    def enter(self, user: str, connection: str, data: bytes | None) -> None:
        """A connection comes in, or comes with other data. Raises ``MembersLimitError``."""
        key = (user, "" if user else connection)
        local = self._local.get(key)
        if local is None:
            if key not in self._shown and len(self._shown) >= self._limits.members_max:
                raise MembersLimitError(self.stream, self._limits.members_max)
            local = self._local[key] = _Local()
        if local.grace is not None:
            local.grace.cancel()
            local.grace = None
        local.connections.pop(connection, None)
        local.connections[connection] = data
        local.data = data
        self._changed()

    def leave(self, user: str, connection: str) -> None:
        """A connection goes out by its own will. Raises ``NotEnteredError``."""
        key = (user, "" if user else connection)
        local = self._local.get(key)
        if local is None or connection not in local.connections:
            raise NotEnteredError(self.stream)
        del local.connections[connection]
        if not local.connections:
            del self._local[key]
        else:
            local.data = list(local.connections.values())[-1]
        self._changed()

    def leave_for_good(self, user: str, connection: str) -> None:
        """A connection goes out by its own will, be it that it is in its grace period or has never
        been here."""
        key = (user, "" if user else connection)
        local = self._local.get(key)
        if local is None:
            return
        local.connections.pop(connection, None)
        if local.connections:
            local.data = list(local.connections.values())[-1]
        else:
            if local.grace is not None:
                local.grace.cancel()
            del self._local[key]
        self._changed()

    def lost(self, user: str, connection: str) -> None:
        """A connection is gone: it may be back within the grace period."""
        key = (user, "" if user else connection)
        local = self._local.get(key)
        if local is None or connection not in local.connections:
            return
        del local.connections[connection]
        if local.connections:
            local.data = list(local.connections.values())[-1]
            self._changed()
            return
        loop = asyncio.get_running_loop()
        local.grace = loop.call_later(self._limits.grace_s, self._expire, key)

    def _expire(self, key: Key) -> None:
        local = self._local.get(key)
        if local is not None and not local.connections:
            del self._local[key]
            self._changed()
            self._hub.presence.tidy(self.stream)

    # -- watchers -------------------------------------------------------------------------------

    def watch(self, tell: Tell) -> Callable[[], None]:
        """Tell of every change from now on; returns what ends that."""
        token = object()
        self._watchers[token] = tell

        def unwatch() -> None:
            self._watchers.pop(token, None)
            self._hub.presence.tidy(self.stream)

        return unwatch

    # -- other servers --------------------------------------------------------------------------

    def heard(self, entry: Entry) -> None:
        """A server, maybe this one, has said who is there."""
        if entry.key == self._server:
            return
        left_s = self._limits.lease_s - max(0.0, time.time() - entry.time_ms / 1000)
        self._forget(entry.key)
        try:
            said = msgspec.json.decode(entry.payload, type=_List)
        except msgspec.DecodeError:
            logger.warning("%s holds something else than a list of members", entry.position)
            return
        if said.members and left_s > 0:
            members = {
                (user, connection): None if data is None else data.encode()
                for user, connection, data in said.members
            }
            ends = asyncio.get_running_loop().call_later(left_s, self._lease_over, entry.key)
            self._remote[entry.key] = _Remote(members, ends)
        self._refresh()

    def _lease_over(self, server: str) -> None:
        self._forget(server)
        self._refresh()

    def _forget(self, server: str) -> None:
        remote = self._remote.pop(server, None)
        if remote is not None:
            remote.ends.cancel()

    def _say(self) -> None:
        """Tell the other servers who is here, and again before the lease ends."""
        if self._renewal is not None:
            self._renewal.cancel()
            self._renewal = None
        if self._link is None:
            return
        members = [
            (user, connection, None if local.data is None else local.data.decode())
            for (user, connection), local in self._local.items()
        ]
        self._link.say(self._server, msgspec.json.encode(_List(members)))
        if members:
            every_s = self._limits.lease_s / _RENEWALS
            self._renewal = asyncio.get_running_loop().call_later(every_s, self._say)

    # -- inside ---------------------------------------------------------------------------------

    def _changed(self) -> None:
        self._say()
        self._refresh()

    def _refresh(self) -> None:
        """Find what is different from what was shown, and tell it."""
        there: dict[Key, bytes | None] = {}
        for remote in self._remote.values():
            there.update(remote.members)
        there.update({key: local.data for key, local in self._local.items()})
        gone = [key for key in self._shown if key not in there]
        changes = [Change(Event.LEAVE, self._shown.pop(key)) for key in gone]
        for key, data in there.items():
            known = self._shown.get(key)
            if known is None or known.data != data:
                member = self._shown[key] = Member(*key, data)
                changes.append(Change(Event.JOIN if known is None else Event.UPDATE, member))
        for change in changes:
            for tell in list(self._watchers.values()):
                tell(self.stream, change)

    def close(self) -> None:
        """Stop all timers."""
        if self._renewal is not None:
            self._renewal.cancel()
        for local in self._local.values():
            if local.grace is not None:
                local.grace.cancel()
        for server in list(self._remote):
            self._forget(server)
        if self._link is not None:
            self._link.close()


class _SharedList:
    """The stream of a room in a shared store: a sink of the hub, and a writer."""

    def __init__(self, hub: Hub, room: _Room) -> None:
        self._hub = hub
        self._room = room
        self._stream = _PREFIX + room.stream
        self._attachment = hub.attach(self)
        self._following: asyncio.Task[None] | None = None
        self._writer: asyncio.Task[None] | None = None
        self._unsaid: tuple[str, bytes] | None = None

    async def follow(self) -> None:
        """Read what the servers have said, and go on reading."""
        if self._following is None:
            self._following = asyncio.get_running_loop().create_task(self._follow())
        await asyncio.shield(self._following)

    async def _follow(self) -> None:
        subscription: Subscription | None = None
        try:
            subscription = await self._attachment.open(
                self._stream, StartAt.EARLIEST, is_reserved_allowed=True
            )
            page = await self._hub.store.read(
                self._stream, subscription.position, entries_max=1_000, bytes_max=1 << 24
            )
        except BaseException:
            self._following = None
            if subscription is not None:
                subscription.end()
            raise
        for entry in page.entries:
            self._room.heard(entry)
        subscription.begin()

    def say(self, server: str, payload: bytes) -> None:
        """Write this server's list; what was not written yet is left out for it."""
        self._unsaid = (server, payload)
        if self._writer is None:
            self._writer = asyncio.get_running_loop().create_task(self._write())

    async def _write(self) -> None:
        try:
            while self._unsaid is not None:
                (server, payload), self._unsaid = self._unsaid, None
                entry = NewEntry(payload, server)
                await self._hub.store.append(Append(self._stream, (entry,), create=_SETTINGS))
        except Exception as error:
            # Said again with the next renewal; until then the others go by what they know.
            logger.warning("others were not told who is in %r: %s", self._room.stream, error)
        finally:
            self._writer = None

    # -- the sink -------------------------------------------------------------------------------

    def send_entries(self, stream: str, entries: Sequence[Entry]) -> int:
        for entry in entries:
            self._room.heard(entry)
        return 0

    def send_gap(self, stream: str, gap: Gap) -> int:
        return 0  # what counts is said again within a third of a lease

    def send_closed(self, stream: str, position: Position) -> int:
        return 0

    def close(self) -> None:
        self._attachment.detach()
        if self._following is not None:
            self._following.cancel()
