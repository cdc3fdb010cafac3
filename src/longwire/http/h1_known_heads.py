# cython: annotation_typing=False, auto_pickle=False
"""Heads of requests that were read before, for clients that send the same again.

What a head says depends on its bytes alone. Who polls, revalidates or calls one endpoint sends the
same bytes each time, so they need not be read each time. Only plain requests are kept: without a
body, on a connection that stays, for nothing but an answer, of whatever scheme the connection is.
"""

from __future__ import annotations

from longwire.http.h1_head import RequestHead

__all__ = ["HEADS_MAX", "HEAD_BYTES_MAX", "KnownHeads"]

HEADS_MAX = 512
"""Heads in one generation; two are kept."""

HEAD_BYTES_MAX = 2048
"""A longer head is read each time. Browsers send about 700 bytes without cookies."""


class KnownHeads:
    """Remembers at most ``2 * HEADS_MAX`` heads, for all connections of a server.

    Heads that are used move on from the old generation to the young one; when that is full the
    old one is forgotten. So what is asked for again and again stays, at no cost but a look-up.
    """

    __slots__ = ("_old", "_young", "hits")

    def __init__(self) -> None:
        self._young: dict[bytes, RequestHead] = {}
        self._old: dict[bytes, RequestHead] = {}
        self.hits = 0
        """Heads that were not read again."""

    def find(self, data: bytes) -> RequestHead | None:
        """The head that ``data`` is, all of it and nothing more, if it is known."""
        head = self._young.get(data)
        if head is None:
            head = self._old.get(data)
            if head is None:
                return None
            self.keep(data, head)
        self.hits += 1
        return head

    def keep(self, data: bytes, head: RequestHead) -> None:
        """Remember what ``data`` says, if it is plain and short."""
        if (
            head.content_length != 0
            or not head.keep_alive
            or head.protocol is not None
            or head.scheme is not None
            or len(data) > HEAD_BYTES_MAX
        ):
            return
        if len(self._young) >= HEADS_MAX:
            self._old, self._young = self._young, {}
        self._young[data] = head
