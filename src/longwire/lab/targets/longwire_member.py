"""A client of longwire: ``longwire.Client`` as it is, with its defaults."""

from __future__ import annotations

from typing import Any

from longwire.client import events
from longwire.client.client import Client, Event
from longwire.client.transports import TRANSPORTS
from longwire.lab.member import MemberSettings, Message, Recorder

__all__ = ["LongwireMember"]


class LongwireMember:
    """Publishes and reads; connecting again, and what follows from it, is the client's matter."""

    def __init__(self, settings: MemberSettings, recorder: Recorder) -> None:
        self._settings = settings
        self._recorder = recorder
        transports = TRANSPORTS if settings.transport is None else (settings.transport,)
        self._client = Client(settings.url, transports=transports)
        self._client.on_event(self._note)

    async def start(self) -> None:
        await self._client.start()
        await self._client.connected()
        for stream in self._settings.reads:
            await self._client.subscribe(stream, self._receive, start="earliest").ready()

    async def publish(self, message: Message) -> bool:
        assert self._settings.publishes is not None
        said = {"publisher": message.publisher, "sequence": message.sequence}
        await self._client.publish(self._settings.publishes, said)
        return True

    async def close(self) -> None:
        await self._client.close()

    def _receive(self, message: events.Message[Any]) -> None:
        self._recorder.received(Message(**message.data))

    def _note(self, event: Event) -> None:
        if isinstance(event, events.Gap):
            self._recorder.gap()
        elif isinstance(event, events.StateChange):
            if event.state is events.State.OPEN:
                self._recorder.connected()
            else:
                self._recorder.disconnected()
