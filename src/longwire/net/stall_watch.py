# cython: annotation_typing=False, auto_pickle=False
"""Whether a client takes anything of what it is sent."""

from __future__ import annotations

__all__ = ["StallWatch"]


class StallWatch:
    """A look at a client that holds bytes up: now, and again at ``due_s`` on the loop's clock.

    ``held_bytes`` is what was written and not taken yet.
    """

    __slots__ = ("_held_bytes", "_written_bytes", "due_s")

    def __init__(self, due_s: float, held_bytes: int) -> None:
        self.due_s = due_s
        self._held_bytes = held_bytes
        self._written_bytes = 0

    def wrote(self, size_bytes: int) -> None:
        """More was written meanwhile."""
        self._written_bytes += size_bytes

    def has_taken(self, held_bytes: int) -> bool:
        """Whether the client has taken something since the first look, if it leaves so much."""
        return held_bytes < self._held_bytes + self._written_bytes
