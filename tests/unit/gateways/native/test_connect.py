"""Connecting, malformed messages, heartbeats and the end (docs/protocol.md, 2, 3, 8, 10)."""

import asyncio
import gc

import pytest

from longwire.gateways.native.codes import may_reconnect
from longwire.gateways.native.formats.choice import choose_subprotocol
from longwire.gateways.native.session import SessionState
from longwire.websocket.handshake import HandshakeError
from tests.unit.gateways.native.peer import Application, Peer, make_gateway, settle


async def test_connect_announces_version_and_limits():
    gateway = make_gateway()
    peer = Peer(gateway)
    answer = await peer.ask("connect", version=1, client="test/1")
    assert answer["op"] == "connected"
    assert answer["version"] == 1
    assert answer["heartbeat_s"] == 25
    assert answer["server"].startswith("longwire/")
    assert answer["connection"] == peer.session.name
    assert answer["limits"] == {
        "message_bytes": 1048576,
        "entry_bytes": 524288,
        "batch_entries": 1000,
        "subscriptions": 1000,
        "in_flight": 256,
        "producer_in_flight": 64,
        "history_entries": 1000,
        "producer_state_s": 604800,
        "key_bytes": 256,
        "calls_in_flight": 64,
        "call_timeout_s": 30,
        "consumers": 100,
        "consumer_window": 1000,
        "presence_members": 1000,
        "presence_data_bytes": 512,
    }
    assert peer.session.client == "test/1"
    assert gateway.connection_count == gateway.connections_total == 1


async def test_token_tells_who_the_client_is():
    peer = await Peer.connected(make_gateway(), token="ann")
    assert peer.session.principal.name == "ann"


async def test_unknown_token_is_refused_and_closes():
    peer = Peer(make_gateway())
    answer = await peer.ask("connect", version=1, token="nobody")
    assert (answer["code"], answer["retry"]) == ("unauthorized", False)
    assert peer.wire.closed_with == (4503, "unauthorized")
    assert peer.of("closing") == [
        {"op": "closing", "code": 4503, "reason": "unauthorized", "reconnect": False}
    ]


async def test_failing_authentication_is_an_internal_error(caplog):
    peer = Peer(make_gateway())
    answer = await peer.ask("connect", version=1, token="fails")
    assert (answer["code"], answer["retry"]) == ("internal", True)
    assert peer.session.name in answer["message"]
    assert "database" not in answer["message"]
    assert "the user database is down" in caplog.text


async def test_other_version_is_refused_and_closes():
    peer = Peer(make_gateway())
    answer = await peer.ask("connect", version=2)
    assert (answer["code"], answer["versions"]) == ("bad_version", [1])
    assert peer.wire.closed_with[0] == 4502


async def test_reason_for_closing_is_cut_to_what_a_close_frame_holds():
    gateway = make_gateway()
    slow, ended = await Peer.connected(gateway), await Peer.connected(gateway)
    slow.session.read_too_slowly("é" * 256)
    gateway.end_where(lambda principal: True, "x" * 124)
    for peer, code in [(slow, 4003), (ended, 4504)]:
        assert peer.wire.closed_with[0] == code
        (closing,) = peer.of("closing")
        assert (closing["code"], closing["reason"]) == peer.wire.closed_with
        assert 120 <= len(closing["reason"].encode()) <= 123


@pytest.mark.parametrize(
    "message",
    [
        {"op": "subscribe", "id": 1, "stream": "s"},
        {"op": "publish", "id": 1, "stream": "s", "data": 1},
        {"op": "ping", "id": 1},
    ],
)
async def test_anything_before_connect_is_refused_and_closes(message):
    peer = Peer(make_gateway())
    peer.say(**message)
    await settle()
    (error,) = peer.of("error")
    assert (error["code"], error["id"]) == ("not_connected", 1)
    assert message["op"] in error["message"]
    assert peer.wire.closed_with[0] == 4501


async def test_second_connect_is_refused():
    peer = await Peer.connected(make_gateway())
    answer = await peer.ask("connect", version=1)
    assert answer["code"] == "already_connected"
    assert peer.session.state is SessionState.OPEN


async def test_messages_behind_connect_wait_for_it():
    application = Application()
    application.gate.clear()
    peer = Peer(make_gateway(application=application))
    peer.send("connect", version=1)
    peer.send("publish", stream="s", data=1)
    peer.send("subscribe", stream="s", start="earliest")
    peer.send("ping")
    await settle()
    assert peer.all == []
    application.gate.set()
    await settle()
    ops = [message["op"] for message in peer.all]
    assert ops[0] == "connected"
    assert sorted(ops[1:]) == ["entry", "pong", "published", "subscribed"]


async def test_messages_behind_a_refused_connect_are_dropped():
    peer = Peer(make_gateway())
    peer.send("connect", version=9)
    peer.send("publish", stream="s", data=1)
    await settle()
    assert [message["op"] for message in peer.all] == ["error", "closing"]
    assert await peer.gateway.hub.store.info("s") is None


async def test_client_that_does_not_connect_in_time_is_closed():
    gateway = make_gateway(connect_timeout_s=15)
    peer = Peer(gateway)
    assert peer.session.deadline == pytest.approx(peer.now_s + 15, abs=1)
    peer.session.handle_deadline(peer.now_s + 15)
    assert peer.wire.closed_with[0] == 4000
    assert peer.of("closing")[0]["reconnect"] is True
    assert gateway.connection_count == 0


# -- malformed messages -----------------------------------------------------------------------


@pytest.mark.formats("json")
@pytest.mark.parametrize(
    ("text", "code", "request_id", "pieces"),
    [
        ("", "bad_json", None, []),
        ("{", "bad_json", None, []),
        ('{"op":"ping"}x', "bad_json", None, ["trailing characters"]),
        ('{"op":"publish","id":1,"stream":"s","data":NaN}', "bad_json", None, ["byte"]),
        ('{"op":"publish","id":1,"stream":"s","data":"\\ud800"}', "bad_json", None, ["surrogate"]),
        ("[]", "bad_message", None, ["JSON object", "array"]),
        ("7", "bad_message", None, ["JSON object"]),
        ('{"id":1}', "bad_message", 1, ["no op", "subscribe"]),
        ('{"op":"fly","id":1}', "bad_message", 1, ['unknown op "fly"', "publish"]),
        ('{"op":5,"id":1}', "bad_message", 1, ["unknown op 5"]),
        ('{"op":"subscribe","id":1}', "bad_message", 1, ["subscribe", "stream"]),
        ('{"op":"subscribe","stream":"s"}', "bad_message", None, ["`id`"]),
        ('{"op":"subscribe","id":"1","stream":"s"}', "bad_message", None, ["int", "$.id"]),
        ('{"op":"subscribe","id":-1,"stream":"s"}', "bad_message", None, ["$.id"]),
        ('{"op":"subscribe","id":1.5,"stream":"s"}', "bad_message", None, ["$.id"]),
        ('{"op":"subscribe","id":true,"stream":"s"}', "bad_message", None, ["$.id"]),
        ('{"op":"subscribe","id":9007199254740992,"stream":"s"}', "bad_message", None, ["$.id"]),
        ('{"op":"subscribe","id":1,"stream":5}', "bad_message", 1, ["str", "$.stream"]),
        ('{"op":"subscribe","id":1,"stream":"s","from":1}', "bad_message", 1, ["`from`"]),
        ('{"op":"subscribe","id":1,"stream":"s","start":"now"}', "bad_message", 1, ["$.start"]),
        (
            '{"op":"subscribe","id":1,"stream":"s","start":"%s"}' % ("x" * 100_000),
            "bad_message",
            1,
            ["xxx…xxx", "$.start", "right are tail, earliest or"],
        ),
        ('{"op":"ping","id":1', "bad_json", None, ["ends before"]),
        ('{"op":"ping","id":1,"id":2,"x":1}', "bad_message", 2, ["`x`"]),
        ('{"op":"subscribe","id":1,"stream":"s","start":{"last":-1}}', "bad_message", 1, ["last"]),
        ('{"op":"subscribe","id":1,"stream":"s","start":{"first":1}}', "bad_message", 1, ["first"]),
        ('{"op":"subscribe","id":1,"stream":"s","position":null}', "bad_message", 1, ["null"]),
        ('{"op":"publish","id":1,"stream":"s"}', "bad_message", 1, ["data, base64 or batch"]),
        (
            '{"op":"publish","id":1,"stream":"s","data":1,"base64":""}',
            "bad_message",
            1,
            ["exclude"],
        ),
        ('{"op":"publish","id":1,"stream":"s","data":1,"batch":[]}', "bad_message", 1, ["exclude"]),
        ('{"op":"publish","id":1,"stream":"s","batch":[]}', "bad_message", 1, ["empty"]),
        ('{"op":"publish","id":1,"stream":"s","batch":[{}]}', "bad_message", 1, ["batch[0]"]),
        (
            '{"op":"publish","id":1,"stream":"s","batch":[{"data":1},{"base64":"AA=="}]}',
            "bad_message",
            1,
            ["batch[1]", "only"],
        ),
        (
            '{"op":"publish","id":1,"stream":"s","batch":[{"data":1,"name":"k"}]}',
            "bad_message",
            1,
            ["`name`", "batch"],
        ),
        ('{"op":"publish","id":1,"stream":"s","base64":"AA"}', "bad_message", 1, ["base64"]),
        ('{"op":"publish","id":1,"stream":"s","base64":"A A="}', "bad_message", 1, ["base64"]),
        ('{"op":"publish","id":1,"stream":"s","base64":"é"}', "bad_message", 1, ["base64"]),
        (
            '{"op":"publish","id":1,"stream":"s","data":1,"producer":"p","epoch":0}',
            "bad_message",
            1,
            ["producer, epoch and sequence"],
        ),
        (
            '{"op":"publish","id":1,"stream":"s","data":1,"producer":"","epoch":0,"sequence":0}',
            "bad_message",
            1,
            ["producer has 0 bytes"],
        ),
        (
            '{"op":"publish","id":1,"stream":"s","data":1,"producer":"p","epoch":-1,"sequence":0}',
            "bad_message",
            1,
            ["$.epoch"],
        ),
        (
            '{"op":"publish","id":1,"stream":"s","data":%s}' % ("[" * 129 + "]" * 129),
            "bad_message",
            1,
            ["128"],
        ),
        ('{"op":"history","id":1,"stream":"s","limit":0}', "bad_message", 1, ["limit"]),
        ('{"op":"history","id":1,"stream":"s","limit":1001}', "bad_message", 1, ["1000"]),
        ('{"op":"connect","id":1,"version":"1"}', "bad_message", 1, ["version"]),
    ],
)
async def test_malformed_message_is_answered_with_what_is_wrong(text, code, request_id, pieces):
    peer = await Peer.connected(make_gateway())
    peer.take()
    peer.send_text(text)
    await settle()
    (error,) = peer.take()
    assert (error["op"], error["code"], error["retry"]) == ("error", code, False)
    assert error.get("id") == request_id
    assert len(error["message"]) < 1_000
    for piece in pieces:
        assert piece in error["message"], error["message"]
    assert peer.wire.closed_with is None
    assert await peer.gateway.hub.store.info("s") is None


async def test_deeply_nested_message_is_answered():
    peer = await Peer.connected(make_gateway())
    peer.send_text('{"op":"publish","id":1,"stream":"s","data":' + "[" * 200_000)
    await settle()
    assert peer.of("error")[0]["code"] in ("bad_message", "bad_json")


@pytest.mark.formats("json")
async def test_binary_message_is_refused():
    peer = await Peer.connected(make_gateway())
    peer.send_text(b'{"op":"ping","id":4}')
    (error,) = peer.of("error")
    assert error["code"] == "bad_message"
    assert "binary" in error["message"]


async def test_too_long_token_and_client_are_refused():
    for member, size in [("token", 8193), ("client", 257)]:
        peer = Peer(make_gateway())
        answer = await peer.ask("connect", version=1, **{member: "x" * size})
        assert answer["code"] == "bad_message"
        assert f"{member} has {size} bytes" in answer["message"]


async def test_ten_malformed_messages_close_the_connection():
    peer = await Peer.connected(make_gateway())
    for _ in range(9):
        peer.send_text("{")
        peer.send("subscribe", stream="a//b")  # refused, but not malformed
    await settle()
    assert peer.wire.closed_with is None
    peer.send_text("{")
    assert peer.wire.closed_with[0] == 4500
    peer.send_text("{")
    assert peer.all[-1]["op"] == "closing"


# -- heartbeats -------------------------------------------------------------------------------


def beat(peer, seconds):
    """Let the session's deadlines come, as the timer wheel would."""
    end = peer.now_s + seconds
    while peer.session.deadline is not None and peer.session.deadline <= end:
        peer.now_s = peer.session.deadline
        peer.session.handle_deadline(peer.now_s)
    peer.now_s = end


async def test_silent_server_sends_heartbeats_within_the_interval():
    peer = await Peer.connected(make_gateway(heartbeat_s=20))
    beat(peer, 20.5)
    peer.say(op="pong")
    assert peer.take("ping") == [{"op": "ping"}]
    beat(peer, 20)
    assert len(peer.take("ping")) == 2
    assert peer.of("error") == []


async def test_server_that_sends_needs_no_heartbeats():
    gateway = make_gateway(heartbeat_s=20)
    peer = await Peer.connected(gateway)
    await peer.ask("subscribe", stream="s")
    other = await Peer.connected(gateway)
    for n in range(10):
        await other.ask("publish", stream="s", data=n)
        peer.wire.heard = True
        beat(peer, 9)
    assert peer.of("ping") == []
    assert len(peer.of("entry")) == 10


async def test_silent_client_is_closed_after_three_heartbeats():
    peer = await Peer.connected(make_gateway(heartbeat_s=20))
    beat(peer, 65)
    assert peer.wire.closed_with is None
    beat(peer, 10)
    assert peer.wire.closed_with[0] == 4001
    assert peer.of("closing")[0]["reconnect"] is True


@pytest.mark.parametrize("sign", ["message", "control frame"])
async def test_any_sign_of_life_keeps_a_connection(sign):
    peer = await Peer.connected(make_gateway(heartbeat_s=20))
    for _ in range(20):
        beat(peer, 29)
        if sign == "message":
            peer.say(op="pong")
        else:
            peer.wire.heard = True
    assert peer.wire.closed_with is None


async def test_heartbeats_can_be_turned_off():
    peer = await Peer.connected(make_gateway(heartbeat_s=0))
    assert peer.session.deadline is None
    assert peer.of("connected")[0]["heartbeat_s"] == 0


async def test_ping_is_answered_with_its_id():
    peer = await Peer.connected(make_gateway())
    assert await peer.ask("ping") == {"op": "pong", "id": 2}
    peer.say(op="ping")
    assert peer.all[-1] == {"op": "pong"}


# -- limits and the end -----------------------------------------------------------------------


async def test_message_rate_is_limited_when_that_is_set():
    peer = await Peer.connected(make_gateway(messages_per_s_max=1))
    answers = [await peer.ask("ping") for _ in range(12)]
    assert [a["op"] for a in answers] == ["pong"] * 9 + ["error"] * 3
    assert (answers[-1]["code"], answers[-1]["retry"]) == ("rate_limited", True)
    assert answers[-1]["after_s"] == 1
    peer.now_s += 1
    assert (await peer.ask("ping"))["op"] == "pong"


async def test_drain_answers_what_is_on_the_way_and_says_when_to_come_back():
    gateway = make_gateway()
    peers = [await Peer.connected(gateway) for _ in range(3)]
    await peers[0].ask("subscribe", stream="s")
    for n, peer in enumerate(peers):
        peer.send("publish", stream="s", data=n)
    await gateway.drain()
    for peer in peers:
        assert len(peer.of("published")) == 1
        assert peer.all[-1] == {
            "op": "closing",
            "code": 1012,
            "reason": "the server restarts",
            "reconnect": True,
            "after_s": [0.0, 3.0],
        }
        assert peer.wire.closed_with == (1012, "the server restarts")
    assert [entry["data"] for entry in peers[0].of("entry")] == [0, 1, 2]
    assert gateway.connection_count == gateway.hub.counters.subscriptions == 0
    await gateway.hub.close()


async def test_lost_connection_leaves_nothing():
    gateway = make_gateway()
    peer = await Peer.connected(gateway)
    await peer.ask("subscribe", stream="s")
    peer.send("publish", stream="s", data=1)
    peer.session.lost()
    peer.session.lost()
    count = len(peer.all)
    await settle()
    assert len(peer.all) == count  # the entry is stored, nobody is told
    assert (await gateway.hub.store.info("s")).tail.offset == 1
    assert gateway.connection_count == gateway.hub.counters.subscriptions == 0


@pytest.mark.parametrize("turns", [0, 1, 2, 3, 5])
async def test_connection_lost_at_any_moment_of_a_request_leaves_nothing(turns):
    application = Application(later=True)
    gateway = make_gateway(application=application)
    for op, members in [
        ("connect", {"version": 1}),
        ("subscribe", {"stream": "s"}),
        ("publish", {"stream": "s", "data": 1}),
        ("history", {"stream": "s"}),
    ]:
        peer = Peer(gateway) if op == "connect" else await Peer.connected(gateway)
        peer.send(op, **members)
        peer.send("ping")
        for _ in range(turns):
            await asyncio.sleep(0)
        peer.session.lost()
        await settle()
        gc.collect()  # a coroutine that nobody awaited would speak up now
    assert gateway.connection_count == gateway.hub.counters.subscriptions == 0


def test_client_without_subprotocol_is_served_and_a_foreign_one_refused():
    assert choose_subprotocol([]) is None
    assert choose_subprotocol(["mqtt", "longwire.v1.json"]) == "longwire.v1.json"
    with pytest.raises(HandshakeError) as caught:
        choose_subprotocol(["mqtt", "longwire.v9.json"])
    assert caught.value.status == 400
    assert "longwire.v1.json" in str(caught.value)


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (1000, False),
        (1001, True),
        (1002, False),
        (1006, True),
        (1009, False),
        (1011, True),
        (1012, True),
        (1013, True),
        (3000, True),
        (3499, True),
        (3500, False),
        (4000, True),
        (4499, True),
        (4500, False),
        (4999, False),
    ],
)
def test_close_codes_say_whether_to_reconnect(code, expected):
    assert may_reconnect(code) is expected


async def test_who_waits_for_a_session_whose_request_was_cancelled_by_its_end_goes_on():
    application = Application()
    application.gate.clear()
    gateway = make_gateway(application=application)
    peer = Peer(gateway)
    peer.send("connect", version=1, token="ann")
    await settle()
    peer.session.end(4408, "no connect message came in time")
    async with asyncio.timeout(10):
        await peer.session.settled()


async def test_request_that_waited_for_something_cancelled_fails_and_the_next_ones_are_served():
    gateway = make_gateway(application=CancelledRule())
    peer = await Peer.connected(gateway)
    assert (await peer.ask("subscribe", stream="s"))["code"] == "internal"
    assert (await peer.ask("ping"))["op"] == "pong"


class CancelledRule(Application):
    """Asks something that was cancelled."""

    def may(self, principal, action, stream):
        rule = asyncio.get_running_loop().create_future()
        rule.cancel()
        return rule
