# cython: annotation_typing=False, boundscheck=False, wraparound=False
"""Masking (RFC 6455 section 5.3): every octet of a payload is XORed with one of four.

Two bodies in one function: the compiled one is a loop over octets, which a C compiler turns into
vector instructions; the plain one XORs one large integer, the fastest that Python itself can do.
"""

from __future__ import annotations

try:
    import cython
except ImportError:
    from longwire.base import cy as cython

if cython.compiled:
    from cython.cimports.cpython.bytes import PyBytes_AS_STRING, PyBytes_FromStringAndSize

__all__ = ["mask_range"]


def mask_range(data: bytes, start: int, stop: int, key: bytes) -> bytes:
    """Return ``data[start:stop]`` masked (or unmasked, which is the same) with ``key``."""
    count = stop - start
    if count <= 0:
        return b""
    if cython.compiled:
        made: bytes = PyBytes_FromStringAndSize(cython.NULL, count)
        target = cython.cast(cython.p_uchar, PyBytes_AS_STRING(made))
        source = data + start  # type: ignore[operator]  # a pointer
        key0, key1, key2, key3 = key[0], key[1], key[2], key[3]
        for index in range(0, count - 3, 4):
            target[index] = source[index] ^ key0
            target[index + 1] = source[index + 1] ^ key1
            target[index + 2] = source[index + 2] ^ key2
            target[index + 3] = source[index + 3] ^ key3
        for index in range(count & ~3, count):
            target[index] = source[index] ^ key[index & 3]
        return made
    else:
        keys = key * (count // 4 + 1)
        masked = int.from_bytes(data[start:stop], "little") ^ int.from_bytes(keys[:count], "little")
        return masked.to_bytes(count, "little")
