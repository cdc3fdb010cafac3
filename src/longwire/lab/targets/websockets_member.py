"""A client on the library websockets, written as most are: it connects again and reads again."""

from __future__ import annotations

import asyncio
import json
import random

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, WebSocketException

from longwire.lab.member import MemberSettings, Message, Recorder

__all__ = ["WebSocketsMember"]

# Full jitter, and sooner than the library's own `async for … in connect()`, whose first pause is
# of up to five seconds: what is lost here is not lost for want of haste.
_PAUSE_FIRST_S = 0.25
_PAUSE_MOST_S = 2.0


class WebSocketsMember:
    """Sends when it is connected. There is nothing that could be sent later, or asked for."""

    def __init__(self, settings: MemberSettings, recorder: Recorder) -> None:
        self._settings = settings
        self._recorder = recorder
        self._url = settings.url.replace("http://", "ws://", 1)
        self._connection: ClientConnection | None = None
        self._is_reading = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._task = asyncio.create_task(self._run())
        await self._is_reading.wait()

    async def publish(self, message: Message) -> bool:
        if self._connection is None:
            raise ConnectionError("not connected")
        said = {"publisher": message.publisher, "sequence": message.sequence}
        await self._connection.send(
            json.dumps({"publish": self._settings.publishes, "message": said})
        )
        return False

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _run(self) -> None:
        pause_s = 0.0
        while True:
            await asyncio.sleep(random.uniform(0, pause_s))
            try:
                async with connect(self._url, proxy=None, compression=None) as connection:
                    await self._read(connection)
            except (OSError, WebSocketException, TimeoutError):
                pass
            if self._connection is not None:
                self._connection = None
                self._recorder.disconnected()
                pause_s = 0.0
            else:
                pause_s = min(_PAUSE_MOST_S, 2 * pause_s or _PAUSE_FIRST_S)

    async def _read(self, connection: ClientConnection) -> None:
        await connection.send(json.dumps({"read": self._settings.reads}))
        try:
            async for text in connection:
                said = json.loads(text)
                if "sequence" in said:
                    self._recorder.received(Message(said["publisher"], said["sequence"]))
                else:
                    self._connection = connection
                    self._recorder.connected()
                    self._is_reading.set()
        except ConnectionClosed:
            pass
