"""Who follows a store that others write to, too.

A store that several processes share tells one listener, the hub, what was appended to the streams
that it watches, whoever appended it. The other stores have nothing to tell.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from longwire.streams.entry import Entry
from longwire.streams.position import Position

__all__ = ["Listener"]


class Listener(Protocol):
    """What a store calls, on its event loop. None of it waits or raises."""

    def appended(
        self, stream: str, entries: Sequence[Entry], tail: Position, is_closed: bool
    ) -> None:
        """An append took effect, own ones included; in the order of the log. What is known
        already may come again; what does not follow the last one means that some are missing."""

    def deleted(self, stream: str) -> None:
        """The stream was deleted."""

    def doubt(self, stream: str | None) -> None:
        """Something may have gone unheard, or the log may have lost its end: everybody who follows
        this stream (``None``: any) has to ask the log again with its position."""
