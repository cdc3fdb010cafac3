"""Clients that mean harm to ``longwire.serve``: each ends at a named limit, others are served."""

from __future__ import annotations

import asyncio
import gc
import weakref
from typing import Any

import pytest

import longwire
from longwire.base.limits import KIB
from tests.integration.net.hostile_websockets import (
    bomb,
    close_code,
    compression_bomb,
    empty_fragments,
    endless_frame,
    masked,
    ping_flood,
    send_until_closed,
    silent_connections,
    slow_head,
    tiny_messages,
    upgrade,
)
from tests.integration.net.local import echo, eventually, serving


class Echo(longwire.Callbacks):
    def on_message(self, connection: longwire.Endpoint, message: str | bytes) -> None:
        connection.send(message)


ATTACKS = {
    compression_bomb: "message_bytes_max",
    empty_fragments: "fragments_max",
    ping_flood: "control_frames_per_s_max",
    slow_head: "handshake_timeout_s",
    tiny_messages: "messages_per_s_max",
}


async def half_open(port: int) -> None:
    """A peer that answers no ping, as one whose machine is gone."""
    await send_until_closed(port, [upgrade()])


AT_ONCE = (*ATTACKS, endless_frame, half_open)


@pytest.mark.parametrize("handler", [echo, Echo()], ids=["coroutines", "callbacks"])
async def test_attacks_end_at_their_limits_while_others_are_served(handler: Any) -> None:
    async with serving(
        handler,
        ssl=None,
        limits=longwire.ConnectionLimits(opening_max=100),
        messages_per_s_max=100,
        control_frames_per_s_max=5,
        open_timeout=2,
        ping_interval=1,
        ping_timeout=1,
    ) as (server, uri):
        port = server.sockets[0].getsockname()[1]
        async with longwire.connect(uri) as guest, asyncio.timeout(60):
            # By themselves, for they take the places of who is slow.
            for together in (AT_ONCE, (silent_connections,)):
                attacks = [asyncio.create_task(attack(port)) for attack in together]
                while any(not attack.done() for attack in attacks):
                    await guest.send("still here")
                    assert await guest.recv() == "still here"
                    await asyncio.sleep(0.05)
                await asyncio.gather(*attacks)
            async with longwire.connect(uri) as newcomer:
                await newcomer.send("me too")
                assert await newcomer.recv() == "me too"
        await eventually(lambda: not server.listener.links)
        assert set(server.limit_hits) == {*ATTACKS.values(), "opening_max"}
        assert server.limit_hits["message_bytes_max"] == 2


@pytest.mark.parametrize("handler", [echo, Echo()], ids=["coroutines", "callbacks"])
async def test_messages_that_never_end_are_bounded_for_all_peers_together(handler: Any) -> None:
    begun = upgrade() + masked(0x02, bytes(100 * KIB))  # without FIN
    limits = longwire.ConnectionLimits(in_flight_bytes_max=1024 * KIB)
    async with serving(handler, ssl=None, limits=limits) as (server, uri):
        port = server.sockets[0].getsockname()[1]
        async with longwire.connect(uri) as guest, asyncio.timeout(30):
            peers = [asyncio.create_task(send_until_closed(port, [begun])) for _ in range(30)]
            while sum(peer.done() for peer in peers) < 20:
                await guest.send("still here")
                assert await guest.recv() == "still here"
            assert all(close_code(peer.result()) == 1013 for peer in peers if peer.done())
            held = [endpoint.in_flight_bytes() for endpoint in server.endpoints]
            assert sum(held) <= 1024 * KIB
            await eventually(lambda: server.limit_hits["in_flight_bytes_max"] >= 20)
            for peer in peers:
                peer.cancel()
            await asyncio.wait(peers)


async def test_what_waits_for_recv_counts_too() -> None:
    async def busy(connection: longwire.Connection) -> None:
        await connection.wait_closed()

    limits = longwire.ConnectionLimits(in_flight_bytes_max=256 * KIB)
    async with serving(busy, ssl=None, limits=limits) as (server, uri):
        async with longwire.connect(uri) as peer:
            for _ in range(5):
                await peer.send(bytes(64 * KIB))
            with pytest.raises(longwire.ConnectionClosedError) as caught:
                await peer.recv()
        assert caught.value.code == 1013
        assert caught.value.reason.startswith("in_flight_bytes_max")
        await eventually(lambda: server.limit_hits["in_flight_bytes_max"] == 1)


class Overwhelmed(longwire.Callbacks):
    def on_message(self, connection: longwire.Endpoint, message: str | bytes) -> None:
        connection.pause_reading()


async def test_messages_of_one_read_that_wait_for_their_turn_count_too() -> None:
    limits = longwire.ConnectionLimits(in_flight_bytes_max=64 * KIB)
    async with serving(Overwhelmed(), ssl=None, limits=limits) as (server, _):
        port = server.sockets[0].getsockname()[1]
        tiny = masked(0x82, b"xy") * 20_000
        assert close_code(await send_until_closed(port, [upgrade(), tiny])) == 1013
        await eventually(lambda: server.limit_hits["in_flight_bytes_max"] == 1)


class Witness(Echo):
    """Knows its connections without keeping them."""

    def __init__(self) -> None:
        self.seen: list[weakref.ref[longwire.Endpoint]] = []

    def on_open(self, connection: longwire.Endpoint) -> None:
        self.seen.append(weakref.ref(connection))


DEFLATE_OFFER = upgrade("Sec-WebSocket-Extensions: permessage-deflate")


@pytest.mark.parametrize(
    "talk",
    [
        DEFLATE_OFFER + masked(0xC2, bomb(20)),
        DEFLATE_OFFER + masked(0xC2, b"no DEFLATE"),
        upgrade() + masked(0x82, b"xy") * 5_000 + masked(0x83),
    ],
    ids=["bomb", "damaged", "many and a bad one"],
)
async def test_what_ended_is_gone_without_the_collector(talk: bytes) -> None:
    witness = Witness()
    async with serving(witness, ssl=None) as (server, _):
        gc.collect()
        gc.disable()
        try:
            await send_until_closed(server.sockets[0].getsockname()[1], [talk])
            await eventually(lambda: [seen() for seen in witness.seen] == [None])
        finally:
            gc.enable()


async def test_a_listener_counts_heads_that_are_too_long() -> None:
    async with serving(ssl=None) as (server, _):
        port = server.sockets[0].getsockname()[1]
        long = upgrade("X-Long: " + "x" * 16_384)
        assert (await send_until_closed(port, [long])).startswith(b"HTTP/1.1 431 ")
        many = upgrade(*["X-Many: x"] * 128)
        assert (await send_until_closed(port, [many])).startswith(b"HTTP/1.1 431 ")
        assert server.limit_hits == {"handshake_head_bytes_max": 1, "handshake_headers_max": 1}


@pytest.mark.parametrize("name", ["messages_per_s_max", "control_frames_per_s_max"])
def test_a_rate_below_zero_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=name):
        longwire.serve(echo, port=0, **{name: -1})  # type: ignore[arg-type]


async def test_who_is_not_read_any_more_is_seen_to_leave_after_a_failure() -> None:
    async def deaf(connection: longwire.Connection) -> None:
        await connection.wait_closed()

    async with serving(deaf, ssl=None, messages_per_s_max=10) as (server, _):
        # The rate is passed when the queue has paused reading already.
        await tiny_messages(server.sockets[0].getsockname()[1])
        async with asyncio.timeout(5):  # half of what a peer has to end TCP itself
            await eventually(lambda: not server.listener.links)
