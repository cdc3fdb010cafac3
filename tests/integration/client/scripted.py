"""A server that says what a test tells it to, over real sockets.

For what a well-behaved server does not do, or not when a test wants it: answers that do not come,
tokens that expire, advice when it closes.
"""

from __future__ import annotations

import asyncio
import json
from types import TracebackType
from typing import Any

from longwire import Connection, ConnectionClosed, serve

WAIT_S = 20.0
LIMITS = {"message_bytes": 1 << 20, "entry_bytes": 1 << 19, "in_flight": 256}


class Peer:
    """One connection of a client, seen from the server."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.is_answering_pings = True
        self._requests: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.closed = asyncio.Event()

    async def serve(self) -> None:
        try:
            async for text in self.connection:
                message = json.loads(text)
                if message["op"] == "ping" and self.is_answering_pings:
                    await self.say("pong")
                self._requests.put_nowait(message)
        except ConnectionClosed:
            pass
        self.closed.set()

    async def expect(self, op: str, *, skip: str = "ping pong") -> dict[str, Any]:
        """The next message that is not among those to skip; it must be an ``op``."""
        async with asyncio.timeout(WAIT_S):
            while True:
                message = await self._requests.get()
                if message["op"] == op:
                    return message
                assert message["op"] in skip.split(), f"{op} was expected, {message} came"

    async def say(self, op: str, **members: Any) -> None:
        await self.connection.send(json.dumps({"op": op, **members}))

    async def answer(self, request: dict[str, Any], op: str, **members: Any) -> None:
        await self.say(op, id=request["id"], **members)

    async def refuse(
        self, request: dict[str, Any], code: str, *, retry: bool = False, **members: Any
    ) -> None:
        sentence = f"the sentence of {code}"
        await self.answer(request, "error", code=code, message=sentence, retry=retry, **members)

    async def welcome(self, **members: Any) -> dict[str, Any]:
        """Answer ``connect``; return it."""
        request = await self.expect("connect")
        hello = {"version": 1, "connection": "c", "server": "script", "heartbeat_s": 0}
        await self.answer(request, "connected", **{**hello, "limits": LIMITS, **members})
        return request


class ScriptedServer:
    """``async with ScriptedServer() as server``; then ``await server.accept()``."""

    def __init__(self) -> None:
        self._peers: asyncio.Queue[Peer] = asyncio.Queue()

    async def __aenter__(self) -> ScriptedServer:
        self._server = await serve(
            self._handle, "127.0.0.1", 0, subprotocols=["longwire.v1.json"], ping_interval=None
        )
        self.url = f"ws://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._server.close()
        await self._server.wait_closed()

    async def _handle(self, connection: Connection) -> None:
        peer = Peer(connection)
        self._peers.put_nowait(peer)
        await peer.serve()

    async def accept(self) -> Peer:
        """The next connection."""
        async with asyncio.timeout(WAIT_S):
            return await self._peers.get()

    @property
    def has_another(self) -> bool:
        """Whether a connection came that was not accepted."""
        return not self._peers.empty()
