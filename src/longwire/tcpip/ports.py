"""Choosing a port that nobody can guess (RFC 6056, algorithm 1)."""

from __future__ import annotations

from collections.abc import Callable

from longwire.base.entropy import Entropy
from longwire.tcpip.reasons import Reason
from longwire.tcpip.sockets import AddressInUse

__all__ = ["EPHEMERAL_FIRST", "EPHEMERAL_LAST", "PortRange"]

# Precedent: Linux ``ip_local_port_range``.
EPHEMERAL_FIRST = 32_768
EPHEMERAL_LAST = 60_999


class PortRange:
    """The ports that are given to sockets which ask for none in particular."""

    def __init__(
        self, entropy: Entropy, first: int = EPHEMERAL_FIRST, last: int = EPHEMERAL_LAST
    ) -> None:
        self._entropy = entropy
        self.first = first
        self.last = last

    def choose(self, is_free: Callable[[int], bool]) -> int:
        """Return a free port. Raises AddressInUse when all are taken."""
        count = self.last - self.first + 1
        start = int.from_bytes(self._entropy(4), "big") % count
        for step in range(count):
            port = self.first + (start + step) % count
            if is_free(port):
                return port
        raise AddressInUse(Reason.PORTS_EXHAUSTED, f"{self.first} to {self.last}")
