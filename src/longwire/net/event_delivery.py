# cython: annotation_typing=False, auto_pickle=False
"""The events of a WebSocket given to callbacks, and what becomes of those that raise."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from longwire.net.callbacks import Callbacks
from longwire.net.closed import ConnectionClosed
from longwire.websocket.events import CloseReceived, Event, Fragment, Ping, Pong

if TYPE_CHECKING:
    from longwire.net.endpoint import Endpoint

__all__ = ["call_back", "deliver_events"]

_POLITE_CODES = frozenset({1000, 1001, 1005})


def deliver_events(endpoint: Endpoint, callbacks: Callbacks, events: list[Event]) -> None:
    """Give ``events`` to ``callbacks`` in order; one that fails is the last."""
    given = 0
    while given < len(events):
        try:
            on_message = callbacks.on_message
            while given < len(events):
                event = events[given]
                given += 1
                if isinstance(event, (str, bytes)):
                    on_message(endpoint, event)
                else:
                    _deliver_other(endpoint, callbacks, event)
        except ConnectionClosed:
            # A callback sent something after another one had closed the connection.
            continue
        except Exception as error:
            endpoint.callback_failed(error)
            return


def _deliver_other(endpoint: Endpoint, callbacks: Callbacks, event: Event) -> None:
    """Give what is no whole message."""
    if isinstance(event, Fragment):
        callbacks.on_fragment(endpoint, event)
    elif isinstance(event, Ping):
        callbacks.on_ping(endpoint, event.payload)
    elif isinstance(event, Pong):
        callbacks.on_pong(endpoint, event.payload, event.latency_s)
    elif isinstance(event, CloseReceived) and event.code not in _POLITE_CODES:
        endpoint.capture_evidence()


def call_back(endpoint: Endpoint, callback: Callable[[Endpoint], None]) -> None:
    """Tell one callback of what is no event of the engine."""
    try:
        callback(endpoint)
    except ConnectionClosed:
        pass
    except Exception as error:
        endpoint.callback_failed(error)
