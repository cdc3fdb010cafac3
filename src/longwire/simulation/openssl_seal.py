"""OpenSSL's randomness from a seeded stream, so that TLS repeats to the octet.

OpenSSL lets a program replace its random generator (``RAND_set_rand_method``; deprecated in 3.0,
still there in 3.5). Where the library that ``ssl`` is linked with does not show that function,
TLS still works in a world, and lengths repeat, but octets do not: ``is_sealable()`` says which.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from longwire.tcpip.randomness import RandomStream

__all__ = ["is_sealable", "sealed_openssl"]

_BYTES = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int)
_SEED = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int)
_ADD = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.c_double)
_STATUS = ctypes.CFUNCTYPE(ctypes.c_int)
_CLEANUP = ctypes.CFUNCTYPE(None)


class _Method(ctypes.Structure):
    """``RAND_METHOD`` of OpenSSL's rand.h."""

    _fields_ = (
        ("seed", _SEED),
        ("bytes", _BYTES),
        ("cleanup", _CLEANUP),
        ("add", _ADD),
        ("pseudorand", _BYTES),
        ("status", _STATUS),
    )


def _library() -> Any:
    try:
        import _ssl

        library = ctypes.CDLL(_ssl.__file__)
        library.RAND_set_rand_method.argtypes = [ctypes.c_void_p]
        library.RAND_get_rand_method.restype = ctypes.c_void_p
    except (ImportError, AttributeError, OSError):
        return None
    return library


def is_sealable() -> bool:
    """Whether TLS repeats to the octet in this Python."""
    return _library() is not None


@contextmanager
def sealed_openssl(stream: RandomStream) -> Iterator[None]:
    """Draw OpenSSL's random octets from ``stream``."""
    library = _library()
    if library is None:
        yield
        return

    def draw(buffer: int, count: int) -> int:
        ctypes.memmove(buffer, stream(count), count)
        return 1

    method = _Method(
        _SEED(lambda *_: 1),
        _BYTES(draw),
        _CLEANUP(lambda: None),
        _ADD(lambda *_: 1),
        _BYTES(draw),
        _STATUS(lambda: 1),
    )
    before = library.RAND_get_rand_method()
    library.RAND_set_rand_method(ctypes.byref(method))
    try:
        yield
    finally:
        library.RAND_set_rand_method(before)
