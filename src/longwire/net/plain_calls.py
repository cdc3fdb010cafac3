"""The reactor's calls through ``os`` and ``socket``, for descriptors that are not the kernel's.

A simulated loop puts its own functions into those modules; compiled, :class:`SocketCalls` would go
past them.
"""

from __future__ import annotations

import os
import socket
from typing import Any

from longwire.net.socket_calls import RECEIVE_BYTES, SEND_BUFFERS_MAX, SocketCalls

__all__ = ["PlainCalls"]


class PlainCalls(SocketCalls):
    """As its base, in plain Python in every build."""

    def accept(self, listening: socket.socket) -> tuple[int, Any] | None:
        try:
            accepted, address = listening.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return None
        accepted.setblocking(False)
        return accepted.detach(), address

    def receive(self, descriptor: int, count_max: int) -> bytes | None:
        try:
            return os.read(descriptor, min(count_max, RECEIVE_BYTES))
        except (BlockingIOError, InterruptedError):
            return None

    def send(self, descriptor: int, buffers: list[bytes], skipped: int) -> int:
        views: list[bytes | memoryview] = list(buffers[:SEND_BUFFERS_MAX])
        if skipped:
            views[0] = memoryview(buffers[0])[skipped:]
        try:
            return os.writev(descriptor, views)
        except (BlockingIOError, InterruptedError):
            return 0

    def send_one(self, descriptor: int, buffer: bytes) -> int:
        return self.send(descriptor, [buffer], 0)

    def send_to_each(self, descriptors: list[int], buffer: bytes) -> dict[int, int]:
        return self.send_in_turn(descriptors, buffer)
