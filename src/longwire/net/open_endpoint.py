"""From a finished handshake to an open WebSocket on the same link."""

from __future__ import annotations

from longwire.net.callbacks import Callbacks
from longwire.net.endpoint import Endpoint
from longwire.net.entropy_source import ENTROPY
from longwire.net.in_flight import InFlight
from longwire.net.link import Link
from longwire.net.opening import Opening
from longwire.net.settings import WebSocketSettings
from longwire.websocket.connection import Role, WebSocketEngine

__all__ = ["open_endpoint"]


def open_endpoint(
    link: Link,
    role: Role,
    settings: WebSocketSettings,
    callbacks: Callbacks,
    opening: Opening,
    rest: bytes,
    in_flight: InFlight | None = None,
) -> Endpoint:
    """Give ``link`` to a new endpoint. ``rest`` is what came right behind the handshake.

    A server's connections share ``in_flight``.
    """
    engine = WebSocketEngine(
        role,
        now=link.now(),
        entropy=ENTROPY,
        limits=settings.limits,
        keepalive=settings.keepalive,
        deflate=opening.deflate,
    )
    endpoint = Endpoint(engine, callbacks, opening, in_flight)
    link.set_write_limits(*settings.write_marks)
    link.resume_reading()
    link.switch_handler(endpoint)
    if rest:
        endpoint.data_received(rest)
    return endpoint
