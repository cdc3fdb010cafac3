"""Publishing over the native protocol (docs/protocol.md, 6)."""

import base64

import pytest

from longwire.base.limits import HubLimits, MemoryStoreLimits, StreamLimits
from longwire.hub.errors import PublishRefused
from longwire.stores.memory import MemoryStore
from longwire.streams.position import START
from longwire.streams.store import StreamSettings
from tests.unit.gateways.native.peer import Application, Peer, make_gateway, settle
from tests.unit.hub.collectors import HeldStore


async def stored(gateway, stream="s"):
    page = await gateway.hub.store.read(stream, START, entries_max=1000, bytes_max=1 << 20)
    return [entry.payload for entry in page.entries]


def stamp(sequence, epoch=0, producer="p"):
    return {"producer": producer, "epoch": epoch, "sequence": sequence}


async def test_publish_is_acknowledged_with_its_position():
    peer = await Peer.connected(make_gateway())
    answer = await peer.ask("publish", stream="s", data={"text": "你好"})
    position = answer["first"]
    assert answer == {
        "op": "published",
        "id": 2,
        "stream": "s",
        "first": position,
        "last": position,
        "duplicate": False,
        "durability": "memory",
    }
    assert int(position[:16]) == 1


@pytest.mark.formats("json")
async def test_payload_bytes_are_stored_as_they_stand_in_the_message():
    peer = await Peer.connected(make_gateway())
    texts = ["1.50", '{ "a" :\t[1,  2] }', '"\\u00e9\\n"', '"é"', "null", "1e400", "-0.0"]
    for n, text in enumerate(texts):
        peer.send_text(f'{{"data": {text} , "op":"publish","stream":"s","id":{n}}}')
    await settle()
    assert [text.decode() for text in await stored(peer.gateway)] == texts
    assert len(peer.of("published")) == len(texts)


async def test_bytes_are_published_as_base64():
    peer = await Peer.connected(make_gateway())
    payload = bytes(range(256))
    answer = await peer.ask("publish", stream="s", base64=base64.b64encode(payload).decode())
    assert answer["op"] == "published"
    assert await stored(peer.gateway) == [payload]
    await peer.ask("publish", stream="s", base64="")
    assert await stored(peer.gateway) == [payload, b""]


async def test_batch_is_stored_together():
    peer = await Peer.connected(make_gateway())
    answer = await peer.ask("publish", stream="s", batch=[{"data": n} for n in range(5)])
    assert (int(answer["first"][:16]), int(answer["last"][:16])) == (1, 5)


async def test_publish_is_answered_only_after_it_is_stored():
    store = HeldStore()
    peer = await Peer.connected(make_gateway(store))
    await peer.ask("subscribe", stream="s")
    store.shut("append")
    peer.send("publish", stream="s", data=1)
    await settle()
    assert peer.of("published") == peer.of("entry") == []
    store.open("append")
    await settle()
    assert len(peer.of("published")) == len(peer.of("entry")) == 1


async def test_worked_example_of_the_protocol_page():
    peer = await Peer.connected(make_gateway())
    table = [
        (stamp(0), "a", 1, False),
        (stamp(1), "b", 2, False),
        (stamp(2), "c", 3, False),
        (stamp(2), "c", 3, True),
        (stamp(4), "e", "sequence_gap", {"expected": 3}),
        (stamp(3), "d", 4, False),
        (stamp(5, epoch=1), "x", "producer_epoch_start", {"expected": 0}),
        (stamp(0, epoch=1), "x", 5, False),
        (stamp(4), "e", "producer_fenced", {"epoch": 1}),
    ]
    for triple, data, outcome, more in table:
        answer = await peer.ask("publish", stream="s", data=data, **triple)
        if isinstance(outcome, str):
            assert (answer["code"], answer["retry"]) == (outcome, False)
            assert answer.items() >= more.items()
        else:
            assert int(answer["last"][:16]) == outcome
            assert answer["duplicate"] is more
    assert await stored(peer.gateway) == [b'"a"', b'"b"', b'"c"', b'"d"', b'"x"']


async def test_duplicate_too_old_to_know_its_place_has_null_positions():
    peer = await Peer.connected(make_gateway())
    for n in range(70):
        await peer.ask("publish", stream="s", data=n, **stamp(n))
    answer = await peer.ask("publish", stream="s", data=0, **stamp(0))
    assert (answer["duplicate"], answer["first"], answer["last"]) == (True, None, None)


async def test_forgotten_producer_is_told_so():
    now_ms = [0]
    store = MemoryStore(limits=MemoryStoreLimits(producer_state_s=10), clock_ms=lambda: now_ms[0])
    peer = await Peer.connected(make_gateway(store))
    await peer.ask("publish", stream="s", data=0, **stamp(0))
    now_ms[0] += 20_000
    for sequence in (0, 1):
        answer = await peer.ask("publish", stream="s", data=0, **stamp(sequence))
        assert (answer["code"], answer["retry"]) == ("producer_unknown", False)


async def test_producers_of_other_users_are_others():
    gateway = make_gateway()
    for token in ({}, {"token": "ann"}):
        peer = await Peer.connected(gateway, **token)
        answer = await peer.ask("publish", stream="s", data=1, **stamp(0))
        assert answer["duplicate"] is False


async def test_content_type_is_fixed_by_the_first_publish():
    peer = await Peer.connected(make_gateway())
    await peer.ask("publish", stream="j", data=1)
    answer = await peer.ask("publish", stream="j", base64="AA==")
    assert (answer["code"], answer["content_type"]) == ("wrong_content_type", "application/json")
    await peer.ask("publish", stream="b", base64="AA==")
    answer = await peer.ask("publish", stream="b", data=1)
    assert answer["content_type"] == "application/octet-stream"


@pytest.mark.parametrize("later", [False, True])
@pytest.mark.parametrize(
    ("members", "code"),
    [
        ({"stream": "a//b"}, "bad_stream_name"),
        ({"stream": "$SYS/x"}, "bad_stream_name"),
        ({"stream": "secret"}, "permission_denied"),
        ({"stream": "nowhere"}, "stream_missing"),
        ({"stream": "s", "data": "x" * 101}, "entry_too_large"),
        ({"stream": "s", "data": "spam"}, "publish_refused"),
    ],
)
async def test_publish_is_refused_and_stores_nothing(members, code, later):
    def hook(principal, stream, payloads, content_type):
        if b'"spam"' in payloads:
            raise PublishRefused("No advertising here.")
        return payloads

    gateway = make_gateway(
        application=Application(hook, denied=[("publish", "secret")], later=later),
        hub_options={
            "stream_limits": StreamLimits(entry_bytes_max=100),
            "settings_for": lambda stream, kind: None if stream == "nowhere" else StreamSettings(),
        },
    )
    peer = await Peer.connected(gateway)
    answer = await peer.ask("publish", **({"data": 1} | members))
    assert (answer["op"], answer["code"], answer["retry"]) == ("error", code, False)
    if code == "permission_denied":
        assert (answer["action"], answer["stream"]) == ("publish", "secret")
    if code == "entry_too_large":
        assert answer["limit"] == 100
    if code == "publish_refused":
        assert answer["message"] == "No advertising here."
    assert await stored(gateway) == []
    assert gateway.errors == {code: 1}


async def test_publishes_of_one_connection_keep_their_order_through_slow_decisions():
    peer = await Peer.connected(make_gateway(application=Application(later=True)))
    for n in range(30):
        peer.send("publish", stream="s", data=n)
    for _ in range(10):
        await settle()
    assert await stored(peer.gateway) == [b"%d" % n for n in range(30)]


@pytest.mark.parametrize(("has_producer", "room"), [(True, 3), (False, 5)])
async def test_publishes_past_what_may_be_without_an_answer_wait(has_producer, room):
    store = HeldStore()
    peer = await Peer.connected(make_gateway(store, in_flight_max=5, producer_in_flight_max=3))
    store.shut("append")
    for n in range(12):
        peer.send("publish", stream="s", data=n, **(stamp(n) if has_producer else {}))
    await settle()
    assert len(await stored(peer.gateway)) <= room
    assert peer.of("published") == peer.of("error") == []
    store.open("append")
    while len(peer.of("published")) < 12:
        await settle()
    assert await stored(peer.gateway) == [b"%d" % n for n in range(12)]
    assert peer.of("error") == []


async def test_producers_of_one_connection_have_their_room_each():
    store = HeldStore()
    peer = await Peer.connected(make_gateway(store, in_flight_max=9, producer_in_flight_max=2))
    for first in (0, 3):  # again when all have been answered
        store.shut("append")
        before = len(peer.of("pong"))
        for n in (first, first + 1):
            for stream, producer in (("s", "a"), ("s", "b"), ("t", "a")):
                peer.send("publish", stream=stream, data=n, **stamp(n, producer=producer))
        peer.send("ping")
        await settle()
        assert len(peer.of("pong")) == before + 1  # there was room for all
        for stream, producer in (("s", "a"), ("s", "b"), ("t", "a")):
            peer.send("publish", stream=stream, data=n, **stamp(first + 2, producer=producer))
        peer.send("ping")
        await settle()
        assert len(peer.of("pong")) == before + 1  # its turn has not come
        store.open("append")
        while len(peer.of("pong")) < before + 2:
            await settle()
        while len(peer.of("published")) < 3 * (first + 3):
            await settle()
    assert peer.of("error") == []


async def test_connection_that_ends_while_a_publish_waits_leaves_nothing_behind():
    store = HeldStore()
    peer = await Peer.connected(make_gateway(store, in_flight_max=2))
    store.shut("append")
    for n in range(4):
        peer.send("publish", stream="s", data=n)
    await settle()
    peer.session.lost()
    store.open("append")
    await settle()
    assert await stored(peer.gateway) == [b"0", b"1"]


async def test_store_that_fails_leaves_the_outcome_open():
    store = HeldStore()
    peer = await Peer.connected(make_gateway(store))
    await peer.ask("publish", stream="s", data=0)
    store.failures["append"] = [OSError("no disk")]
    answer = await peer.ask("publish", stream="s", data=1, **stamp(0))
    assert (answer["code"], answer["retry"]) == ("store_unavailable", True)
    # It had been stored: sending it again tells.
    answer = await peer.ask("publish", stream="s", data=1, **stamp(0))
    assert answer["duplicate"] is True


async def test_client_that_does_not_read_its_answers_is_not_read_from():
    gateway = make_gateway(hub_options={"limits": HubLimits(held_bytes_max=1000)})
    peer = await Peer.connected(gateway)
    peer.wire.is_stuck = True
    sent = 0
    while not peer.wire.is_paused:
        await peer.ask("ping")
        sent += 1
        assert sent < 400
    assert peer.wire.held_bytes < 1100
    peer.wire.is_stuck, peer.wire.held_bytes = False, 0
    peer.session.drained()
    assert not peer.wire.is_paused
    assert (await peer.ask("ping"))["op"] == "pong"


async def test_client_whose_requests_pile_up_is_not_read_from():
    application = Application()
    peer = await Peer.connected(make_gateway(application=application, queued_messages_max=10))
    application.later = True
    application.gate.clear()
    for n in range(11):
        peer.send("publish", stream="s", data=n)
        assert peer.wire.is_paused is (n == 10)
    application.gate.set()
    for _ in range(10):
        await settle()
    assert not peer.wire.is_paused
    assert len(peer.of("published")) == 11


async def test_stuck_client_is_given_up_in_the_end():
    gateway = make_gateway(hub_options={"limits": HubLimits(held_bytes_max=100)}, heartbeat_s=20)
    peer = await Peer.connected(gateway)
    peer.wire.is_stuck = True
    while not peer.wire.is_paused:
        await peer.ask("ping")
    while peer.session.deadline is not None:
        assert peer.session.deadline < peer.now_s + 100
        peer.session.handle_deadline(peer.session.deadline)
    assert peer.wire.closed_with[0] == 4001


async def test_slow_client_that_takes_a_little_is_not_given_up():
    gateway = make_gateway(hub_options={"limits": HubLimits(held_bytes_max=100)}, heartbeat_s=20)
    peer = await Peer.connected(gateway)
    peer.wire.is_stuck = True
    while not peer.wire.is_paused:
        await peer.ask("ping")
    for _ in range(30):
        peer.wire.taken_bytes += 1
        peer.session.handle_deadline(peer.session.deadline)
    assert peer.wire.closed_with is None
    while peer.session.deadline is not None:
        peer.session.handle_deadline(peer.session.deadline)
    assert peer.wire.closed_with[0] == 4001
