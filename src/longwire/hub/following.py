"""What the hub does with news of a stream, whether from its own appends or from a shared store."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from longwire.hub.channel import Channel
from longwire.hub.creations import CREATED
from longwire.hub.readers import Readers
from longwire.streams.entry import Entry
from longwire.streams.position import START, Position

__all__ = ["Follower"]


class Follower:
    """The hub as the :class:`~longwire.streams.listener.Listener` of its store."""

    def __init__(
        self,
        channels: Mapping[str, Channel],
        readers: Readers,
        mark_dirty: Callable[[Channel], None],
        on_created: Callable[[Sequence[Entry]], None],
        on_doubt: Callable[[str | None], None],
    ) -> None:
        self._channels = channels
        self._readers = readers
        self._mark_dirty = mark_dirty
        self._on_created = on_created
        self._on_doubt = on_doubt

    def follows(self, stream: str) -> bool:
        """Whether anything is to be done about what is appended to ``stream``."""
        return stream in self._channels or stream == CREATED

    def appended(
        self, stream: str, entries: Sequence[Entry], tail: Position, is_closed: bool
    ) -> None:
        if stream == CREATED:
            self._on_created(entries)
        channel = self._channels.get(stream)
        if channel is None:
            return
        self._readers.cut_off(channel.offer(entries))
        if is_closed:
            channel.closed_at = tail
        self._mark_dirty(channel)

    def deleted(self, stream: str) -> None:
        self._on_doubt(stream)
        channel = self._channels.get(stream)
        if channel is not None:
            channel.closed_at = None
            self._readers.cut_off(channel.rebase(START))

    def doubt(self, stream: str | None) -> None:
        self._on_doubt(stream)
        if stream is None:
            channels = list(self._channels.values())
        else:
            found = self._channels.get(stream)
            channels = [] if found is None else [found]
        for channel in channels:
            self._readers.cut_off(channel.forget())
