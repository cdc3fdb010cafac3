"""A subscriber that reads its socket as slowly as it is told, and checks what it gets.

Only as much WebSocket as a server that behaves sends: whole, unmasked text messages, and pings.
"""

from __future__ import annotations

import base64
import json
import os
import socket
import struct
from typing import Any

__all__ = ["RawReader"]

RECEIVE_BUFFER_BYTES = 4096
TEXT, PING, PONG = 0x81, 0x89, 0x8A
"""First octets of whole frames."""


class RawReader:
    """Connects and subscribes at once; then ``read`` takes bytes and handles what is whole."""

    def __init__(self, port: int, stream: str) -> None:
        self.held = ""
        """The position that it has read up to."""
        self.offsets: list[int] = []
        """Offsets of the entries that came."""
        self.gaps: list[tuple[int, int, str]] = []
        """Intervals that will not come: (after, upto], and why."""
        self._buffer = bytearray()
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
        self.socket.settimeout(30)
        self.socket.connect(("127.0.0.1", port))
        self._shake_hands(port)
        self._send({"op": "connect", "id": 1, "version": 1})
        self._send({"op": "subscribe", "id": 2, "stream": stream})
        while not self.held:
            self.read(4096)

    def _shake_hands(self, port: int) -> None:
        key = base64.b64encode(os.urandom(16)).decode()
        self.socket.sendall(
            f"GET /ws HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Protocol: longwire.v1.json\r\n\r\n".encode()
        )
        while b"\r\n\r\n" not in self._buffer:
            self._buffer += self.socket.recv(4096)
        head, _, rest = bytes(self._buffer).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101 "), head
        self._buffer = bytearray(rest)

    def _send(self, message: dict[str, Any]) -> None:
        payload = json.dumps(message).encode()
        assert len(payload) < 126
        self.socket.sendall(bytes([0x81, 0x80 | len(payload), 0, 0, 0, 0]) + payload)

    def read(self, count: int) -> bool:
        """Take at most ``count`` bytes; ``False`` at the end of the connection."""
        data = self.socket.recv(count)
        self._buffer += data
        while (message := self._take()) is not None:
            self._handle(json.loads(message))
        return bool(data)

    def _take(self) -> bytes | None:
        buffer = self._buffer
        if len(buffer) < 2:
            return None
        length, at = buffer[1], 2
        if length >= 126:
            size, layout = (2, ">H") if length == 126 else (8, ">Q")
            if len(buffer) < 2 + size:
                return None
            (length,) = struct.unpack_from(layout, buffer, 2)
            at += size
        if len(buffer) < at + length:
            return None
        message = bytes(buffer[at : at + length])
        opcode = buffer[0]
        del buffer[: at + length]
        if opcode == PING:
            self.socket.sendall(bytes([PONG, 0x80 | length, 0, 0, 0, 0]) + message)
            return self._take()
        assert opcode == TEXT, f"a frame that begins with {opcode:#x}: {message[:100]!r}"
        return message

    def _handle(self, message: dict[str, Any]) -> None:
        match message["op"]:
            case "subscribed":
                self.held = message["position"]
            case "entry":
                assert message["after"] == self.held
                self.held = message["position"]
                self.offsets.append(int(self.held[:16]))
            case "gap":
                assert message["after"] == self.held
                after, self.held = self.held, message["upto"]
                self.gaps.append((int(after[:16]), int(self.held[:16]), message["reason"]))
            case "ping":
                self._send({"op": "pong"})
            case "error" | "closing":
                raise AssertionError(message)
