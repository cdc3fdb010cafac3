"""A forked worker must not repeat its parent's masking keys."""

from __future__ import annotations

import os
import sys

import pytest

from longwire.net.entropy_source import ENTROPY


@pytest.mark.skipif(sys.platform == "win32", reason="needs fork")
def test_forked_process_draws_other_bytes() -> None:
    ENTROPY(4)  # the pool is filled, so that a copy of it would show
    read_end, write_end = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(write_end, ENTROPY(16))
        os._exit(0)
    os.waitpid(child, 0)
    theirs = os.read(read_end, 16)
    os.close(read_end)
    os.close(write_end)
    assert len(theirs) == 16
    assert theirs != ENTROPY(16)
