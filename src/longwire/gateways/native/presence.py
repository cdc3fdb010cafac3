"""``enter``, ``leave``, ``members``, ``unwatch`` (docs/protocol.md, 14)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from longwire.gateways.native.faults import NotWatchingError
from longwire.gateways.native.formats.format import JsonText
from longwire.gateways.native.requests import (
    BadMessageError,
    EnterRequest,
    Leave,
    Members,
    Unwatch,
    read_json,
)
from longwire.hub.errors import NotEnteredError
from longwire.hub.policy import demand
from longwire.hub.presence import Change, Member
from longwire.streams.name import check_stream_name

if TYPE_CHECKING:
    from longwire.gateways.native.gateway import NativeGateway
    from longwire.gateways.native.session import NativeSession

__all__ = ["SessionPresence", "enter", "leave", "members", "unwatch"]


class SessionPresence:
    """Where one connection is, and what it watches."""

    def __init__(self, gateway: NativeGateway, session: NativeSession) -> None:
        self._gateway = gateway
        self._hub = gateway.hub
        self._session = session
        self.entered: dict[str, str] = {}
        """The user's name under which it entered, by stream."""
        self.watched: dict[str, Callable[[], None]] = {}
        self._behind: set[str] = set()
        """Streams of which it missed a change, since it reads too slowly."""

    def tell(self, stream: str, change: Change) -> None:
        """Tell the client of a change; one that reads too slowly gets everything anew later."""
        if self._session.wire.held_bytes > self._hub.limits.held_bytes_max:
            self._behind.add(stream)
        elif stream not in self._behind:
            event = change.event.value
            described = describe(change.member)
            self._session.reply("presence", None, stream=stream, event=event, **described)

    def drained(self) -> None:
        """The client takes more again."""
        behind, self._behind = self._behind, set()
        for stream in behind:
            room = self._hub.presence.find(stream)
            if room is not None and stream in self.watched:
                everybody = [describe(member) for member in room.members]
                self._session.reply(
                    "presence", None, stream=stream, event="reset", members=everybody
                )

    def lost(self) -> None:
        """The connection is gone."""
        for stop in list(self.watched.values()):
            stop()
        self.watched.clear()
        for stream, user in self.entered.items():
            room = self._hub.presence.find(stream)
            if room is not None and not self._is_entered_anew(stream):
                room.lost(user, self._session.name)
        self.entered.clear()

    def _is_entered_anew(self, stream: str) -> bool:
        """Whether another request of the same client has taken the membership over."""
        return any(
            other.presence is not None and stream in other.presence.entered
            for other in self._gateway.siblings(self._session)
        )


def describe(member: Member) -> dict[str, Any]:
    """A member, as it is told."""
    described: dict[str, Any] = (
        {"user": member.user} if member.user else {"connection": member.connection}
    )
    if member.data is not None:
        described["data"] = JsonText(member.data)
    return described


async def enter(gateway: NativeGateway, session: NativeSession, request: EnterRequest) -> None:
    """Be a member, or be one with other data."""
    stream = check_stream_name(request.stream)
    hub = gateway.hub
    data = read_json(request.data, hub.stream_limits.json_depth_max, "enter")
    limit = hub.presence.limits.data_bytes_max
    if data is not None and len(data) > limit:
        raise BadMessageError(f"enter: data has {len(data)} bytes, at most {limit} are allowed")
    await _demand(gateway, session, stream)
    room = await hub.presence.room(stream)
    user = session.principal.name
    presence = _presence(gateway, session)
    if session.has_ended:
        hub.presence.tidy(stream)
        return
    try:
        room.enter(user, session.name, data)
    finally:
        hub.presence.tidy(stream)
    presence.entered[stream] = user
    session.reply("entered", request.id, stream=stream)


def leave(gateway: NativeGateway, session: NativeSession, request: Leave) -> None:
    """Be a member no longer."""
    stream = check_stream_name(request.stream)
    presence = session.presence
    room = gateway.hub.presence.find(stream)
    if session.is_kept:
        if room is not None:
            room.leave_for_good(session.principal.name, session.name)
        if presence is not None:
            presence.entered.pop(stream, None)
    elif presence is None or room is None or stream not in presence.entered:
        raise NotEnteredError(stream)
    else:
        room.leave(presence.entered.pop(stream), session.name)
    gateway.hub.presence.tidy(stream)
    session.reply("left", request.id, stream=stream)


async def members(gateway: NativeGateway, session: NativeSession, request: Members) -> None:
    """Tell who is there, and from then on what changes, if that is asked for."""
    stream = check_stream_name(request.stream)
    await _demand(gateway, session, stream)
    room = await gateway.hub.presence.room(stream)
    everybody = [describe(member) for member in room.members]
    session.reply("members", request.id, stream=stream, members=everybody)
    if request.watch and not session.has_ended:
        presence = _presence(gateway, session)
        if stream not in presence.watched:
            presence.watched[stream] = room.watch(presence.tell)
    gateway.hub.presence.tidy(stream)


def unwatch(gateway: NativeGateway, session: NativeSession, request: Unwatch) -> None:
    """Tell nothing more."""
    stream = check_stream_name(request.stream)
    presence = session.presence
    stop = None if presence is None else presence.watched.pop(stream, None)
    if stop is None:
        raise NotWatchingError(stream)
    stop()
    session.reply("unwatched", request.id, stream=stream)


def _presence(gateway: NativeGateway, session: NativeSession) -> SessionPresence:
    if session.presence is None:
        session.presence = SessionPresence(gateway, session)
    return session.presence


async def _demand(gateway: NativeGateway, session: NativeSession, stream: str) -> None:
    waiting = demand(gateway.hub.policy, session.principal, "presence", stream)
    if waiting is not None:
        await waiting
