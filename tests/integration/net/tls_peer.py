"""The client's end of a TLS connection, played by hand: records leave when the test says so."""

from __future__ import annotations

import asyncio
import socket
import ssl

__all__ = ["TlsPeer"]


class TlsPeer:
    """As a socket that does not block, with what the tests of links need of one."""

    def __init__(self, sock: socket.socket, context: ssl.SSLContext) -> None:
        self.socket = sock
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname="127.0.0.1")

    async def shake_hands(self, *, first: bytes = b"") -> None:
        """Complete our side; ``first`` leaves together with the last of it."""
        while True:
            try:
                self.tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                self.socket.sendall(self._outgoing.read())
                await self._take_in()
        if first:
            self.tls.write(first)
        self.socket.sendall(self._outgoing.read())

    def send(self, data: bytes) -> int:
        self.socket.sendall(self.encrypt(data))
        return len(data)

    def encrypt(self, data: bytes) -> bytes:
        """Return the records that hold ``data``, without sending them."""
        self.tls.write(data)
        return self._outgoing.read()

    async def recv(self, size_max: int) -> bytes:
        """Return what has arrived; ``b""`` when the server sends no more."""
        while True:
            try:
                return self.tls.read(size_max)
            except ssl.SSLZeroReturnError:
                return b""
            except ssl.SSLWantReadError:
                if not await self._take_in():
                    raise ConnectionResetError("the end came without close_notify") from None

    def closing_record(self) -> bytes:
        """Return what says that we send no more, close_notify."""
        try:
            self.tls.unwrap()
        except ssl.SSLError:
            pass  # it would wait for the server's
        return self._outgoing.read()

    def shutdown(self, how: int) -> None:
        self.socket.sendall(self.closing_record())
        self.socket.shutdown(how)

    def setsockopt(self, level: int, option: int, value: int | bytes) -> None:
        self.socket.setsockopt(level, option, value)

    def close(self) -> None:
        self.socket.close()

    async def _take_in(self) -> bool:
        data = await asyncio.get_running_loop().sock_recv(self.socket, 65536)
        if data:
            self._incoming.write(data)
        return bool(data)
