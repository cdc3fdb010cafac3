"""Small worlds that the tests of the simulator share."""

from __future__ import annotations

import asyncio

from longwire.simulation import SimHost, World


def pair(seed: int = 1, **settings: object) -> tuple[World, SimHost, SimHost]:
    """Return a world of a server and a client, 25 ms apart unless told otherwise."""
    world = World(seed)
    server, client = world.host("server"), world.host("client")
    world.link(server, client, **{"delay": 0.025, **settings})
    return world, server, client


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    finally:
        writer.close()


async def serve_echo(port: int = 7) -> None:
    server = await asyncio.start_server(echo, "0.0.0.0", port)
    await server.serve_forever()
