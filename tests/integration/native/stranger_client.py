"""A client of the native protocol written from docs/protocol.md alone.

It uses the PyPI package ``websockets`` and the standard library, and nothing of longwire: it stands
for somebody who has only the page. Numbers in comments are the page's sections.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import json
import random
import secrets
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

START = "0" * 16 + "_" + "0" * 24
SUBPROTOCOL = "longwire.v1.json"
PATIENCE_S = 40.0


def _encode(message: dict[str, Any]) -> str:
    return json.dumps(message, ensure_ascii=False)


class ProtocolBroken(Exception):
    """The server did something that the page rules out."""


class ConnectionLost(Exception):
    """The connection ended before the answer came."""


class RequestRefused(Exception):
    """The server answered with an error."""

    def __init__(self, answer: dict[str, Any]) -> None:
        super().__init__(f"{answer['code']}: {answer['message']}")
        self.answer = answer
        self.code = answer["code"]


@dataclass
class StreamView:
    """What this client knows of a stream."""

    held: str | None = None
    payloads: list[bytes] = field(default_factory=list)
    gaps: list[dict[str, Any]] = field(default_factory=list)
    refusals: list[dict[str, Any]] = field(default_factory=list)
    """Answers with "recovered": false."""
    recoveries: int = 0
    is_closed: bool = False


@dataclass(eq=False)
class Outgoing:
    """A publish in the outbox (6.2)."""

    stream: str
    data: Any
    sequence: int
    stored: asyncio.Future[dict[str, Any]]


class StrangerClient:
    """Subscribes, publishes, reconnects; checks every interval and every link."""

    def __init__(self, url: str, *, token: str | None = None) -> None:
        self.url = url
        self.token = token
        self.streams: dict[str, StreamView] = {}
        self.connected: dict[str, Any] = {}
        self.closings: list[dict[str, Any]] = []
        self.close_codes: list[int | None] = []
        self.errors: list[dict[str, Any]] = []
        self.producer = secrets.token_hex(16)
        self._sequences: dict[str, int] = {}
        self._outbox: deque[Outgoing] = deque()
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._last_id = 0
        self._socket: ClientConnection | None = None
        self._reader: asyncio.Task[None] | None = None
        self._is_ready = False
        """New publishes may be sent: those in doubt have gone out before them."""
        self.changed = asyncio.Event()

    # -- connecting (2, 10.3) ---------------------------------------------------------------

    async def open(self) -> None:
        """Connect, take up all subscriptions where they were, send again what is in doubt."""
        socket = await connect(
            self.url, subprotocols=[SUBPROTOCOL], proxy=None, max_size=2**21, open_timeout=20
        )
        if socket.subprotocol != SUBPROTOCOL:
            raise ProtocolBroken(f"the subprotocol is {socket.subprotocol}")
        self._socket = socket
        self._reader = asyncio.create_task(self._read(socket))
        members: dict[str, Any] = {"version": 1, "client": "stranger/0.1"}
        if self.token is not None:
            members["token"] = self.token
        connecting = asyncio.ensure_future(self._request("connect", **members))
        # 2.3: the rest may follow at once.
        rest = [self._subscribe(stream) for stream in self.streams]
        subscribing = asyncio.gather(*rest, return_exceptions=True)
        self.connected = await connecting
        for outcome in await subscribing:
            if isinstance(outcome, BaseException):
                raise outcome
        sent: list[Outgoing] = []
        while unsent := [outgoing for outgoing in self._outbox if outgoing not in sent]:
            sent.append(unsent[0])
            await self._send_outgoing(unsent[0])
        self._is_ready = True

    def cut(self) -> None:
        """Lose the connection without a word."""
        self._is_ready = False
        if self._socket is not None:
            self._socket.transport.abort()

    async def wait_lost(self) -> None:
        if self._reader is not None:
            await asyncio.wait([self._reader])
            self._reader.result()  # a broken rule of the protocol is raised here

    async def close(self) -> None:
        if self._socket is not None:
            await self._socket.close()
            await self.wait_lost()

    async def keep_connected(self, attempts: int = 40) -> None:
        """Reconnect until ``close`` of the test's own, with full jitter (10.3)."""
        while True:
            await self.wait_lost()
            for attempt in range(attempts):
                try:
                    await self.open()
                    break
                except (OSError, ConnectionClosed, ConnectionLost, TimeoutError):
                    await asyncio.sleep(random.uniform(0, min(1.0, 0.05 * 2**attempt)))
            else:
                raise ProtocolBroken("the server cannot be reached any more")

    # -- requests (3) -----------------------------------------------------------------------

    async def _request(self, op: str, **members: Any) -> dict[str, Any]:
        self._last_id += 1
        request_id = self._last_id
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._answers[request_id] = answer
        assert self._socket is not None
        await self._socket.send(_encode({"op": op, "id": request_id, **members}))
        message = await asyncio.wait_for(answer, PATIENCE_S)
        if message["op"] == "error":
            raise RequestRefused(message)
        return message

    async def ask(self, op: str, **members: Any) -> dict[str, Any]:
        """Any request, for tests."""
        return await self._request(op, **members)

    async def subscribe(self, stream: str, **start: Any) -> StreamView:
        view = self.streams[stream] = StreamView()
        await self._subscribe(stream, **start)
        return view

    async def _subscribe(self, stream: str, **start: Any) -> None:
        view = self.streams[stream]
        if view.held is not None:
            start = {"position": view.held}
        await self._request("subscribe", stream=stream, **start)

    async def publish(self, stream: str, data: Any) -> dict[str, Any]:
        """Publish with a producer triple; returns when it is stored, over any reconnects."""
        sequence = self._sequences.get(stream, 0)
        self._sequences[stream] = sequence + 1
        stored: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        outgoing = Outgoing(stream, data, sequence, stored)
        self._outbox.append(outgoing)
        if self._is_ready:
            with contextlib.suppress(ConnectionClosed):
                await self._send_outgoing(outgoing)
        return await asyncio.wait_for(stored, PATIENCE_S)

    async def _send_outgoing(self, outgoing: Outgoing) -> None:
        self._last_id += 1
        request_id = self._last_id
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._answers[request_id] = answer
        answer.add_done_callback(lambda future: self._outgoing_answered(outgoing, future))
        assert self._socket is not None
        await self._socket.send(
            _encode(
                {
                    "op": "publish",
                    "id": request_id,
                    "stream": outgoing.stream,
                    "data": outgoing.data,
                    "producer": self.producer,
                    "epoch": 0,
                    "sequence": outgoing.sequence,
                }
            )
        )

    def _outgoing_answered(
        self, outgoing: Outgoing, answer: asyncio.Future[dict[str, Any]]
    ) -> None:
        if answer.exception() is not None or outgoing.stored.done():
            return  # in doubt: it stays in the outbox
        message = answer.result()
        if message["op"] == "published":
            self._outbox.remove(outgoing)
            outgoing.stored.set_result(message)
        elif not message["retry"]:
            self._outbox.remove(outgoing)
            outgoing.stored.set_exception(RequestRefused(message))

    # -- what comes (5, 8) ------------------------------------------------------------------

    async def _read(self, socket: ClientConnection) -> None:
        try:
            async for text in socket:
                if not isinstance(text, str):
                    raise ProtocolBroken("a binary message")
                await self._handle(socket, text)
                self.changed.set()
        except ConnectionClosed:
            pass
        finally:
            self._is_ready = False
            self.close_codes.append(socket.close_code)
            answers, self._answers = self._answers, {}
            for answer in answers.values():
                if not answer.done():  # whoever waited may have been cancelled
                    answer.set_exception(ConnectionLost())
                    answer.exception()  # nobody may be waiting for it any more
            self.changed.set()

    async def _handle(self, socket: ClientConnection, text: str) -> None:
        message = json.loads(text)
        op = message["op"]
        if op == "entry":
            self._take_entry(text, message)
        elif op == "gap":
            view = self._view_that_holds(message)
            view.gaps.append(message)
            view.held = message["upto"]
        elif op == "closed":
            self.streams[message["stream"]].is_closed = True
        elif op == "ping":
            await socket.send('{"op":"pong"}')
        elif op == "closing":
            self.closings.append(message)
        elif op == "error" and "id" not in message:
            self.errors.append(message)
        elif "id" in message:
            if op == "subscribed":
                # Taken here and not where the request waits: the first entry may be next.
                self._take_subscribed(message)
            answer = self._answers.pop(message["id"], None)
            if answer is None:
                raise ProtocolBroken(f"nobody asked for {text}")
            if not answer.done():
                answer.set_result(message)

    def _take_subscribed(self, message: dict[str, Any]) -> None:
        view = self.streams[message["stream"]]
        if message.get("recovered") is False:
            if message["held"] != view.held:
                raise ProtocolBroken("another position than ours was refused")
            view.refusals.append(message)
        elif "recovered" in message:
            view.recoveries += 1
            if message["position"] != view.held:
                raise ProtocolBroken("recovered, but somewhere else")
        view.held = message["position"]

    def _view_that_holds(self, message: dict[str, Any]) -> StreamView:
        view = self.streams[message["stream"]]
        if message["after"] != view.held:
            raise ProtocolBroken(f"after {message['after']}, but {view.held} is held")
        return view

    def _take_entry(self, text: str, message: dict[str, Any]) -> None:
        view = self._view_that_holds(message)
        # 5.2: the exact bytes.
        if "data" in message:
            payload = text.partition(',"data":')[2][:-1].encode()
        else:
            payload = base64.b64decode(message["base64"], validate=True)
        # 1.3: the link.
        before, position = message["after"], message["position"]
        link = hashlib.sha1(bytes.fromhex(before[25:]) + payload).digest()[:8].hex()
        if position[25:] != link:
            raise ProtocolBroken(f"the link of {position} is not {link}")
        if int(position[:16]) != int(before[:16]) + 1:
            raise ProtocolBroken(f"{position} does not follow {before}")
        view.payloads.append(payload)
        view.held = position  # 5.1: after it was handled
