"""Every test of the suite that is not skipped passes, whatever the store.

Skipped are the subscription APIs (sections 6 and 7 of the protocol), which are not built.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import needs
from tests.integration.server.running import RunningServer
from tests.redis_servers import RedisServer

SUITE_TIMEOUT_S = 150.0
TESTS_MIN = 330
"""What the suite has, about: a run that finds no tests proves nothing."""


@contextlib.contextmanager
def store_url(kind: str, folder: Path) -> Iterator[str]:
    if kind == "memory":
        yield "memory"
    elif kind == "sqlite":
        yield f"sqlite:{folder / 'streams.db'}"
    else:
        with RedisServer(folder / "redis") as redis:
            yield redis.url


@pytest.mark.slow
@pytest.mark.timeout(SUITE_TIMEOUT_S + 30)
@pytest.mark.parametrize("kind", ["memory", "sqlite", "redis"])
async def test_every_test_of_the_suite_passes(kind: str, tmp_path: Path) -> None:
    folder = needs.require_node_modules("vitest", "@durable-streams/server-conformance-tests")
    report_path = tmp_path / "report.json"
    with (
        store_url(kind, tmp_path) as url,
        RunningServer(
            tmp_path,
            *("--dev", "--store", url),
            environment={"LONGWIRE_LONG_POLL_TIMEOUT_S": "2"},
        ) as server,
    ):
        process = await asyncio.create_subprocess_exec(
            needs.require("node"),
            "node_modules/vitest/vitest.mjs",
            *("run", "durable-streams.test.js", "--reporter=json", f"--outputFile={report_path}"),
            # Some compare 100,000 bytes one by one: five seconds are too short on a busy machine.
            "--testTimeout=60000",
            cwd=folder,
            env={**os.environ, "STREAMS_URL": f"{server.url}/streams", "CI": "1"},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        try:
            output, _ = await asyncio.wait_for(process.communicate(), SUITE_TIMEOUT_S)
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
    assert report_path.exists(), output.decode()[-4000:]
    report = json.loads(report_path.read_text())
    results = [result for file in report["testResults"] for result in file["assertionResults"]]
    failed = {
        result["fullName"]: result["failureMessages"]
        for result in results
        if result["status"] not in ("passed", "pending", "skipped")
    }
    assert not failed
    assert report["numPassedTests"] >= TESTS_MIN
