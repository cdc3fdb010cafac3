"""websockets: what comes is echoed, or sent to all connections."""

import asyncio
import ssl
import sys

import uvloop
from websockets.asyncio.server import broadcast, serve

mode, *tls = sys.argv[1:]
connections = set()


async def echo(ws):
    async for message in ws:
        await ws.send(message)


async def to_all(ws):
    connections.add(ws)
    try:
        async for message in ws:
            broadcast(connections, message)
    finally:
        connections.discard(ws)


async def main():
    context = None
    if tls:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(*tls)
    handler = to_all if mode == "fanout" else echo
    async with serve(handler, "127.0.0.1", 0, compression=None, ssl=context) as server:
        print(next(iter(server.sockets)).getsockname()[1], flush=True)
        await server.serve_forever()


with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
    runner.run(main())
