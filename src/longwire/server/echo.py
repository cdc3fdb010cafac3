"""``/echo``: every message comes back with its own type. Only with --dev; for trying things out,
for other people's test suites and for measuring."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from longwire.base.limits import MIB, KeepaliveSettings, WebSocketLimits
from longwire.net.callbacks import Callbacks
from longwire.net.closed import ConnectionClosed
from longwire.net.endpoint import Endpoint
from longwire.net.settings import WebSocketSettings
from longwire.websocket.deflate import DeflateOptions

__all__ = ["ECHO_HELD_BYTES_MAX", "Echo", "echo_settings"]

ECHO_HELD_BYTES_MAX: Final = 256 * 1024
"""Echoes that the client has not taken yet, bytes, past which nothing more is read from it."""


class Echo(Callbacks):
    """Send back what comes. One object serves all connections.

    A client that sends and does not read makes the kernel's buffers fill up; then reading from it
    stops until it reads, so it costs no more memory than one read can bring.
    """

    __slots__ = ("_on_closed",)

    def __init__(self, on_closed: Callable[[Endpoint], None]) -> None:
        self._on_closed = on_closed

    def on_message(self, connection: Endpoint, message: str | bytes) -> None:
        try:
            connection.send(message)
        except ConnectionClosed:
            return  # we are closing; what the client still sent is of no use to anybody
        if connection.held_bytes > ECHO_HELD_BYTES_MAX:
            connection.pause_reading()

    def on_drain(self, connection: Endpoint) -> None:
        connection.resume_reading()

    def on_close(self, connection: Endpoint, error: ConnectionClosed) -> None:
        self._on_closed(connection)


def echo_settings(limits: WebSocketLimits, keepalive: KeepaliveSettings) -> WebSocketSettings:
    """What conformance suites need: large messages in many fragments, and all of RFC 7692."""
    return WebSocketSettings(
        limits=replace(
            limits, message_bytes_max=16 * MIB, frame_bytes_max=None, fragments_max=65_536
        ),
        keepalive=keepalive,
        deflate=DeflateOptions(
            server_no_context_takeover=False,
            client_no_context_takeover=False,
            server_max_window_bits=None,
            client_max_window_bits=None,
        ),
    )
