"""A forked worker must not repeat its parent's masking keys."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

PROBE = """
import os
from longwire.net.entropy_source import ENTROPY
ENTROPY(4)  # the pool is filled, so that a copy of it would show
read_end, write_end = os.pipe()
child = os.fork()
if child == 0:
    os.write(write_end, ENTROPY(16))
    os._exit(0)
os.waitpid(child, 0)
theirs = os.read(read_end, 16)
print(len(theirs), theirs != ENTROPY(16))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_forked_process_draws_other_bytes() -> None:
    found = subprocess.run(
        [sys.executable, "-c", PROBE], capture_output=True, text=True, check=True, timeout=60
    )
    assert found.stdout.split() == ["16", "True"]
