"""What goes from a stream into its fork."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from longwire.stores.redis.layout import creation_spec, pack_fork, pack_inherited
from longwire.stores.redis.reading import LogView
from longwire.streams.entry import NewEntry
from longwire.streams.lineage import Lineage
from longwire.streams.position import Position
from longwire.streams.store import Fork, StreamSettings

__all__ = ["ForkCopy"]

_PLACES = struct.Struct(">Q8sQ8s")


@dataclass(frozen=True, slots=True)
class ForkCopy:
    """A fork that is being made."""

    fork: Fork
    """With its place."""
    source: LogView
    """The source when it was decided where the fork branches off."""
    upto: Position
    """The last position that is inherited."""
    rest: tuple[NewEntry, ...]
    """What the fork begins with of its own: the beginning of an entry, or nothing."""
    lineage: Lineage
    """Of the fork."""

    def first_arguments(self, settings: StreamSettings) -> list[bytes]:
        """What the first piece of the copy says about the whole."""
        floor, upto = self.source.floor, self.upto
        return [
            creation_spec(settings),
            pack_inherited(self.lineage),
            pack_fork(self.fork),
            _PLACES.pack(floor.offset, floor.link, upto.offset, upto.link),
            b"%d" % self.source.newest_ms,
        ]

    def wanted(self, view: LogView) -> list[bytes]:
        """Those entries of a page, as they are kept, that are inherited."""
        return [
            packed
            for entry, packed in zip(view.entries, view.packed, strict=True)
            if entry.position.offset <= self.upto.offset
        ]
