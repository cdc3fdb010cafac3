"""Sequence numbers: 32 bits on the wire, unbounded inside (RFC 9293 section 3.4)."""

from __future__ import annotations

__all__ = ["on_wire", "unwrap"]

_MODULUS = 1 << 32
_MASK = _MODULUS - 1
_HALF = 1 << 31


def on_wire(sequence: int) -> int:
    """Return the 32 bits that are sent."""
    return sequence & _MASK


def unwrap(wire: int, near: int) -> int:
    """Return the number that is ``wire`` on the wire and nearest to ``near``."""
    return near + ((wire - near + _HALF) & _MASK) - _HALF
