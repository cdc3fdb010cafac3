"""The one source of unpredictable bytes for masking keys and nonces."""

from __future__ import annotations

import os

from longwire.base.entropy import EntropyPool

__all__ = ["ENTROPY"]

ENTROPY = EntropyPool(os.urandom)


def _start_anew() -> None:
    """Forget the pool in a forked worker, or it would hand out the same bytes as its parent."""
    EntropyPool.__init__(ENTROPY, os.urandom)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_start_anew)
