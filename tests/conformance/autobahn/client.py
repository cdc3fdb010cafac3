"""The client under test: echo every message of every case, as the suite asks of its testees.

``python -m tests.conformance.autobahn.client ws://127.0.0.1:PORT AGENT``
"""

from __future__ import annotations

import asyncio
import sys

import longwire

# The suite's largest messages: 16 MiB (9.1.6), and 4 MiB in pieces of 64 bytes (9.3.1), of which
# this limit allows as many as there are.
MESSAGE_BYTES_MAX = 16 * 1024 * 1024


def connect(url: str) -> longwire.connect:
    return longwire.connect(
        url,
        max_size=MESSAGE_BYTES_MAX,
        ping_interval=None,
        open_timeout=60,
    )


async def case_count(url: str) -> int:
    async with connect(f"{url}/getCaseCount") as connection:
        return int(await connection.recv())


async def run_case(url: str, number: int, agent: str) -> None:
    """Echo until the suite closes, however it closes: the suite itself is the judge."""
    try:
        async with connect(f"{url}/runCase?case={number}&agent={agent}") as connection:
            async for message in connection:
                await connection.send(message)
    except longwire.ConnectionClosed:
        pass
    except (longwire.HandshakeError, OSError) as error:
        # The suite has its report of it; the log says why.
        print(f"case {number}: {error}", flush=True)


async def main(url: str, agent: str) -> None:
    for number in range(1, await case_count(url) + 1):
        await run_case(url, number, agent)
    async with connect(f"{url}/updateReports?agent={agent}") as connection:
        await connection.wait_closed()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2]))
