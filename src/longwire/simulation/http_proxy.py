"""An HTTP/1.1 proxy as many networks have one: it does not know of Upgrade.

It takes hop-by-hop fields out of what it passes on (RFC 9110 section 7.6.1), ``Upgrade`` among
them, so that a WebSocket handshake reaches the server as an ordinary GET. One request a
connection; bodies and answers pass as they are.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from urllib.parse import urlsplit

__all__ = ["HttpProxy"]

HEAD_OCTETS_MAX = 64 * 1024
_PIECE_OCTETS = 64 * 1024
_HOP_BY_HOP = frozenset(
    ("connection", "keep-alive", "proxy-connection", "proxy-authorization", "te", "upgrade")
)
_REASONS = {
    400: "Bad Request",
    405: "Method Not Allowed",
    431: "Request Header Fields Too Large",
    502: "Bad Gateway",
    504: "Gateway Timeout",
}


class _Refused(Exception):
    """The request is answered by the proxy itself."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


@dataclass(frozen=True, slots=True)
class _Request:
    method: str
    target: str
    fields: tuple[tuple[str, str], ...]


class HttpProxy:
    """In front of one server (``upstream``), or a forward proxy for ``http://`` URLs without one.

    With ``strips_upgrade`` false it passes an upgrade on and becomes a tunnel, as proxies do that
    know what it is. ``idle`` is how many seconds the server may be silent: before its answer begins
    the proxy answers 504, later it closes. ``forwarded`` and ``refused`` count requests. ::

        world.host("proxy").start(HttpProxy(("server", 80)).serve(8080))
    """

    def __init__(
        self,
        upstream: tuple[str, int] | None = None,
        *,
        strips_upgrade: bool = True,
        idle: float = 60.0,
    ) -> None:
        self.upstream = upstream
        self.strips_upgrade = strips_upgrade
        self.idle = idle
        self.forwarded = 0
        self.refused = 0

    async def serve(self, port: int = 80) -> None:
        """Serve until cancelled."""
        listening = await asyncio.start_server(self._handle, "0.0.0.0", port, limit=HEAD_OCTETS_MAX)
        await listening.serve_forever()

    async def _handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.closing(writer), contextlib.suppress(OSError):
            try:
                await self._forward(reader, writer)
            except _Refused as refused:
                self.refused += 1
                body = f"{refused}\n".encode()
                head = (
                    f"HTTP/1.1 {refused.status} {_REASONS[refused.status]}\r\n"
                    f"Content-Type: text/plain\r\nContent-Length: {len(body)}\r\n"
                    "Connection: close\r\n\r\n"
                )
                writer.write(head.encode() + body)
                await writer.drain()

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await self._read_request(reader)
        host, port, target = self._route(request)
        try:
            async with asyncio.timeout(self.idle):
                far_reader, far_writer = await asyncio.open_connection(host, port)
        except TimeoutError:
            raise _Refused(504, f"{host} did not answer in time") from None
        except OSError as error:
            raise _Refused(502, f"{host} cannot be reached: {error}") from None
        with contextlib.closing(far_writer):
            far_writer.write(self._head(request, target))
            self.forwarded += 1
            upward = asyncio.create_task(self._relay_up(reader, far_writer))
            try:
                await self._relay_down(far_reader, writer, host)
            finally:
                upward.cancel()

    async def _read_request(self, reader: asyncio.StreamReader) -> _Request:
        try:
            async with asyncio.timeout(self.idle):
                head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.LimitOverrunError:
            raise _Refused(431, f"a head has at most {HEAD_OCTETS_MAX} octets") from None
        except (asyncio.IncompleteReadError, TimeoutError):
            raise _Refused(400, "the head of the request did not come") from None
        first, *lines = head.decode("latin-1").split("\r\n")[:-2]
        words = first.split(" ")
        fields = [line.partition(":") for line in lines]
        if len(words) != 3 or not all(name and colon for name, colon, _ in fields):
            raise _Refused(400, f"this is no request: {first[:80]!r}")
        return _Request(
            words[0], words[1], tuple((name, value.strip()) for name, _, value in fields)
        )

    def _route(self, request: _Request) -> tuple[str, int, str]:
        """Return where the request goes, and its target there."""
        if request.method == "CONNECT":
            raise _Refused(405, "tunnels are not allowed here")
        if self.upstream is not None:
            return (*self.upstream, request.target)
        url = urlsplit(request.target)
        if url.scheme != "http" or not url.hostname:
            raise _Refused(400, "a proxy is asked for a whole http:// URL")
        target = url._replace(scheme="", netloc="").geturl() or "/"
        try:
            return url.hostname, url.port or 80, target
        except ValueError:
            raise _Refused(400, "the port of the URL is no number") from None

    def _head(self, request: _Request, target: str) -> bytes:
        """Return the head to send on."""
        named = {
            word.strip().lower()
            for name, value in request.fields
            if name.lower() == "connection"
            for word in value.split(",")
        }
        upgrade = next((value for name, value in request.fields if name.lower() == "upgrade"), "")
        passes_upgrade = not self.strips_upgrade and "upgrade" in named and upgrade
        gone = _HOP_BY_HOP | named
        lines = [f"{request.method} {target} HTTP/1.1"]
        lines += [f"{name}: {value}" for name, value in request.fields if name.lower() not in gone]
        lines += [f"Upgrade: {upgrade}", "Connection: Upgrade"] if passes_upgrade else []
        lines += ["Via: 1.1 proxy", *([] if passes_upgrade else ["Connection: close"])]
        return "\r\n".join((*lines, "", "")).encode("latin-1")

    async def _relay_up(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass on what the client sends, its end too."""
        with contextlib.suppress(OSError):
            while data := await reader.read(_PIECE_OCTETS):
                writer.write(data)
                await writer.drain()
            writer.write_eof()

    async def _relay_down(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str
    ) -> None:
        """Pass on what the server sends until it ends or is silent for too long."""
        has_answered = False
        while True:
            try:
                async with asyncio.timeout(self.idle):
                    data = await reader.read(_PIECE_OCTETS)
            except TimeoutError:
                if not has_answered:
                    raise _Refused(504, f"{host} did not answer in time") from None
                return
            if not data and not has_answered:
                raise _Refused(502, f"{host} closed the connection without an answer")
            if not data:
                return
            has_answered = True
            writer.write(data)
            await writer.drain()
