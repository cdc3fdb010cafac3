"""Scripts for Node.js, run beside the packages of tests/node."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
from collections.abc import AsyncIterator

from tests import needs

__all__ = ["run_node", "start_node"]


@contextlib.asynccontextmanager
async def start_node(script: str, *arguments: str, packages: tuple[str, ...]) -> AsyncIterator[str]:
    """Run ``script`` (an ES module) and give the first line it prints; end it afterwards."""
    folder = needs.require_node_modules(*packages)
    process = await asyncio.create_subprocess_exec(
        needs.require("node"),
        "--input-type=module",
        "--eval",
        script,
        "--",
        *arguments,
        cwd=folder,
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        line = await asyncio.wait_for(process.stdout.readline(), 60)
        assert line, "the Node.js script ended without a word"
        yield line.decode().strip()
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def run_node(script: str, *arguments: str, packages: tuple[str, ...]) -> str:
    """Run ``script`` and return the line it prints."""
    async with start_node(script, *arguments, packages=packages) as line:
        return line
