"""Who is there, by stream: what this client entered and what it watches (docs/protocol.md, 14).

Membership and watching end with a connection; both are taken up again with the next one, within
the server's grace period, so that others see neither a leave nor a join.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol, TypeAlias

from longwire.client.errors import ClientError

__all__ = ["Member", "Presence", "PresenceChange", "PresenceHandler", "Watch", "parse_members"]


class Member(NamedTuple):
    """Somebody who is there."""

    user: str | None
    connection: str | None
    """Names an anonymous connection, which is a member of its own."""
    data: Any = None
    """What was entered with."""

    @property
    def name(self) -> str:
        """What tells members apart."""
        return f"user {self.user}" if self.user is not None else f"connection {self.connection}"


class PresenceChange(NamedTuple):
    """A change of who is there."""

    stream: str
    event: str
    """``join``, ``update``, ``leave``; ``reset``: all members anew."""
    members: list[Member]
    """Whom it is about."""


PresenceHandler: TypeAlias = Callable[[PresenceChange], None]


def parse_member(member: Mapping[str, Any]) -> Member:
    """From an object of the protocol."""
    return Member(member.get("user"), member.get("connection"), member.get("data"))


def parse_members(answer: Mapping[str, Any]) -> list[Member]:
    """From ``members`` or a ``reset``."""
    return [parse_member(member) for member in answer["members"]]


class PresenceHost(Protocol):
    """What presence needs of its client."""

    @property
    def is_usable(self) -> bool: ...
    def request(
        self,
        op: str,
        members: Mapping[str, Any],
        answered: Callable[[dict[str, Any]], None],
        refused: Callable[[ClientError], None],
    ) -> None: ...
    async def connected(self) -> None: ...
    async def ask(self, op: str, members: Mapping[str, Any]) -> dict[str, Any]: ...
    def announce(self, event: Any) -> None: ...
    def retry_delay_s(self, error: ClientError, failures: int) -> float: ...


class Watch:
    """Made by ``Client.watch``: the members of one stream, kept up to date."""

    def __init__(self, presence: Presence, stream: str, handler: PresenceHandler | None) -> None:
        self.stream = stream
        self._presence = presence
        self._handler = handler
        self._members: dict[str, Member] = {}
        loop = asyncio.get_running_loop()
        self._ready: asyncio.Future[None] = loop.create_future()
        self._ready.add_done_callback(lambda done: done.cancelled() or done.exception())

    @property
    def members(self) -> list[Member]:
        """Who is there, as far as is known. Not kept up to date while there is no connection."""
        return list(self._members.values())

    async def ready(self) -> None:
        """Wait until the members are known. Raises ``ClientError`` when the server refused."""
        await asyncio.shield(self._ready)

    def unwatch(self) -> None:
        """Stop."""
        self._presence.unwatch(self)

    def end(self, error: ClientError) -> None:
        """Nothing will follow."""
        if not self._ready.done():
            self._ready.set_exception(error)

    def reset(self, members: list[Member]) -> None:
        """These and no others are there."""
        self._members = {member.name: member for member in members}
        if not self._ready.done():
            self._ready.set_result(None)
        self._tell("reset", members)

    def changed(self, event: str, member: Member) -> None:
        """One has come, changed or gone."""
        if event == "leave":
            self._members.pop(member.name, None)
        else:
            self._members[member.name] = member
        self._tell(event, [member])

    def _tell(self, event: str, members: list[Member]) -> None:
        if self._handler is None:
            return
        try:
            self._handler(PresenceChange(self.stream, event, members))
        except Exception as error:
            self._presence.handler_failed(self.stream, error)


class Presence:
    """All presence of one client."""

    def __init__(self, host: PresenceHost) -> None:
        self._host = host
        self._entered: dict[str, dict[str, Any]] = {}
        """Requests by stream, to be made again."""
        self._watches: dict[str, Watch] = {}
        self._retries: set[asyncio.TimerHandle] = set()

    # -- from the application -------------------------------------------------------------------

    async def enter(self, stream: str, members: dict[str, Any]) -> None:
        """Be a member, now and after each reconnect, until ``leave``."""
        await self._host.connected()
        self._entered[stream] = members
        try:
            await self._host.ask("enter", members)
        except ClientError as error:
            # When the connection was lost it is entered with the next one.
            if error.code != "connection_lost":
                if self._entered.get(stream) is members:
                    del self._entered[stream]
                raise

    async def leave(self, stream: str) -> None:
        """Be no member any more."""
        self._entered.pop(stream, None)
        try:
            await self._host.ask("leave", {"stream": stream})
        except ClientError as error:
            # It ended with the connection, after the grace period.
            if error.code != "connection_lost":
                raise

    def watch(self, stream: str, handler: PresenceHandler | None) -> Watch:
        """Follow who is there. Raises ``ClientError``, code ``already_watching``."""
        if stream in self._watches:
            raise ClientError(
                "already_watching", f"this client watches {stream} already; use that watch"
            )
        watch = self._watches[stream] = Watch(self, stream, handler)
        if self._host.is_usable:
            self._ask_members(watch)
        return watch

    def unwatch(self, watch: Watch) -> None:
        """Stop following."""
        if self._watches.get(watch.stream) is watch:
            del self._watches[watch.stream]
            if self._host.is_usable:
                members = {"stream": watch.stream}
                self._host.request("unwatch", members, lambda _: None, lambda _: None)

    def handler_failed(self, stream: str, error: Exception) -> None:
        """Tell of a handler that failed."""
        named = ClientError(
            "handler_failed",
            f"the handler of presence in {stream} failed: {error!r}",
            details={"stream": stream},
        )
        named.__cause__ = error
        self._host.announce(named)

    # -- from the client ------------------------------------------------------------------------

    def connected(self) -> None:
        """There is a connection: enter and watch again."""
        for members in list(self._entered.values()):
            self._enter_again(members, 0)
        for watch in list(self._watches.values()):
            self._ask_members(watch)

    def disconnected(self) -> None:
        """The connection is gone."""
        for retry in self._retries:
            retry.cancel()
        self._retries.clear()

    def received(self, message: Mapping[str, Any]) -> None:
        """``presence``."""
        watch = self._watches.get(str(message.get("stream")))
        if watch is None:
            return
        event = str(message.get("event"))
        if event == "reset":
            watch.reset(parse_members(message))
        else:
            watch.changed(event, parse_member(message))

    def stop(self, error: ClientError) -> None:
        """End all of it."""
        self.disconnected()
        for watch in self._watches.values():
            watch.end(error)
        self._watches.clear()
        self._entered.clear()

    # -- inside ---------------------------------------------------------------------------------

    def _enter_again(self, members: dict[str, Any], failures: int) -> None:
        stream = members["stream"]
        if self._entered.get(stream) is not members:
            return

        def refused(error: ClientError) -> None:
            self._host.announce(error.with_details(stream=stream))
            if error.retry:
                self._later(error, failures, lambda: self._enter_again(members, failures + 1))
            elif self._entered.get(stream) is members:
                del self._entered[stream]

        self._host.request("enter", members, lambda _: None, refused)

    def _ask_members(self, watch: Watch, failures: int = 0) -> None:
        if self._watches.get(watch.stream) is not watch:
            return

        def answered(answer: Mapping[str, Any]) -> None:
            if self._watches.get(watch.stream) is watch:
                watch.reset(parse_members(answer))

        def refused(error: ClientError) -> None:
            named = error.with_details(stream=watch.stream)
            self._host.announce(named)
            if error.retry:
                self._later(error, failures, lambda: self._ask_members(watch, failures + 1))
            elif self._watches.get(watch.stream) is watch:
                del self._watches[watch.stream]
                watch.end(named)

        members = {"stream": watch.stream, "watch": True}
        self._host.request("members", members, answered, refused)

    def _later(self, error: ClientError, failures: int, work: Callable[[], None]) -> None:
        def go_on() -> None:
            self._retries.discard(handle)
            work()

        delay_s = self._host.retry_delay_s(error, failures)
        handle = asyncio.get_running_loop().call_later(delay_s, go_on)
        self._retries.add(handle)
