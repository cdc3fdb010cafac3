"""Masking (RFC 6455 section 5.3): every octet of a payload is XORed with one of four."""

from __future__ import annotations

__all__ = ["mask_range"]


def mask_range(data: bytes, start: int, stop: int, key: bytes) -> bytes:
    """Return ``data[start:stop]`` masked (or unmasked, which is the same) with ``key``."""
    count = stop - start
    if count <= 0:
        return b""
    keys = key * (count // 4 + 1)
    masked = int.from_bytes(data[start:stop], "little") ^ int.from_bytes(keys[:count], "little")
    return masked.to_bytes(count, "little")
