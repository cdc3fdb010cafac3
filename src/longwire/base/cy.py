"""Stands in for the ``cython`` module where Cython is not installed.

Compiled modules are plain Python files. Those that have a second body for the compiler ask
``cython.compiled``; Cython itself is never needed to run them::

    try:
        import cython
    except ImportError:
        from longwire.base import cy as cython
"""

from __future__ import annotations

__all__ = ["compiled"]

compiled = False
"""Always false: the compiler replaces the whole module."""
