"""Consumers: acknowledged after processing, delivered again when not, shared by several workers."""

from __future__ import annotations

import asyncio
import time

import pytest

from longwire.base.limits import ConsumerLimits, HubLimits, RetentionLimits
from longwire.hub.publishing import Publish
from longwire.stores.memory import MemoryStore
from longwire.streams.entry import JSON, NewEntry
from longwire.streams.position import START
from longwire.streams.store import StreamSettings
from tests.unit.gateways.native.peer import Application, Peer, make_gateway, settle
from tests.unit.hub.collectors import publish


async def until(condition, what="it happens"):
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.002)


async def fill(gateway, *payloads, stream="s"):
    for payload in payloads:
        await gateway.hub.publish(publish(b"%d" % payload, stream=stream))


def got(peer):
    return [(m["data"], m["attempt"]) for m in peer.of("delivery")]


async def consume(gateway, name="billing", stream="s", token=None, **members):
    peer = await Peer.connected(gateway, **({} if token is None else {"token": token}))
    answer = await asked(peer, "consume", stream=stream, consumer=name, **members)
    return peer, answer


async def asked(peer, op, **members):
    request_id = peer.send(op, **members)
    answers = []

    def has_answer():
        answers[:] = [m for m in peer.all if m.get("id") == request_id]
        return bool(answers)

    await until(has_answer)
    return answers[0]


async def test_entries_are_delivered_until_they_are_acknowledged():
    gateway = make_gateway()
    await fill(gateway, 1, 2, 3)
    peer, answer = await consume(gateway, window=2)
    assert (answer["op"], answer["unread"], answer["pending"]) == ("consuming", 3, 0)
    await until(lambda: len(got(peer)) == 2)
    first, second = peer.of("delivery")
    assert (first["consumer"], first["stream"], first["attempt"]) == ("billing", "s", 1)
    answer = await asked(peer, "ack", stream="s", consumer="billing", positions=[first["position"]])
    assert answer["op"] == "acked"
    assert answer["position"] == first["position"]
    assert (answer["unread"], answer["pending"]) == (2, 2)
    await until(lambda: got(peer) == [(1, 1), (2, 1), (3, 1)])
    third = peer.of("delivery")[2]
    answer = await asked(peer, "ack", stream="s", consumer="billing", upto=third["position"])
    assert (answer["unread"], answer["pending"]) == (0, 0)
    await fill(gateway, 4)
    await until(lambda: got(peer)[-1] == (4, 1))
    assert second["position"] < third["position"]


async def test_position_follows_the_oldest_that_is_not_acknowledged():
    gateway = make_gateway()
    await fill(gateway, 1, 2, 3)
    peer, start = await consume(gateway)
    await until(lambda: len(got(peer)) == 3)
    places = [m["position"] for m in peer.of("delivery")]
    answer = await asked(peer, "ack", stream="s", consumer="billing", positions=places[1:])
    assert (answer["position"], answer["unread"]) == (start["position"], 1)
    answer = await asked(peer, "ack", stream="s", consumer="billing", positions=places[:1])
    assert (answer["position"], answer["unread"]) == (places[2], 0)


async def test_what_is_not_acknowledged_in_time_comes_again():
    gateway = make_gateway()
    await fill(gateway, 1)
    peer, _ = await consume(gateway, ack_wait_s=0.1)
    await until(lambda: got(peer)[:3] == [(1, 1), (1, 2), (1, 3)])


async def test_what_is_given_back_comes_again_at_once_or_later():
    gateway = make_gateway()
    await fill(gateway, 1, 2)
    peer, _ = await consume(gateway)
    await until(lambda: len(got(peer)) == 2)
    places = [m["position"] for m in peer.of("delivery")]
    given_back = {"stream": "s", "consumer": "billing"}
    answer = await asked(peer, "nack", **given_back, positions=places[:1], after_s=3600.0)
    assert (answer["op"], answer["pending"]) == ("nacked", 1)
    await asked(peer, "nack", **given_back, positions=places[1:])
    await until(lambda: len(got(peer)) == 3)
    began_s = time.monotonic()
    await asked(peer, "nack", **given_back, positions=places[1:], after_s=0.05)
    await until(lambda: len(got(peer)) == 4)
    assert time.monotonic() - began_s >= 0.04
    assert got(peer)[2:] == [(2, 2), (2, 3)]


async def test_workers_share_a_consumer_and_take_over_from_each_other():
    gateway = make_gateway()
    one, _ = await consume(gateway, window=2)
    two, _ = await consume(gateway, window=2)
    await fill(gateway, 1, 2, 3, 4)
    await until(lambda: len(got(one)) + len(got(two)) == 4)
    assert sorted(got(one) + got(two)) == [(1, 1), (2, 1), (3, 1), (4, 1)]
    taken = [data for data, _ in got(one)]
    one.session.lost()
    last = two.of("delivery")[-1]["position"]
    await asked(two, "ack", stream="s", consumer="billing", upto=last)
    await until(lambda: len(got(two)) == 4)
    assert sorted(got(two)[2:]) == [(data, 2) for data in sorted(taken)]
    await asked(two, "ack", stream="s", consumer="billing", upto=last)
    answer = await asked(two, "consumer", stream="s", consumer="billing")
    assert (answer["unread"], answer["pending"]) == (0, 0)


async def test_acknowledgement_of_what_another_worker_has_is_passed_over():
    gateway = make_gateway()
    await fill(gateway, 1)
    one, _ = await consume(gateway)
    two, _ = await consume(gateway)
    await until(lambda: len(got(one)) == 1)
    place = one.of("delivery")[0]["position"]
    answer = await asked(two, "ack", stream="s", consumer="billing", positions=[place])
    assert (answer["op"], answer["unread"]) == ("acked", 1)


async def test_consumer_outlives_its_workers():
    gateway = make_gateway()
    await fill(gateway, 1, 2)
    peer, _ = await consume(gateway, window=1)
    await until(lambda: len(got(peer)) == 1)
    peer.send("ack", stream="s", consumer="billing", upto=peer.of("delivery")[0]["position"])
    await until(lambda: len(got(peer)) == 2)
    assert (await asked(peer, "release", stream="s", consumer="billing"))["op"] == "released"
    assert (
        await asked(peer, "ack", stream="s", consumer="billing", upto=peer.all[-2]["position"])
    )["code"] == "not_consuming"
    answer = await asked(peer, "consumer", stream="s", consumer="billing")
    assert (answer["unread"], answer["pending"]) == (1, 0)
    again, answer = await consume(gateway, start="tail")
    assert answer["unread"] == 1, "it goes on where it is"
    await until(lambda: got(again) == [(2, 2)])


async def test_consumers_are_of_a_user_and_a_stream():
    gateway = make_gateway()
    await fill(gateway, 1)
    ann, _ = await consume(gateway, token="ann")
    await until(lambda: len(got(ann)) == 1)
    await asked(ann, "ack", stream="s", consumer="billing", upto=ann.of("delivery")[0]["position"])
    nobody = await Peer.connected(gateway)
    for members in (
        {"stream": "s", "consumer": "billing"},
        {"stream": "s", "consumer": "other"},
        {"stream": "t", "consumer": "billing"},
    ):
        answer = await asked(nobody, "consumer", **members)
        assert answer["exists"] is False
    assert (await asked(ann, "consumer", stream="s", consumer="billing"))["unread"] == 0


async def test_forgotten_consumer_begins_anew():
    gateway = make_gateway()
    await fill(gateway, 1)
    peer, _ = await consume(gateway)
    await until(lambda: len(got(peer)) == 1)
    await asked(
        peer, "ack", stream="s", consumer="billing", upto=peer.of("delivery")[0]["position"]
    )
    await asked(peer, "release", stream="s", consumer="billing", forget=True)
    answer = await asked(peer, "consumer", stream="s", consumer="billing")
    assert (answer["exists"], answer["unread"]) == (False, 1)
    _, answer = await consume(gateway)
    assert answer["unread"] == 1


async def test_what_retention_dropped_is_told_by_a_gap():
    def settings_for(stream, content_type):
        return StreamSettings(retention=RetentionLimits(entries_max=2))

    gateway = make_gateway(hub_options={"settings_for": settings_for})
    peer, _ = await consume(gateway, window=1)
    await fill(gateway, 1)
    await until(lambda: len(got(peer)) == 1)
    await fill(gateway, 2, 3, 4, 5)
    await asked(
        peer, "ack", stream="s", consumer="billing", upto=peer.of("delivery")[0]["position"]
    )
    await until(lambda: len(peer.of("delivery")) == 2)
    first, second = peer.of("delivery")
    assert got(peer)[1] == (4, 1)
    # In one or, as it was trimmed bit by bit, in several that follow each other.
    gaps = peer.of("gap")
    for gap in gaps:
        assert (gap["consumer"], gap["reason"], gap["lost"]) == ("billing", "trimmed", True)
    starts, ends = [gap["after"] for gap in gaps], [gap["upto"] for gap in gaps]
    assert [first["position"], *ends] == [*starts, second["after"]]


async def test_end_of_a_closed_stream_is_told_when_everything_is_acknowledged():
    gateway = make_gateway()
    await fill(gateway, 1)
    peer, _ = await consume(gateway)
    await until(lambda: len(got(peer)) == 1)
    await gateway.hub.close_stream("s")
    await settle()
    assert peer.of("closed") == []
    await asked(
        peer, "ack", stream="s", consumer="billing", upto=peer.of("delivery")[0]["position"]
    )
    await until(lambda: len(peer.of("closed")) == 1)
    assert peer.of("closed")[0]["consumer"] == "billing"
    assert not peer.session.workers


@pytest.mark.parametrize(
    ("op", "members", "code"),
    [
        ("consume", {"stream": "a//b"}, "bad_stream_name"),
        ("consume", {"consumer": ""}, "bad_message"),
        ("consume", {"consumer": "c" * 129}, "bad_message"),
        ("consume", {"window": 0}, "bad_message"),
        ("consume", {"window": 1001}, "bad_message"),
        ("consume", {"ack_wait_s": 0.05}, "bad_message"),
        ("consume", {"position": "x"}, "bad_position"),
        ("consume", {"stream": "secret"}, "permission_denied"),
        ("consumer", {"stream": "secret"}, "permission_denied"),
        ("ack", {"upto": str(START)}, "not_consuming"),
        ("nack", {"positions": [str(START)]}, "not_consuming"),
        ("ack", {}, "bad_message"),
        ("ack", {"upto": "x"}, "bad_position"),
        ("nack", {"positions": []}, "bad_message"),
        ("nack", {"positions": ["x"]}, "bad_position"),
        ("release", {}, "not_consuming"),
    ],
)
async def test_wrong_requests_are_named(op, members, code):
    gateway = make_gateway(application=Application(denied={("read", "secret")}))
    peer = await Peer.connected(gateway)
    answer = await asked(peer, op, **{"stream": "s", "consumer": "billing", **members})
    assert (answer["op"], answer["code"]) == ("error", code)


async def test_wrong_acknowledgements_are_named():
    limits = ConsumerLimits(consumers_per_connection_max=1, window_max=2)
    gateway = make_gateway(hub_options={"consumer_limits": limits})
    peer, answer = await consume(gateway, window=2)
    place = answer["position"]
    for op, members, code in [
        ("ack", {}, "bad_message"),
        ("ack", {"upto": place, "positions": [place]}, "bad_message"),
        ("ack", {"upto": "x"}, "bad_position"),
        ("ack", {"positions": [place] * 3}, "bad_message"),
        ("nack", {"positions": ["x"]}, "bad_position"),
        ("consume", {}, "already_consuming"),
    ]:
        answer = await asked(peer, op, stream="s", consumer="billing", **members)
        assert (answer["op"], answer["code"]) == ("error", code), (op, members)
    answer = await asked(peer, "consume", stream="s", consumer="other")
    assert (answer["code"], answer["limit"]) == ("too_many_consumers", 1)


async def test_workers_of_a_forgotten_consumer_are_told():
    gateway = make_gateway()
    await fill(gateway, 1)
    peer, _ = await consume(gateway)
    other, _ = await consume(gateway)
    await until(lambda: len(got(peer)) + len(got(other)) == 1)
    await asked(peer, "release", stream="s", consumer="billing", forget=True)
    await until(lambda: other.of("ended"))
    (ended,) = other.of("ended")
    assert (ended["stream"], ended["consumer"]) == ("s", "billing")
    assert (ended["code"], ended["retry"]) == ("consumer_removed", False)
    answer = await asked(other, "ack", stream="s", consumer="billing", upto=str(START))
    assert answer["code"] == "not_consuming"
    assert (await asked(other, "consume", stream="s", consumer="billing"))["unread"] == 1


async def test_consumer_that_a_new_token_may_not_read_is_ended():
    application = Application()
    gateway = make_gateway(application=application)
    await fill(gateway, 1)
    peer, _ = await consume(gateway, token="ann")
    await asked(peer, "consume", stream="t", consumer="billing")
    application.denied.add(("read", "s"))
    assert (await asked(peer, "authenticate", token="ann"))["op"] == "authenticated"
    await until(lambda: peer.of("ended"))
    (ended,) = peer.of("ended")
    assert (ended["stream"], ended["consumer"]) == ("s", "billing")
    assert ended["code"] == "permission_denied"
    await fill(gateway, 2)
    await fill(gateway, 3, stream="t")
    await until(lambda: (3, 1) in got(peer))
    assert (2, 1) not in got(peer)


async def test_worker_that_does_not_read_is_not_handed_more():
    gateway = make_gateway(hub_options={"limits": HubLimits(held_bytes_max=2_000)})
    payload = b'"%s"' % (b"x" * 1_000)
    peer, _ = await consume(gateway, window=50)
    peer.wire.is_stuck = True
    for _ in range(20):
        await gateway.hub.publish(publish(payload, stream="s"))
    await until(lambda: peer.wire.held_bytes > 2_000)
    await settle()
    held = len(peer.of("delivery"))
    assert held < 10
    other, _ = await consume(gateway, window=5)
    await until(lambda: len(other.of("delivery")) == 5)
    assert len(peer.of("delivery")) == held
    peer.wire.is_stuck, peer.wire.held_bytes = False, 0
    peer.session.drained()
    await until(lambda: len(peer.of("delivery")) == 15)


async def test_large_entries_are_handed_out_in_rounds():
    gateway = make_gateway(hub_options={"limits": HubLimits(held_bytes_max=2_000_000)})
    for _ in range(8):
        await gateway.hub.publish(publish(b'"%s"' % (b"x" * 500_000), stream="s"))
    peer, _ = await consume(gateway, window=50, ack_wait_s=0.1)
    peer.wire.is_stuck = True
    await until(lambda: peer.wire.held_bytes > 2_000_000)
    await asyncio.sleep(0.3)
    # What was not acknowledged in time is not heaped up either.
    assert peer.wire.held_bytes < 4_000_000


async def test_own_inbox_has_consumers_and_no_other_has():
    gateway = make_gateway()
    entries = (NewEntry(b"1"),)
    await gateway.hub.publish(Publish("$user/ann", entries, content_type=JSON, is_from_server=True))
    peer, answer = await consume(gateway, stream="$user/ann", token="ann")
    assert (answer["op"], answer["unread"]) == ("consuming", 1)
    await until(lambda: got(peer) == [(1, 1)])
    _, answer = await consume(gateway, stream="$user/ann")
    assert answer["code"] in ("permission_denied", "bad_stream_name")


class CountingStore(MemoryStore):
    reads = 0

    async def read_back(self, *arguments, **options):
        self.reads += 1
        return await super().read_back(*arguments, **options)


async def test_entry_that_waits_for_room_is_not_asked_for_all_the_time():
    store = CountingStore()
    gateway = make_gateway(store=store)
    await fill(gateway, 1, 2)
    busy, _ = await consume(gateway, window=1)
    await until(lambda: got(busy) == [(1, 1)])
    gone, _ = await consume(gateway, window=1)
    await until(lambda: got(gone) == [(2, 1)])
    gone.session.lost()
    await asyncio.sleep(0.05)
    before = store.reads
    await asyncio.sleep(0.2)
    assert store.reads - before < 5
    position = busy.of("delivery")[0]["position"]
    await asked(busy, "ack", stream="s", consumer="billing", upto=position)
    await until(lambda: got(busy) == [(1, 1), (2, 2)])
