"""longwire: callbacks or `async for`; what comes is echoed, or sent to all connections."""

import asyncio
import ssl
import sys

import uvloop

import longwire

mode, style, *tls = sys.argv[1:]
endpoints = set()


class Echo(longwire.Callbacks):
    def on_message(self, connection, message):
        connection.send(message)


class Broadcast(longwire.Callbacks):
    def on_open(self, connection):
        endpoints.add(connection)

    def on_message(self, connection, message):
        longwire.broadcast(endpoints, message)

    def on_close(self, connection, error):
        endpoints.discard(connection)


async def echo(ws):
    async for message in ws:
        await ws.send(message)


async def main():
    context = None
    if tls:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(*tls)
    handler = Broadcast() if mode == "fanout" else Echo() if style == "callbacks" else echo
    async with longwire.serve(handler, "127.0.0.1", 0, compression=None, ssl=context) as server:
        print(server.sockets[0].getsockname()[1], flush=True)
        await server.serve_forever()


with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
    runner.run(main())
