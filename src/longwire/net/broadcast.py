"""Sending one message to many connections."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from longwire.net.closed import ConnectionClosed
from longwire.net.connection import Connection
from longwire.net.endpoint import Endpoint
from longwire.websocket.connection import BytesLike, Role, State
from longwire.websocket.frames import encode_message

__all__ = ["broadcast"]

logger = logging.getLogger("longwire.net")


def broadcast(
    connections: Iterable[Connection | Endpoint],
    message: str | BytesLike,
    *,
    text: bool | None = None,
    raise_exceptions: bool = False,
) -> None:
    """Send ``message`` to all ``connections`` that are open, without waiting for any.

    The frame is encoded once and shared by every server connection; clients, which must mask, get
    their own. Shared frames are not compressed. A connection that is sending a message in
    fragments misses the broadcast, which is logged, or raised with the others as an
    ``ExceptionGroup`` under ``raise_exceptions``.

    There is no back-pressure: what a slow peer does not take is kept for it. Skip connections
    whose ``link.held_bytes`` grows, or use streams, whose slow readers cost no memory.
    """
    if isinstance(message, (str, bytes, bytearray, memoryview)):
        plain = message if isinstance(message, str) else bytes(message)
    else:
        raise TypeError(f"a message is str or bytes, not {type(message).__name__}")
    shared: bytes | None = None
    failures: list[Exception] = []
    for connection in connections:
        endpoint = connection.endpoint if isinstance(connection, Connection) else connection
        if endpoint.state is not State.OPEN:
            continue
        try:
            if endpoint.engine.role is Role.SERVER:
                if shared is None:
                    shared = encode_message(_retyped(plain, text))
                endpoint.send_encoded(shared)
            else:
                endpoint.send(plain, text=text)
        except ConnectionClosed:
            continue
        except Exception as error:
            failures.append(error)
            logger.warning("broadcast to %s failed: %s", endpoint.remote_address, error)
    if failures and raise_exceptions:
        raise ExceptionGroup("broadcast failed for some connections", failures)


def _retyped(message: str | bytes, text: bool | None) -> str | bytes:
    """Return the message with the type that goes over the wire as ``text`` asks."""
    if text is True and isinstance(message, bytes):
        return message.decode()
    if text is False and isinstance(message, str):
        return message.encode()
    return message
