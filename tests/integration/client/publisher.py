"""Publishes numbers from an outbox on disk until it is killed.

Arguments: URL, outbox file, how many streams, prefix. Whatever was handed to the outbox is written
to standard output before it is handed over, so that the numbers go on after the last one.
"""

from __future__ import annotations

import asyncio
import os
import sys

from longwire.client.client import Client


async def main(url: str, outbox: str, streams: int, first: int) -> None:
    async with Client(url, outbox_path=outbox) as client:
        number = first
        while True:
            for stream in range(streams):
                await client.submit(f"kill/{stream}", [number])
            os.write(1, b"%d\n" % number)  # all of its streams have it
            number += 1
            await asyncio.sleep(0.001)


asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])))
