"""Memory that is free is given back, and only then: on this process's own heap."""

from __future__ import annotations

import asyncio
import math
import subprocess
import sys

import pytest

from longwire.base.limits import KIB, MIB
from longwire.server import memory as memory_module
from longwire.server.memory import MemoryReturn, private_bytes, system_heap

SLACK_BYTES = 8 * MIB
"""More than the test run itself takes or frees meanwhile."""

RUSH_BYTES = 8 * SLACK_BYTES
BLOCK_BYTES = 128 * KIB
LIVES_ON = 16
"""One block of so many outlives the rush, and the allocator keeps what lies between these."""


@pytest.fixture
def memory() -> MemoryReturn:
    heap = system_heap()
    if heap is None:
        pytest.skip("the C library is not glibc 2.33 or newer")
    # Where a block as large as this was freed once, smaller ones are no mappings of their own.
    del [bytearray(31 * MIB)][0]
    heap.trim()
    return MemoryReturn(heap, SLACK_BYTES)


def rush() -> list[bytes]:
    return [b"\1" * BLOCK_BYTES for _ in range(RUSH_BYTES // BLOCK_BYTES)]


def test_memory_in_use_is_not_taken_for_free(memory: MemoryReturn) -> None:
    blocks = rush()
    assert not memory.is_worth_it()
    assert blocks


def test_memory_free_between_blocks_that_live_on_is_given_back(memory: MemoryReturn) -> None:
    before = private_bytes()
    blocks = rush()
    blocks = blocks[::LIVES_ON]
    assert private_bytes() - before > RUSH_BYTES - 2 * SLACK_BYTES, "the allocator kept nothing"
    assert memory.is_worth_it()
    memory.give_back()
    assert private_bytes() - before < 2 * SLACK_BYTES
    assert memory.returned_bytes > RUSH_BYTES - 2 * SLACK_BYTES
    assert memory.is_worth_it(), "after much was given, it is done once more"
    memory.give_back()
    assert not memory.is_worth_it()
    assert blocks


def test_rush_after_rush_is_given_back(memory: MemoryReturn) -> None:
    before = private_bytes()
    for _ in range(3):
        blocks = rush()[::LIVES_ON]
        assert memory.is_worth_it()
        memory.give_back()
    assert private_bytes() - before < 2 * SLACK_BYTES
    assert blocks


def test_what_was_in_use_when_memory_was_given_back_is_given_back_later(
    memory: MemoryReturn,
) -> None:
    blocks = rush()
    memory.give_back()
    assert memory.returned_bytes < SLACK_BYTES
    blocks = blocks[::LIVES_ON]
    assert memory.is_worth_it()
    memory.give_back()
    assert memory.returned_bytes > RUSH_BYTES - 2 * SLACK_BYTES
    assert blocks


@pytest.mark.parametrize(("slack_bytes", "is_worth_it"), [(0, True), (math.inf, False)])
def test_slack_decides(memory: MemoryReturn, slack_bytes: float, is_worth_it: bool) -> None:
    memory._slack_bytes = slack_bytes
    blocks = rush()
    blocks = blocks[::LIVES_ON]
    assert memory.is_worth_it() is is_worth_it
    assert blocks


async def test_running_it_gives_back_and_counts(memory: MemoryReturn) -> None:
    blocks = rush()
    watch = asyncio.create_task(memory.run(0.01))
    blocks = blocks[::LIVES_ON]
    async with asyncio.timeout(30):
        while memory.returned_bytes < RUSH_BYTES - 2 * SLACK_BYTES:
            await asyncio.sleep(0.01)
    watch.cancel()
    name, (_, value, is_total) = next(iter(memory.figures().items()))
    assert name == "longwire_memory_returned_bytes"
    assert value == memory.returned_bytes
    assert is_total
    assert blocks


async def test_running_it_outlives_a_look_that_failed(
    memory: MemoryReturn, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    statm, missing = memory_module._STATM, memory_module._STATM.with_name("none")
    monkeypatch.setattr(memory_module, "_STATM", missing)
    blocks = rush()[::LIVES_ON]
    watch = asyncio.create_task(memory.run(0.01))
    async with asyncio.timeout(30):
        while "could not be looked for" not in caplog.text:
            await asyncio.sleep(0.01)
        monkeypatch.setattr(memory_module, "_STATM", statm)
        while memory.returned_bytes < RUSH_BYTES - 2 * SLACK_BYTES:
            await asyncio.sleep(0.01)
    watch.cancel()
    assert blocks


PROBE = """
import sys
before = set(sys.modules)
import longwire.server.memory
known = sys.stdlib_module_names | {"longwire", "cython_runtime"}
tops = {name.partition(".")[0] for name in set(sys.modules) - before}
print(sorted(top for top in tops - known if not top.startswith("_cython_")))
"""


def test_nothing_but_the_standard_library_is_loaded() -> None:
    found = subprocess.run(
        [sys.executable, "-c", PROBE], capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == "[]"
