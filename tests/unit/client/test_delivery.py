"""What was received and is not dealt with, and who works it off."""

import asyncio

import pytest

from longwire.client import delivery
from longwire.client.delivery import Deliveries
from longwire.client.errors import ClientError
from tests.unit.client.host import settle


class Owner:
    def __init__(self):
        self.log = []

    def taken(self):
        self.log.append("taken")

    def dealt_with(self, message):
        self.log.append(("done", message))

    def failed(self, message, error):
        self.log.append(("failed", message, str(error)))

    def turn(self, event):
        self.log.append(("turn", event))

    def left(self):
        self.log.append("left")


async def test_handler_that_returns_at_once_is_called_at_once():
    owner, seen = Owner(), []
    deliveries = Deliveries(owner, "d", seen.append)
    deliveries.put(1)
    deliveries.put_event("e")
    deliveries.put(2)
    assert seen == [1, 2]
    assert owner.log == ["taken", ("done", 1), ("turn", "e"), "taken", ("done", 2)]
    assert deliveries.is_empty and deliveries.messages == 0


async def test_handler_that_waits_is_called_one_after_the_other():
    owner, running, most = Owner(), 0, 0

    async def handle(message):
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        running -= 1
        if message == 2:
            raise ValueError("two")

    deliveries = Deliveries(owner, "d", handle)
    for message in (1, 2, 3):
        deliveries.put(message)
    deliveries.put_event("e")
    assert deliveries.messages == 2
    await settle()
    done = [step for step in owner.log if step != "taken"]
    assert done == [("done", 1), ("failed", 2, "two"), ("done", 3), ("turn", "e")]
    assert most == 1


async def test_handler_that_sometimes_waits_keeps_the_order():
    owner, seen = Owner(), []

    def handle(message):
        if message % 2:
            return later(message)
        seen.append(message)
        return None

    async def later(message):
        await asyncio.sleep(0)
        seen.append(message)

    deliveries = Deliveries(owner, "d", handle)
    for message in range(6):
        deliveries.put(message)
    await settle()
    deliveries.put(6)
    assert seen == list(range(7))


@pytest.mark.parametrize("is_waiting", [False, True])
async def test_handler_whose_own_wait_was_cancelled_has_failed_and_the_next_message_comes(
    is_waiting,
):
    owner = Owner()

    def handle(message):
        return wait() if is_waiting else raise_cancelled()

    async def wait():
        await asyncio.sleep(0)
        raise_cancelled()

    def raise_cancelled():
        if len(owner.log) < 4:
            raise asyncio.CancelledError("a request of the application")

    deliveries = Deliveries(owner, "d", handle)
    for message in (1, 2, 3):
        deliveries.put(message)
    await settle()
    await settle()
    failed = [("failed", message, "a request of the application") for message in (1, 2)]
    assert [entry for entry in owner.log if entry != "taken"] == [*failed, ("done", 3)]


async def test_end_waits_for_the_handler_that_is_running_but_not_for_ever(monkeypatch):
    monkeypatch.setattr(delivery, "STOP_S", 0.05)
    owner, go_on = Owner(), asyncio.Event()

    async def handle(message):
        await go_on.wait()

    deliveries = Deliveries(owner, "d", handle)
    deliveries.put(1)
    deliveries.put(2)
    await settle()
    stopping = asyncio.ensure_future(deliveries.stop())
    await settle()
    assert not stopping.done()
    go_on.set()
    await stopping
    assert owner.log == ["taken", ("done", 1)]

    go_on.clear()
    deliveries.put(3)
    await settle()
    await deliveries.stop()
    await settle()
    assert owner.log[-1] == "taken", "it was cancelled, so it is not dealt with"


async def test_handler_may_end_what_it_is_called_by():
    owner = Owner()

    async def handle(message):
        await asyncio.sleep(0)
        await deliveries.stop()

    deliveries = Deliveries(owner, "d", handle)
    deliveries.put(1)
    await settle()
    assert owner.log == ["taken", ("done", 1)]


async def test_loop_gets_the_error_after_the_last_message():
    owner = Owner()
    deliveries = Deliveries(owner, "d", None)
    deliveries.put(1)
    deliveries.finish(ClientError("closed", "over"))
    messages = deliveries.iterate()
    assert await anext(messages) == 1
    with pytest.raises(ClientError, match="over"):
        await anext(messages)
    assert owner.log == ["taken", ("done", 1), "left"]


async def test_handler_and_loop_exclude_each_other():
    deliveries = Deliveries(Owner(), "the subscription to s", print)
    with pytest.raises(ClientError, match="the subscription to s has a handler"):
        await anext(deliveries.iterate())
