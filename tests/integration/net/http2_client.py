"""An HTTP/2 client on the h2 library and asyncio streams, and a WebSocket on one of its streams."""

from __future__ import annotations

import asyncio
import ssl

import h2.config
import h2.connection
import h2.events
import h2.settings
from websockets.frames import Frame, Opcode
from websockets.protocol import Protocol, Side

__all__ = ["Http2Client", "StreamSocket"]


class Http2Client:
    """One connection; events are kept by stream."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        config = h2.config.H2Configuration(client_side=True, header_encoding="utf-8")
        self.h2 = h2.connection.H2Connection(config)
        self.h2.initiate_connection()
        self.gives_credit = True
        self.events: list[h2.events.Event] = []
        self.has_ended = False
        self._news = asyncio.Event()
        self.flush()
        self._task = asyncio.create_task(self._read())

    @classmethod
    async def open(cls, port: int, context: ssl.SSLContext | None = None) -> Http2Client:
        if context is not None:
            context.set_alpn_protocols(["h2"])
        return cls(*await asyncio.open_connection("127.0.0.1", port, ssl=context))

    async def __aenter__(self) -> Http2Client:
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        self._writer.close()

    def flush(self) -> None:
        self._writer.write(self.h2.data_to_send())

    def request(
        self, path: str, method: str = "GET", *more: tuple[str, str], body: bytes | None = b""
    ) -> int:
        """Begin a request; ``body`` of ``None`` is still to come."""
        stream: int = self.h2.get_next_available_stream_id()
        scheme = "http" if self._writer.get_extra_info("ssl_object") is None else "https"
        fields = [
            (":method", method),
            (":scheme", scheme),
            (":authority", "localhost"),
            (":path", path),
            *more,
        ]
        fields.sort(key=lambda field: not field[0].startswith(":"))
        self.h2.send_headers(stream, fields, end_stream=body == b"")
        if body:
            self.h2.send_data(stream, body, end_stream=True)
        self.flush()
        return stream

    def of(self, stream: int, kind: type) -> list[h2.events.Event]:
        return [
            each
            for each in self.events
            if isinstance(each, kind) and getattr(each, "stream_id", None) == stream
        ]

    def body(self, stream: int) -> bytes:
        return b"".join(bytes(each.data) for each in self.of(stream, h2.events.DataReceived))

    def status(self, stream: int) -> int | None:
        heads = self.of(stream, h2.events.ResponseReceived)
        return int(dict(heads[0].headers)[":status"]) if heads else None

    async def until(self, condition: object) -> None:
        async with asyncio.timeout(20.0):
            while not condition():  # type: ignore[operator]
                self._news.clear()
                await self._news.wait()

    async def answer(self, stream: int) -> tuple[int | None, bytes]:
        """Wait for the end of a stream; return status and body."""
        await self.until(
            lambda: self.of(stream, h2.events.StreamEnded) or self.of(stream, h2.events.StreamReset)
        )
        return self.status(stream), self.body(stream)

    async def _read(self) -> None:
        try:
            while data := await self._reader.read(65_536):
                for event in self.h2.receive_data(data):
                    self.events.append(event)
                    if isinstance(event, h2.events.DataReceived) and self.gives_credit:
                        size = event.flow_controlled_length
                        self.h2.acknowledge_received_data(size, event.stream_id)
                self.flush()
                self._news.set()
        finally:
            self.has_ended = True
            self._news.set()


class StreamSocket:
    """A WebSocket over one stream (RFC 8441), framed by the websockets library."""

    def __init__(self, client: Http2Client, stream: int) -> None:
        self.client, self.stream = client, stream
        self._protocol = Protocol(Side.CLIENT)
        self._taken = 0

    @classmethod
    async def open(cls, client: Http2Client, path: str, *more: tuple[str, str]) -> StreamSocket:
        stream = client.request(
            path,
            "CONNECT",
            ("sec-websocket-version", "13"),
            *more,
            body=None,
        )
        await client.until(lambda: client.status(stream) is not None)
        return cls(client, stream)

    def send(self, data: bytes) -> None:
        self._protocol.send_binary(data)
        self._send_output()

    def close(self, code: int) -> None:
        self._protocol.send_close(code, "")
        self._send_output()

    def _send_output(self) -> None:
        data = b"".join(self._protocol.data_to_send())
        for start in range(0, len(data), 16_384):
            self.client.h2.send_data(self.stream, data[start : start + 16_384])
        self.client.flush()

    async def recv(self) -> Frame:
        """Return the next frame."""
        while True:
            data = self.client.body(self.stream)[self._taken :]
            self._taken += len(data)
            self._protocol.receive_data(data)
            events = self._protocol.events_received()
            if events:
                assert len(events) == 1
                frame = events[0]
                assert isinstance(frame, Frame) and frame.opcode is not Opcode.CONT
                return frame
            await self.client.until(lambda: len(self.client.body(self.stream)) > self._taken)
