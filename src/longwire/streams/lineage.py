"""Which epoch the positions of a log have: one, unless the log branched off from another."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["Lineage"]


class Lineage(NamedTuple):
    """The epochs of a log, by offset."""

    epoch: str
    """Of what is appended to this stream."""
    inherited: tuple[tuple[int, str], ...] = ()
    """Last offset and epoch of each part that was inherited, the oldest first."""

    def epoch_at(self, offset: int) -> str:
        """The epoch of the position with this offset."""
        for upto, epoch in self.inherited:
            if offset <= upto:
                return epoch
        return self.epoch

    def branch(self, upto: int, epoch: str) -> Lineage:
        """The lineage of a fork that inherits everything up to an offset."""
        parts = [part for part in self.inherited if part[0] < upto]
        if upto > 0:
            parts.append((upto, self.epoch_at(upto)))
        return Lineage(epoch, tuple(parts))
