"""As little of a client of docs/protocol.md as a test needs."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

TIMEOUT_S = 20.0


class NativeClient:
    """One connection, after ``connect``."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.connected: dict[str, Any] = {}
        self._id = 0

    async def ask(self, op: str, **members: Any) -> dict[str, Any]:
        """Send a request; return its answer. What else comes meanwhile is an error."""
        self._id += 1
        await self.socket.send(json.dumps({"op": op, "id": self._id, **members}))
        answer = await self.receive()
        assert answer.get("id") == self._id, answer
        return answer

    async def receive(self) -> dict[str, Any]:
        async with asyncio.timeout(TIMEOUT_S):
            message: dict[str, Any] = json.loads(await self.socket.recv())
        return message

    async def receive_op(self, op: str) -> dict[str, Any]:
        """Return the next message with this op."""
        while True:
            message = await self.receive()
            if message["op"] == op:
                return message


@contextlib.asynccontextmanager
async def native_client(url: str, token: str | None = None) -> AsyncIterator[NativeClient]:
    """Connect to ``/ws`` below an http URL."""
    async with connect(
        url.replace("http", "ws", 1) + "/ws",
        subprotocols=[Subprotocol("longwire.v1.json")],
        proxy=None,
    ) as socket:
        assert socket.subprotocol == "longwire.v1.json"
        client = NativeClient(socket)
        extra = {} if token is None else {"token": token}
        client.connected = await client.ask("connect", version=1, **extra)
        assert client.connected["op"] == "connected", client.connected
        yield client
