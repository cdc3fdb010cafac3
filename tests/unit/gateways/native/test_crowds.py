"""Connections of one user, and from one address."""

from __future__ import annotations

from tests.unit.gateways.native.peer import Peer, make_gateway


async def connect(gateway, address="", **members):
    peer = Peer(gateway, address)
    return peer, await peer.ask("connect", version=1, **members)


async def test_one_connection_of_a_user_too_many_is_refused_and_may_come_back():
    gateway = make_gateway(connections_per_user_max=2)
    peers = [(await connect(gateway, token="ann"))[0] for _ in range(2)]
    refused, answer = await connect(gateway, token="ann")
    assert (answer["code"], answer["limit"], answer["retry"]) == ("too_many_connections", 2, True)
    assert refused.wire.closed_with[0] == 4004
    (closing,) = refused.of("closing")
    assert closing["reconnect"] is True and closing["after_s"] == [5, 15]
    for _ in range(5):
        assert (await connect(gateway))[1]["op"] == "connected", "anonymous clients are nobody"
    peers[0].session.lost()
    assert (await connect(gateway, token="ann"))[1]["op"] == "connected"
    assert (await connect(gateway, token="ann"))[1]["op"] == "error"


async def test_one_connection_from_an_address_too_many_is_refused():
    gateway = make_gateway(connections_per_address_max=1)
    first, _ = await connect(gateway, "192.0.2.1", token="ann")
    _, answer = await connect(gateway, "192.0.2.1")
    assert (answer["code"], answer["limit"]) == ("too_many_connections", 1)
    assert (await connect(gateway, "192.0.2.2"))[1]["op"] == "connected"
    assert (await connect(gateway))[1]["op"] == "connected", "of an unknown address"
    first.session.lost()
    assert (await connect(gateway, "192.0.2.1"))[1]["op"] == "connected"


async def test_connect_that_is_repeated_counts_once():
    gateway = make_gateway(connections_per_user_max=1)
    peer, answer = await connect(gateway, token="ann", inbox="nowhere")
    assert answer["code"] == "bad_position"
    assert (await peer.ask("connect", version=1, token="ann"))["op"] == "connected"
    peer.session.lost()
    assert (await connect(gateway, token="ann"))[1]["op"] == "connected"
