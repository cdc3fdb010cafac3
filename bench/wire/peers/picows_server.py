"""picows: what comes is echoed, or sent to all connections."""

import asyncio
import sys

import picows
import uvloop

mode = sys.argv[1]
transports = set()


class Echo(picows.WSListener):
    def on_ws_frame(self, transport, frame):
        transport.send(frame.msg_type, frame.get_payload_as_bytes())


class Broadcast(picows.WSListener):
    def on_ws_connected(self, transport):
        transports.add(transport)

    def on_ws_frame(self, transport, frame):
        payload = frame.get_payload_as_bytes()
        for other in transports:
            other.send(frame.msg_type, payload)

    def on_ws_disconnected(self, transport):
        transports.discard(transport)


async def main():
    listener = Broadcast if mode == "fanout" else Echo
    server = await picows.ws_create_server(lambda request: listener(), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
    runner.run(main())
