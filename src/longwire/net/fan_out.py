# cython: annotation_typing=False, auto_pickle=False
"""The same frames on many connections, without a call, a list or a flush for each of them."""

from __future__ import annotations

from collections.abc import Sequence

from longwire.net.endpoint import Endpoint
from longwire.net.reactor_link import ReactorLink

__all__ = ["FanOut", "write_to_each"]


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
        links: list[ReactorLink] = []
        lenders: list[int] = []
        others: list[int] = []
        for index, endpoint in enumerate(self._endpoints):
            link = endpoint.lend_link(frames, messages, now)
            if link is None:
                others.append(index)
            else:
                links.append(link)
                lenders.append(index)
        for index, held in write_to_each(links, lenders, frames):
            if held > held_bytes_max:
                over.append(index)
        over += [
            index
            for index in others
            if self._endpoints[index].send_shared(frames, messages, now) > held_bytes_max
        ]
        return over


def write_to_each(
    links: list[ReactorLink], lenders: list[int], buffer: bytes
) -> list[tuple[int, int]]:
    """Write a buffer on links of one event loop that all can write it alone.

    ``lenders`` are their owners' numbers. Returns those that hold some of it now, and how much.
    """
    if not links:
        return []
    short = links[0].calls.send_to_each([link.descriptor for link in links], buffer)
    holding: list[tuple[int, int]] = []
    broken: list[tuple[ReactorLink, int]] = []
    for place, count in short.items():
        link = links[place]
        if count < 0:
            broken.append((link, -count))
        else:
            link.keep_rest(buffer, count)
            holding.append((lenders[place], len(buffer) - count))
    # Last, since what a broken connection has left to say may make its handler write on the others.
    for link, code in broken:
        link.writing_failed(code)
    return holding
