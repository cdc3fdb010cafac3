"""What stores have in common to which only this process writes: there is nothing to tell."""

from __future__ import annotations

from collections.abc import Mapping

from longwire.streams.listener import Listener

__all__ = ["LocalStore"]


class LocalStore:
    """The answers of a :class:`~longwire.streams.store.Store` that no other process shares."""

    is_shared = False

    async def start(self) -> None:
        """Nothing has to be opened."""

    def listen(self, listener: Listener) -> None:
        """Nobody else appends."""

    async def watch(self, stream: str) -> None:
        """Nobody else appends."""

    def unwatch(self, stream: str) -> None:
        """Nobody else appends."""

    def health(self) -> str | None:
        return None

    def figures(self) -> Mapping[str, tuple[str, float, bool]]:
        return {}
