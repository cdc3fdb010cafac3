"""The native protocol over a socket that takes one message at a time (an ASGI server's)."""

import asyncio
import json

from longwire.base.limits import HubLimits
from longwire.hub.publishing import Publish
from longwire.net.closed import Closed, ConnectionClosed
from longwire.net.evidence import Evidence
from longwire.net.verdict import Ending
from longwire.streams.entry import NewEntry
from longwire.websocket.closing import Close
from tests.unit.gateways.native.peer import Application, make_gateway, settle


class Socket:
    """Both ends in memory; ``gate`` holds up what is sent."""

    def __init__(self):
        self.incoming = asyncio.Queue()
        self.sent = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.closed_with = None
        self.is_lost = False
        self.receives = 0

    def error(self):
        ending = Ending(received=Close(1001, ""), sent=None, initiator="remote", failure=None)
        return Closed.from_evidence(ending, Evidence(link_end="eof")).error()

    async def recv(self):
        self.receives += 1
        message = await self.incoming.get()
        if message is None:
            self.is_lost = True
            raise self.error()
        return message

    async def send(self, message):
        assert isinstance(message, str)
        await self.gate.wait()
        if self.is_lost:
            raise self.error()
        self.sent.append(json.loads(message))

    async def close(self, code=1000, reason=""):
        self.closed_with = (code, reason)

    def bring(self, **message):
        self.incoming.put_nowait(json.dumps(message))

    def of(self, op):
        return [message for message in self.sent if message["op"] == op]


async def connected(gateway):
    socket = Socket()
    task = asyncio.create_task(gateway.serve(socket))
    socket.bring(op="connect", id=1, version=1)
    await settle()
    assert [message["op"] for message in socket.sent] == ["connected"]
    return socket, task


async def test_session_runs_over_a_message_socket_to_its_end():
    gateway = make_gateway()
    socket, task = await connected(gateway)
    socket.bring(op="subscribe", id=2, stream="s")
    socket.bring(op="publish", id=3, stream="s", data={"n": 1})
    await settle()
    assert {m["op"] for m in socket.sent} == {"connected", "subscribed", "published", "entry"}
    assert socket.of("entry")[0]["data"] == {"n": 1}
    socket.incoming.put_nowait(None)
    await asyncio.wait_for(task, 5)
    assert gateway.connection_count == gateway.hub.counters.subscriptions == 0


async def test_session_that_ends_itself_says_so_and_closes():
    gateway = make_gateway()
    socket, task = await connected(gateway)
    await gateway.drain()
    await asyncio.wait_for(task, 5)
    assert socket.sent[-1]["op"] == "closing"
    assert socket.closed_with == (1012, "the server restarts")


async def test_slow_socket_holds_little_and_loses_nothing():
    gateway = make_gateway(hub_options={"limits": HubLimits(held_bytes_max=2000)})
    socket, task = await connected(gateway)
    socket.bring(op="subscribe", id=2, stream="s")
    await settle()
    socket.gate.clear()
    for n in range(200):
        await gateway.hub.publish(Publish("s", (NewEntry(b"%d" % n),)))
    await settle()
    (session,) = gateway._sessions
    assert session.wire.held_bytes < 3000
    socket.gate.set()
    for _ in range(20):
        await settle()
    assert [entry["data"] for entry in socket.of("entry")] == list(range(200))
    assert session.wire.held_bytes == 0
    task.cancel()


async def test_socket_whose_answers_are_not_read_is_not_received_from():
    gateway = make_gateway(hub_options={"limits": HubLimits(held_bytes_max=200)})
    socket, task = await connected(gateway)
    socket.gate.clear()
    for n in range(100):
        socket.bring(op="ping", id=n)
    for _ in range(10):
        await settle()
    assert socket.receives < 30
    socket.gate.set()
    for _ in range(20):
        await settle()
    assert len(socket.of("pong")) == 100
    task.cancel()


async def test_cancelled_session_leaves_nothing():
    gateway = make_gateway(application=Application())
    socket, task = await connected(gateway)
    socket.bring(op="subscribe", id=2, stream="s")
    await settle()
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
    assert gateway.connection_count == gateway.hub.counters.subscriptions == 0


async def test_failing_socket_is_an_error_of_whoever_serves_it():
    gateway = make_gateway()
    socket = Socket()
    task = asyncio.create_task(gateway.serve(socket))

    async def broken(message):
        raise RuntimeError("no such scope")

    socket.send = broken
    socket.bring(op="connect", id=1, version=1)
    await asyncio.wait([task], timeout=5)
    assert isinstance(task.exception(), RuntimeError)
    assert not issubclass(RuntimeError, ConnectionClosed)
    assert gateway.connection_count == 0
