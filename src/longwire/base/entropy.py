"""Unpredictable bytes, cheaply: one call to the source fills a pool for many small needs."""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["Entropy", "EntropyPool"]

Entropy = Callable[[int], bytes]
"""Returns that many unpredictable bytes; ``os.urandom`` in production, seeded in simulation."""

_POOL_BYTES = 4096


class EntropyPool:
    """Serve small draws from blocks of 4 KiB.

    RFC 6455 section 5.3 wants each masking key unpredictable. Asking the kernel for four bytes
    costs a system call a frame; asking for 4 KiB once in 1,024 frames costs next to nothing, and
    the bytes are the same kernel's. Bytes are never handed out twice.
    """

    __slots__ = ("_block", "_offset", "_source")

    def __init__(self, source: Entropy) -> None:
        self._source = source
        self._block = b""
        self._offset = 0

    def __call__(self, count: int) -> bytes:
        """Return ``count`` fresh bytes."""
        if count > _POOL_BYTES:
            return self._source(count)
        end = self._offset + count
        if end > len(self._block):
            self._block = self._source(_POOL_BYTES)
            self._offset, end = 0, count
        drawn = self._block[self._offset : end]
        self._offset = end
        return drawn
