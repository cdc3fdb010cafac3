"""How many connections there are of one user, and from one address."""

from __future__ import annotations

from longwire.gateways.native.faults import ConnectionsLimitError

__all__ = ["Crowd"]


class Crowd:
    """Counts connections by name, up to a limit."""

    __slots__ = ("_counts", "_limit", "_whose")

    def __init__(self, whose: str, limit: int | None) -> None:
        self._whose = whose
        self._limit = limit
        self._counts: dict[str, int] = {}

    def join(self, name: str) -> None:
        """Count one more. Raises ``ConnectionsLimitError``. The empty name is nobody's."""
        if not name or self._limit is None:
            return
        count = self._counts.get(name, 0)
        if count >= self._limit:
            raise ConnectionsLimitError(self._whose, self._limit)
        self._counts[name] = count + 1

    def leave(self, name: str) -> None:
        """One that had joined is gone."""
        count = self._counts.get(name, 0)
        if count > 1:
            self._counts[name] = count - 1
        else:
            self._counts.pop(name, None)
