# cython: annotation_typing=False, auto_pickle=False
"""The same frames on many connections, without a call, a list or a flush for each of them."""

from __future__ import annotations

from collections.abc import Sequence

from longwire.net.endpoint import Endpoint

__all__ = ["FanOut"]


class FanOut:
    """Sends to the same endpoints again and again; servers' ones, which share frames."""

    __slots__ = ("_endpoints",)

    def __init__(self, endpoints: Sequence[Endpoint]) -> None:
        self._endpoints = list(endpoints)

    def send_bytes(self, frames: bytes, messages: int, held_bytes_max: int) -> Sequence[int]:
        """Send what ``longwire.websocket.frames.encode_message`` made, at once where that can be.

        Connections that are closing are passed over. Returns the indexes of those that now hold
        more than ``held_bytes_max`` bytes.
        """
        over: list[int] = []
        if not self._endpoints:
            return over
        now = self._endpoints[0].link.now()
        for index, endpoint in enumerate(self._endpoints):
            if endpoint.send_shared(frames, messages, now) > held_bytes_max:
                over.append(index)
        return over
