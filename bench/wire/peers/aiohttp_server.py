"""aiohttp: what comes is echoed, or sent to all connections."""

import asyncio
import sys

import uvloop
from aiohttp import web

mode = sys.argv[1]
sockets = set()


async def serve(request):
    ws = web.WebSocketResponse(compress=False)
    await ws.prepare(request)
    sockets.add(ws)
    try:
        async for message in ws:
            if mode == "fanout":
                await asyncio.gather(*(other.send_bytes(message.data) for other in sockets))
            else:
                await ws.send_bytes(message.data)
    finally:
        sockets.discard(ws)
    return ws


async def main():
    application = web.Application()
    application.router.add_get("/", serve)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.Event().wait()


with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
    runner.run(main())
