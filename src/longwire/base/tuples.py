# cython: annotation_typing=False
"""Named tuples taken apart quickly by compiled modules.

``first, second = pair`` is a handful of instructions for a tuple in compiled code, and an iterator
for everything else, named tuples among it.
"""

from __future__ import annotations

from typing import TypeVar

try:
    import cython
except ImportError:
    from longwire.base import cy as cython

__all__ = ["parts"]

T = TypeVar("T")


def parts(value: T) -> T:
    """Return ``value``, a named tuple, to be taken apart at once: ``a, b = parts(value)``.

    For compiled callers, who ``cimport`` it, it is a tuple then; nothing is checked.
    """
    return cython.cast(tuple, value) if cython.compiled else value
