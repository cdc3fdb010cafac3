"""A broadcast server on the library websockets, as its documentation shows one:
``python -m longwire.lab.targets.websockets_server PORT``.

A client says ``{"read": [STREAM, …]}`` or ``{"publish": STREAM, "message": …}``; readers get the
message as it came.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections import defaultdict

from websockets.asyncio.server import ServerConnection, broadcast, serve

from longwire.lab.files import raise_open_files

__all__ = ["serve_forever"]


async def serve_forever(port: int) -> None:
    """Serve on this port of this machine."""
    readers: defaultdict[str, set[ServerConnection]] = defaultdict(set)

    async def handle(connection: ServerConnection) -> None:
        reads: list[str] = []
        try:
            async for text in connection:
                said = json.loads(text)
                if "publish" in said:
                    broadcast(readers[said["publish"]], json.dumps(said["message"]))
                    continue
                reads += said["read"]
                for stream in said["read"]:
                    readers[stream].add(connection)
                await connection.send('{"reading": true}')
        finally:
            for stream in reads:
                readers[stream].discard(connection)

    async with serve(handle, "127.0.0.1", port):
        await asyncio.Future()


if __name__ == "__main__":
    raise_open_files()
    asyncio.run(serve_forever(int(sys.argv[1])))
