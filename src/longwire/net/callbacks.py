"""The callback style: the least there can be between the wire and your code.

Methods are called straight from the read that brought the message, with no task, queue or future
in between, so they must not block; what they send leaves when all that the read brought is handled.
An exception in a callback is logged and closes the connection with 1011 (internal error).

Example::

    class Echo(longwire.Callbacks):
        def on_message(self, connection, message):
            connection.send(message)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from longwire.websocket.events import Fragment

if TYPE_CHECKING:
    from longwire.net.closed import ConnectionClosed
    from longwire.net.endpoint import Endpoint

__all__ = ["Callbacks"]


class Callbacks:
    """What happens on a connection. Override what you need; one object may serve many."""

    __slots__ = ()

    def on_open(self, connection: Endpoint) -> None:
        """The connection is open. The first call."""

    def on_message(self, connection: Endpoint, message: str | bytes) -> None:
        """A whole message."""

    def on_fragment(self, connection: Endpoint, fragment: Fragment) -> None:
        """A part of a message, instead of ``on_message``, where streaming was asked for."""

    def on_ping(self, connection: Endpoint, payload: bytes) -> None:
        """The peer sent a ping; it has been answered."""

    def on_pong(self, connection: Endpoint, payload: bytes, latency_s: float | None) -> None:
        """A pong; ``latency_s`` is set when it answers a ping of ours."""

    def on_drain(self, connection: Endpoint) -> None:
        """``held_bytes`` had gone over the write limit and has fallen again: go on sending."""

    def on_close(self, connection: Endpoint, error: ConnectionClosed) -> None:
        """The connection is gone, whoever wanted that. The last call, and always called."""
