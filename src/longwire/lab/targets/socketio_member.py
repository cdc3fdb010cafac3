"""A client on python-socketio, with the reconnecting that it has by default."""

from __future__ import annotations

from typing import Any

import socketio

from longwire.lab.member import MemberSettings, Message, Recorder

__all__ = ["SocketIOMember"]


class SocketIOMember:
    """Emits when it is connected (the library refuses otherwise); the server puts it into the
    rooms that it reads whenever it connects."""

    def __init__(self, settings: MemberSettings, recorder: Recorder) -> None:
        self._settings = settings
        self._recorder = recorder
        self._client = socketio.AsyncClient()
        self._client.on("connect", self._connected)
        self._client.on("disconnect", self._disconnected)
        self._client.on("message", self._receive)

    async def start(self) -> None:
        await self._client.connect(
            self._settings.url,
            auth={"reads": self._settings.reads},
            transports=["websocket"],
            retry=True,
        )

    async def publish(self, message: Message) -> bool:
        said = {"publisher": message.publisher, "sequence": message.sequence}
        await self._client.emit("publish", (self._settings.publishes, said))
        return False

    async def close(self) -> None:
        await self._client.shutdown()

    async def _connected(self) -> None:
        self._recorder.connected()

    async def _disconnected(self, reason: str = "") -> None:
        self._recorder.disconnected()

    async def _receive(self, said: dict[str, Any]) -> None:
        self._recorder.received(Message(said["publisher"], said["sequence"]))
