# cython: annotation_typing=False, auto_pickle=False
"""The events of a WebSocket given to callbacks, and what becomes of those that raise."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from longwire.net.callbacks import Callbacks
from longwire.net.closed import ConnectionClosed
from longwire.websocket.events import Event, Fragment, Ping, Pong

if TYPE_CHECKING:
    from longwire.net.endpoint import Endpoint

__all__ = ["call_back", "deliver_events"]

_POLITE_CODES = frozenset({1000, 1001, 1005})


def deliver_events(endpoint: Endpoint, callbacks: Callbacks, events: list[Event]) -> None:
    """Give ``events`` to ``callbacks`` in order; one that fails is the last."""
    remaining = iter(events)
    while True:
        try:
            _deliver_remaining(endpoint, callbacks, remaining)
            return
        except ConnectionClosed:
            # A callback sent something after another one had closed the connection.
            continue
        except Exception as error:
            endpoint.callback_failed(error)
            return


def _deliver_remaining(endpoint: Endpoint, callbacks: Callbacks, events: Iterator[Event]) -> None:
    on_message = callbacks.on_message
    for event in events:
        if isinstance(event, (str, bytes)):
            on_message(endpoint, event)
        elif isinstance(event, Fragment):
            callbacks.on_fragment(endpoint, event)
        elif isinstance(event, Ping):
            callbacks.on_ping(endpoint, event.payload)
        elif isinstance(event, Pong):
            callbacks.on_pong(endpoint, event.payload, event.latency_s)
        elif event.code not in _POLITE_CODES:
            endpoint.capture_evidence()


def call_back(endpoint: Endpoint, callback: Callable[[Endpoint], None]) -> None:
    """Tell one callback of what is no event of the engine."""
    try:
        callback(endpoint)
    except ConnectionClosed:
        pass
    except Exception as error:
        endpoint.callback_failed(error)
