# cython: annotation_typing=False
# mypy: disable-error-code="name-defined"
# ruff: noqa: F821 - what the .pxd file declares
"""Named tuples made and taken apart quickly by compiled modules.

``first, second = pair`` is a handful of instructions for a tuple in compiled code, and an iterator
for everything else, named tuples among it. The constructor of a named tuple is a function of
Python's, and ``tuple.__new__`` below it makes two tuples.
"""

from __future__ import annotations

from typing import Any, TypeVar

try:
    import cython
except ImportError:
    from longwire.base import cy as cython

if cython.compiled:
    from cython.cimports.cpython.ref import Py_INCREF
    from cython.cimports.cpython.tuple import PyTuple_GET_SIZE, PyTuple_SET_ITEM

__all__ = ["make", "parts"]

T = TypeVar("T")


def make(kind: type[T], values: tuple[Any, ...]) -> T:
    """Return a named tuple of ``kind`` with ``values``, one for each member: nothing is checked."""
    if not cython.compiled:
        return tuple.__new__(kind, values)  # type: ignore[type-var]
    size = PyTuple_GET_SIZE(values)
    made = PyType_GenericAlloc(cython.cast("PyTypeObject *", kind), size)
    for at in range(size):
        value = values[at]
        Py_INCREF(value)  # SET_ITEM takes over a reference
        PyTuple_SET_ITEM(made, at, value)
    return made  # type: ignore[no-any-return]


def parts(value: T) -> T:
    """Return ``value``, a named tuple, to be taken apart at once: ``a, b = parts(value)``.

    For compiled callers, who ``cimport`` it, it is a tuple then; nothing is checked.
    """
    return cython.cast(tuple, value) if cython.compiled else value
