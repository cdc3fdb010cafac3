"""Subscribing, deliveries and history (docs/protocol.md, 4, 5, 7)."""

import base64
import hashlib
import json

import pytest

from longwire.base.limits import HubLimits, RetentionLimits
from longwire.hub.publishing import Publish
from longwire.streams.entry import BYTES, JSON, NewEntry
from longwire.streams.position import START, parse_position
from longwire.streams.store import StreamSettings
from tests.unit.gateways.native.peer import Application, Peer, make_gateway, settle
from tests.unit.hub.collectors import HeldStore

START_TEXT = str(START)


def keeping(entries_max):
    retention = RetentionLimits(entries_max=entries_max)
    return {
        "settings_for": lambda stream, content_type: StreamSettings(
            content_type=content_type, retention=retention
        )
    }


async def fill(gateway, *values, stream="s"):
    positions = []
    for value in values:
        payload = json.dumps(value).encode()
        appended = await gateway.hub.publish(Publish(stream, (NewEntry(payload),)))
        positions.append(str(appended.last))
    return positions


async def test_subscribed_comes_first_and_entries_connect_to_it():
    gateway = make_gateway()
    positions = await fill(gateway, 0, 1, 2)
    peer = await Peer.connected(gateway)
    peer.take()
    request_id = peer.send("subscribe", stream="s", start="earliest")
    await settle()
    await fill(gateway, 3)
    await settle()
    subscribed, *entries = peer.take()
    assert subscribed == {
        "op": "subscribed",
        "id": request_id,
        "stream": "s",
        "position": START_TEXT,
        "tail": positions[2],
    }
    held = subscribed["position"]
    for n, entry in enumerate(entries):
        assert (entry["op"], entry["stream"], entry["data"]) == ("entry", "s", n)
        assert entry["after"] == held
        held = entry["position"]
    assert len(entries) == 4
    assert entries[2]["position"] == positions[2]


@pytest.mark.parametrize(
    ("start", "offset"),
    [({}, 3), ({"start": "tail"}, 3), ({"start": {"last": 2}}, 1), ({"start": {"last": 0}}, 3)],
)
async def test_start_without_a_position(start, offset):
    gateway = make_gateway()
    await fill(gateway, 0, 1, 2)
    peer = await Peer.connected(gateway)
    answer = await peer.ask("subscribe", stream="s", **start)
    assert int(answer["position"][:16]) == offset
    assert "recovered" not in answer
    assert [entry["data"] for entry in peer.of("entry")] == list(range(offset, 3))


async def test_honoured_position_is_recovered():
    gateway = make_gateway()
    positions = await fill(gateway, 0, 1, 2)
    peer = await Peer.connected(gateway)
    answer = await peer.ask("subscribe", stream="s", position=positions[0])
    assert answer["recovered"] is True
    assert (answer["position"], answer["tail"]) == (positions[0], positions[2])
    assert "reason" not in answer
    assert "held" not in answer
    assert [entry["data"] for entry in peer.of("entry")] == [1, 2]


async def test_refused_position_has_a_reason_and_a_place_to_go_on():
    gateway = make_gateway(hub_options=keeping(2))
    positions = await fill(gateway, 0, 1, 2, 3)
    tail = positions[3]
    other_epoch = positions[3][:17] + "otherone" + positions[3][25:]
    diverged = positions[2][:25] + "0" * 16
    ahead = "0000000000000009" + positions[3][16:]
    for held, reason, place, entries in [
        (positions[0], "trimmed", positions[1], [2, 3]),
        (START_TEXT, "trimmed", positions[1], [2, 3]),
        (other_epoch, "epoch", positions[1], [2, 3]),
        (diverged, "diverged", tail, []),
        (ahead, "ahead", tail, []),
    ]:
        peer = await Peer.connected(gateway)
        answer = await peer.ask("subscribe", stream="s", position=held)
        assert (answer["recovered"], answer["reason"]) == (False, reason)
        assert (answer["held"], answer["position"], answer["tail"]) == (held, place, tail)
        assert [entry["data"] for entry in peer.of("entry")] == entries
        assert peer.of("gap") == []  # said already
        peer.session.lost()


async def test_position_of_a_lost_stream_says_that_its_life_is_over():
    held = "0000000000000005_k3v9x0qa09ab2e94d8139afb"
    peer = await Peer.connected(make_gateway())
    answer = await peer.ask("subscribe", stream="s", position=held)
    assert answer["reason"] == "epoch"
    assert answer["position"] == answer["tail"] == START_TEXT
    await fill(peer.gateway, 1)
    await settle()
    assert peer.of("entry")[0]["after"] == START_TEXT


@pytest.mark.parametrize(
    ("members", "code"),
    [
        ({"stream": "a//b"}, "bad_stream_name"),
        ({"stream": "$SYS"}, "bad_stream_name"),
        ({"stream": ""}, "bad_stream_name"),
        ({"stream": "s", "position": "5"}, "bad_position"),
        ({"stream": "s", "position": START_TEXT, "start": "tail"}, "bad_message"),
        ({"stream": "secret"}, "permission_denied"),
    ],
)
@pytest.mark.parametrize("later", [False, True])
async def test_subscription_is_refused(members, code, later):
    application = Application(denied=[("read", "secret")], later=later)
    peer = await Peer.connected(make_gateway(application=application))
    answer = await peer.ask("subscribe", **members)
    assert (answer["code"], answer["retry"]) == (code, False)
    if code == "permission_denied":
        assert (answer["action"], answer["stream"]) == ("read", "secret")
    assert peer.gateway.hub.counters.subscriptions == 0


async def test_one_subscription_for_a_stream_and_a_limit_for_all():
    gateway = make_gateway(hub_options={"limits": HubLimits(subscriptions_per_connection_max=2)})
    peer = await Peer.connected(gateway)
    await peer.ask("subscribe", stream="a")
    assert (await peer.ask("subscribe", stream="a"))["code"] == "already_subscribed"
    await peer.ask("subscribe", stream="b")
    answer = await peer.ask("subscribe", stream="c")
    assert (answer["code"], answer["limit"]) == ("too_many_subscriptions", 2)


async def test_unsubscribed_says_how_far_deliveries_went():
    gateway = make_gateway()
    peer = await Peer.connected(gateway)
    assert (await peer.ask("unsubscribe", stream="s"))["code"] == "not_subscribed"
    await peer.ask("subscribe", stream="s")
    positions = await fill(gateway, 0, 1)
    await settle()
    answer = await peer.ask("unsubscribe", stream="s")
    assert (answer["op"], answer["position"]) == ("unsubscribed", positions[1])
    await fill(gateway, 2)
    await settle()
    assert len(peer.of("entry")) == 2
    answer = await peer.ask("subscribe", stream="s", position=positions[1])
    assert [entry["data"] for entry in peer.of("entry")] == [0, 1, 2]


async def test_store_that_fails_is_named():
    store = HeldStore()
    peer = await Peer.connected(make_gateway(store))
    store.failures["seek"] = [OSError("no disk")]
    answer = await peer.ask("subscribe", stream="s")
    assert (answer["code"], answer["retry"]) == ("store_unavailable", True)


# -- entries ----------------------------------------------------------------------------------


@pytest.mark.formats("json")
@pytest.mark.parametrize(
    ("stream", "payload"),
    [
        ("s", b'{"text":"hello"}'),
        ("s", ' [1, 2.50,\n "你好"] '.encode()),
        ('a "data":{', b'{"data":[{"data":1}]}'),
        ("聊天/大厅", b'"}"'),
    ],
)
async def test_payload_can_be_cut_out_byte_for_byte(stream, payload):
    """The rule of docs/protocol.md, 5.2."""
    gateway = make_gateway()
    peer = await Peer.connected(gateway)
    await peer.ask("subscribe", stream=stream)
    await gateway.hub.publish(Publish(stream, (NewEntry(payload),)))
    await settle()
    (text,) = [text for text in peer.wire.texts if text.startswith(b'{"op":"entry"')]
    assert text.endswith(b"}")
    assert text.partition(b',"data":')[2][:-1] == payload
    entry = json.loads(text)
    assert list(entry) == ["op", "stream", "after", "position", "time", "data"]
    assert entry["stream"] == stream
    link = hashlib.sha1(bytes(8) + payload).digest()[:8].hex()
    assert entry["position"].endswith(link)


async def test_payload_that_is_not_json_is_base64():
    gateway = make_gateway()
    peer = await Peer.connected(gateway)
    await peer.ask("subscribe", stream="s")
    payload = bytes(range(256))
    await gateway.hub.publish(Publish("s", (NewEntry(payload),), content_type=BYTES))
    await settle()
    (entry,) = peer.of("entry")
    assert "data" not in entry
    assert base64.b64decode(entry["base64"], validate=True) == payload


async def test_gap_is_told_to_a_slow_client():
    gateway = make_gateway(
        hub_options={"limits": HubLimits(held_bytes_max=500, recent_entries_max=1)} | keeping(3)
    )
    peer = await Peer.connected(gateway)
    await peer.ask("subscribe", stream="s")
    peer.wire.is_stuck = True
    positions = await fill(gateway, *range(20))
    await settle()
    got = len(peer.of("entry"))
    assert got < 10
    peer.wire.is_stuck, peer.wire.held_bytes = False, 0
    peer.session.drained()
    await settle()
    (gap,) = peer.of("gap")
    assert gap == {
        "op": "gap",
        "stream": "s",
        "after": positions[got - 1],
        "upto": positions[16],
        "reason": "trimmed",
        "lost": True,
    }
    assert [entry["data"] for entry in peer.of("entry")] == [*range(got), 17, 18, 19]


async def test_closed_stream_is_announced():
    gateway = make_gateway()
    peer = await Peer.connected(gateway)
    await peer.ask("subscribe", stream="s")
    positions = await fill(gateway, 1)
    await gateway.hub.close_stream("s")
    await settle()
    assert peer.all[-1] == {"op": "closed", "stream": "s", "position": positions[0]}
    answer = await peer.ask("subscribe", stream="s", start="earliest")
    assert answer["closed"] is True
    assert [m["op"] for m in peer.all[-3:]] == ["subscribed", "entry", "closed"]
    answer = await peer.ask("publish", stream="s", data=2)
    assert (answer["code"], answer["tail"]) == ("stream_closed", positions[0])


# -- history ----------------------------------------------------------------------------------


async def test_history_reads_backwards_page_by_page():
    gateway = make_gateway()
    positions = await fill(gateway, *range(7))
    peer = await Peer.connected(gateway)
    answer = await peer.ask("history", stream="s", limit=3)
    assert [entry["data"] for entry in answer["entries"]] == [4, 5, 6]
    assert (answer["more"], answer["tail"], answer["stream"]) == (True, positions[6], "s")
    before = answer["entries"][0]["position"]
    answer = await peer.ask("history", stream="s", before=before, limit=3)
    assert [entry["data"] for entry in answer["entries"]] == [1, 2, 3]
    before = answer["entries"][0]["position"]
    answer = await peer.ask("history", stream="s", before=before, limit=3)
    assert [entry["data"] for entry in answer["entries"]] == [0]
    assert answer["more"] is False
    assert list(answer["entries"][0]) == ["after", "position", "time", "data"]


async def test_history_reads_forwards_page_by_page():
    gateway = make_gateway()
    await fill(gateway, *range(5))
    peer = await Peer.connected(gateway)
    seen, after = [], START_TEXT
    while True:
        answer = await peer.ask("history", stream="s", after=after, limit=2)
        seen += [entry["data"] for entry in answer["entries"]]
        if not answer["more"]:
            break
        after = answer["entries"][-1]["position"]
    assert seen == list(range(5))


async def test_history_of_nothing_is_empty():
    peer = await Peer.connected(make_gateway())
    answer = await peer.ask("history", stream="s")
    assert (answer["entries"], answer["more"], answer["tail"]) == ([], False, START_TEXT)


async def test_history_refuses_what_cannot_be():
    gateway = make_gateway(
        application=Application(denied=[("read", "secret")]), hub_options=keeping(2)
    )
    positions = await fill(gateway, 0, 1, 2)
    peer = await Peer.connected(gateway)
    answer = await peer.ask("history", stream="s", after=positions[0], before=positions[1])
    assert answer["code"] == "bad_message"
    assert (await peer.ask("history", stream="s", after="x"))["code"] == "bad_position"
    assert (await peer.ask("history", stream="secret"))["code"] == "permission_denied"
    answer = await peer.ask("history", stream="s", after=START_TEXT)
    assert answer["code"] == "position_refused"
    assert (answer["reason"], answer["position"], answer["tail"]) == (
        "trimmed",
        positions[0],
        positions[2],
    )


async def test_history_of_large_entries_is_bounded():
    gateway = make_gateway()
    await fill(gateway, *["x" * 200_000] * 5)
    peer = await Peer.connected(gateway)
    answer = await peer.ask("history", stream="s")
    assert len(answer["entries"]) == 2
    assert answer["more"] is True


def test_json_is_the_default_content_type():
    assert Publish("s", ()).content_type == JSON
    assert parse_position(START_TEXT) == START
