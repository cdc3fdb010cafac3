"""Seeded randomness that is the same on every Python version and machine.

A stream is named: ``RandomStream(seed, "link a to b")`` and ``RandomStream(seed, "link b to a")``
have nothing in common, so that one more draw here moves nothing there. The generator is
xoshiro256** (Blackman and Vigna, public domain); its state comes from SHA-256 over seed and name.
It is not fit for secrets, and is not used for any outside simulation.
"""

from __future__ import annotations

import hashlib

__all__ = ["RandomStream"]

_MASK = (1 << 64) - 1


class RandomStream:
    """Draws from one seed and one name. As a callable it is a ``base.entropy.Entropy``."""

    __slots__ = ("_s0", "_s1", "_s2", "_s3", "name", "seed")

    def __init__(self, seed: int | str | bytes, name: str = "") -> None:
        self.seed = seed
        self.name = name
        material = repr(seed).encode() + b"\0" + name.encode()
        digest = hashlib.sha256(material).digest()
        words = [int.from_bytes(digest[start : start + 8], "big") for start in (0, 8, 16, 24)]
        self._s0, self._s1, self._s2, self._s3 = words

    def fork(self, name: str) -> RandomStream:
        """Return an independent stream, named below this one. Draws nothing from this one."""
        return RandomStream(self.seed, f"{self.name}/{name}")

    def word(self) -> int:
        """Return 64 random bits."""
        s1 = self._s1
        product = (s1 * 5) & _MASK
        result = (((product << 7) | (product >> 57)) * 9) & _MASK
        s2 = self._s2 ^ self._s0
        s3 = self._s3 ^ s1
        self._s1 = s1 ^ s2
        self._s0 ^= s3
        self._s2 = s2 ^ ((s1 << 17) & _MASK)
        self._s3 = ((s3 << 45) | (s3 >> 19)) & _MASK
        return result

    def below(self, limit: int) -> int:
        """Return an integer in ``range(limit)``, each equally likely. ``limit`` is at least 1."""
        if limit < 1:
            raise ValueError(f"the limit is {limit}; it is at least 1")
        bits = (limit - 1).bit_length()
        if bits > 64:
            raise ValueError(f"the limit is {limit}; it is at most 2**64")
        while True:
            value = self.word() >> (64 - bits) if bits else 0
            if value < limit:
                return value

    def between(self, low: int, high: int) -> int:
        """Return an integer from ``low`` to ``high``, both included."""
        return low + self.below(high - low + 1)

    def chance(self, probability: float) -> bool:
        """Return true with that probability. Draws exactly one word, whatever it is."""
        return self.word() >> 11 < probability * 9007199254740992.0

    def fraction(self) -> float:
        """Return a float in [0, 1)."""
        return (self.word() >> 11) / 9007199254740992.0

    def __call__(self, count: int) -> bytes:
        words = b"".join(self.word().to_bytes(8, "big") for _ in range((count + 7) // 8))
        return words[:count]
