"""A worker of a consumer: at least once, acknowledged after the work."""

import asyncio

import pytest

from longwire.client.consumer import Consumer, Consumers, ConsumerState
from longwire.client.errors import ClientError
from longwire.client.events import End, Gap
from tests.unit.client.host import Host, at, entry, settle

NAMES = {"stream": "orders", "consumer": "billing"}


def consume(host, handler=None, **options):
    consumers = Consumers(host)
    defaults = {
        "start": "earliest",
        "window": 5,
        "ack_wait_s": 30.0,
        "retry_after_s": 2.0,
        "is_manual": False,
        "data_type": None,
    }
    worker = Consumer(consumers, "orders", "billing", handler=handler, **{**defaults, **options})
    consumers.add(worker)
    return consumers, worker


def begin(host):
    return host.answer("consume", position=str(at(0)), tail=str(at(3)), unread=3, pending=0)


def deliver(consumers, *numbers, attempt=1):
    for number in numbers:
        message = entry(number, "orders", op="delivery", consumer="billing", attempt=attempt)
        consumers.received(message)


def acks(host):
    return [members["positions"] for op, members in host.told if op == "ack"]


async def test_what_the_handler_has_dealt_with_is_acknowledged_together():
    host, seen = Host(), []
    consumers, worker = consume(host, seen.append)
    members = {**NAMES, "window": 5, "ack_wait_s": 30.0, "start": "earliest"}
    assert begin(host) == members
    assert await worker.ready() == ConsumerState(True, at(0), at(3), 3, 0)
    deliver(consumers, 1, 2, attempt=2)
    assert [(one.data, one.attempt, one.position) for one in seen] == [(1, 2, at(1)), (2, 2, at(2))]
    await settle()
    assert acks(host) == [[str(at(1)), str(at(2))]]


async def test_loop_acknowledges_when_it_asks_for_the_next():
    host = Host()
    consumers, worker = consume(host)
    begin(host)
    deliver(consumers, 1, 2)
    async for delivery in worker:
        await settle()
        assert acks(host) == [[str(at(1))]][: delivery.data - 1]
        if delivery.data == 2:
            break
    await settle()
    assert host.next("release") == NAMES
    assert acks(host) == [[str(at(1))]], "the one that was left is not acknowledged"


async def test_handler_that_fails_gives_the_delivery_back():
    host = Host()

    def handle(delivery):
        raise ValueError("no")

    consumers, _ = consume(host, handle)
    begin(host)
    deliver(consumers, 1)
    assert host.told == [("nack", {**NAMES, "positions": [str(at(1))], "after_s": 2.0})]
    assert host.errors() == ["handler_failed"]


async def test_acknowledging_by_hand():
    host, held = Host(), []
    consumers, worker = consume(host, held.append, is_manual=True)
    begin(host)
    deliver(consumers, 1, 2, 3, 4)
    await settle()
    assert host.told == []
    worker.ack_upto(held[1])
    worker.nack(held[2], after_s=5)
    worker.ack(held[3], held[0])
    await settle()
    assert host.told == [
        ("ack", {**NAMES, "upto": str(at(2))}),
        ("nack", {**NAMES, "positions": [str(at(3))], "after_s": 5}),
        ("ack", {**NAMES, "positions": [str(at(4))]}),
    ]


async def test_work_of_a_lost_connection_is_not_acknowledged_on_the_next():
    host, go_on = Host(), asyncio.Event()
    seen = []

    async def handle(delivery):
        seen.append((delivery.data, delivery.attempt))
        await go_on.wait()

    consumers, _ = consume(host, handle)
    begin(host)
    deliver(consumers, 1, 2)
    await settle()
    consumers.disconnected()
    consumers.connected()
    begin(host)
    go_on.set()
    await settle()
    assert (seen, host.told) == ([(1, 1)], [])
    deliver(consumers, 1, 2, attempt=2)
    await settle()
    assert seen == [(1, 1), (1, 2), (2, 2)]
    assert [one for acked in acks(host) for one in acked] == [str(at(1)), str(at(2))]


async def test_gap_and_end_are_told():
    host = Host()
    consumers, worker = consume(host, lambda delivery: None)
    begin(host)
    gap = {"after": str(at(0)), "upto": str(at(2)), "reason": "trimmed", "lost": True}
    consumers.received({"op": "gap", **NAMES, **gap})
    consumers.received({"op": "closed", **NAMES, "position": str(at(3))})
    assert host.events == [Gap("orders", "trimmed", at(0), at(2)), End("orders", at(3))]
    assert worker.is_ended


async def test_message_of_another_type_is_told_and_not_delivered_for_ever():
    host, seen = Host(), []
    consumers, _ = consume(host, seen.append, data_type=str)
    begin(host)
    deliver(consumers, 1)
    await settle()
    assert (seen, host.errors(), acks(host)) == ([], ["bad_data"], [[str(at(1))]])


async def test_refusals():
    host = Host()
    _, worker = consume(host, print)
    host.refuse("consume", "store_unavailable", retry=True)
    while not host.requests:
        await asyncio.sleep(0)
    host.refuse("consume", "permission_denied")
    with pytest.raises(ClientError) as caught:
        await worker.ready()
    assert caught.value.details == NAMES
    assert worker.is_ended


async def test_server_ends_it_and_one_client_works_once_for_a_consumer():
    host = Host()
    consumers, worker = consume(host, print)
    with pytest.raises(ClientError) as caught:
        consumers.add(worker)
    assert caught.value.code == "already_consuming"
    begin(host)
    error = {"code": "permission_denied", "message": "", "retry": False}
    consumers.received({"op": "ended", **NAMES, **error})
    assert worker.is_ended
    consumers.add(worker)
