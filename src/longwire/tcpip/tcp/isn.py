"""Initial sequence numbers that nobody can guess and old segments do not match (RFC 9293 3.4.1)."""

from __future__ import annotations

import hashlib

from longwire.base.entropy import Entropy
from longwire.tcpip.addresses import Address
from longwire.tcpip.durations import MICROSECOND

__all__ = ["InitialNumbers"]

_TICK_NS = 4 * MICROSECOND


class InitialNumbers:
    """ISN = M + F(local, remote, secret): a clock that wraps in 4.8 hours, and a keyed hash.

    MUST-8 wants the clock, SHLD-1 the hash; RFC 6528 says how. The same secret makes the offset of
    the timestamps (RFC 7323 section 7.1), so that these do not tell how long the host is up.
    """

    def __init__(self, entropy: Entropy) -> None:
        self._secret = entropy(32)

    def draw(
        self, local: tuple[Address, int], remote: tuple[Address, int], now_ns: int
    ) -> tuple[int, int]:
        """Return the initial sequence number and the timestamp offset of a connection."""
        name = b"".join(
            (local[0], local[1].to_bytes(2, "big"), remote[0], remote[1].to_bytes(2, "big"))
        )
        digest = hashlib.blake2b(name, key=self._secret, digest_size=8).digest()
        offset = int.from_bytes(digest[:4], "big")
        return now_ns // _TICK_NS + offset & 0xFFFFFFFF, int.from_bytes(digest[4:], "big")
