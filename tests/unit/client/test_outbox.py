"""What was published and is not acknowledged: bounded, in order, sent again."""

import asyncio
import json

import pytest

from longwire.client.errors import ClientError, error_from_answer
from longwire.client.outbox import Kept, KeptProducer, Outbox
from longwire.client.payloads import encode_payload
from longwire.client.producer import Pending
from tests.unit.client.host import at, settle


class Link:
    """The way to a server that answers when it is told to."""

    def __init__(self, **limits):
        self.is_usable = True
        self.limits = limits
        self.requests = []
        self.announced = []

    def limit(self, name):
        return self.limits.get(name, float("inf"))

    def request(self, op, members, answered, refused, raw):
        assert (op, self.is_usable) == ("publish", True)
        self.requests.append((members, json.loads(b"{" + raw + b"}"), answered, refused))

    def retry_delay_s(self, error, failures):
        return 0.0

    def announce(self, event):
        self.announced.append(event)

    def store(self, number, duplicate=False):
        """Acknowledge the oldest request; return its stream, sequence and data."""
        members, raw, answered, _ = self.requests.pop(0)
        place = str(at(number))
        answered({"first": place, "last": place, "duplicate": duplicate, "durability": "disk"})
        return members["stream"], members["sequence"], raw.get("data")

    def refuse(self, code, retry=False, **details):
        members, _, _, refused = self.requests.pop(0)
        refused(error_from_answer({"code": code, "message": code, "retry": retry, **details}))
        return members

    @property
    def sent(self):
        return [(members["stream"], members["sequence"]) for members, *_ in self.requests]


class Journal:
    """A journal that writes when it is told to."""

    def __init__(self, kept=None):
        self.kept = kept or Kept("p", [], [])
        self.waiting = []
        self.removed = []
        self.is_closed = False

    async def open(self):
        return self.kept

    def add(self, pending, producer, done):
        self.waiting.append(done)

    def renumber(self, changed, producer, done):
        self.waiting.append(done)

    def remove(self, pending, producer, done):
        self.removed.append(pending.sequence)
        if done is not None:
            self.waiting.append(done)

    def write(self):
        waiting, self.waiting = self.waiting, []
        for done in waiting:
            done()

    async def close(self):
        self.is_closed = True

    def abandon(self):
        self.is_closed = True


def make(link, *, messages_max=100, bytes_max=10_000, journal=None):
    return Outbox(link, messages_max=messages_max, bytes_max=bytes_max, journal=journal)


async def publish(outbox, data, stream="s", *, may_wait=True, key=""):
    return await outbox.publish(stream, (encode_payload(data, key),), {}, may_wait=may_wait)


async def test_publishes_are_numbered_by_stream_and_answered():
    link = Link()
    outbox = make(link)
    waiters = [await publish(outbox, name, stream) for name, stream in ("1a", "2b", "3a")]
    await settle()
    assert link.sent == [("a", 0), ("a", 1), ("b", 0)]
    assert link.store(1) == ("a", 0, "1")
    assert link.store(2) == ("a", 1, "3")
    link.store(1, duplicate=True)
    acks = [await waiter for waiter in waiters]
    assert [(ack.position, ack.is_duplicate) for ack in acks] == [
        (at(1), False),
        (at(1), True),
        (at(2), False),
    ]
    assert outbox.size == 0
    await outbox.flush()


async def test_reconnect_sends_all_that_is_unanswered_in_order():
    link = Link()
    outbox = make(link)
    for number in range(4):
        await publish(outbox, number)
    await settle()
    link.store(1)
    link.is_usable = False
    link.requests.clear()
    outbox.disconnected()
    await publish(outbox, 4)
    await settle()
    assert link.requests == []
    link.is_usable = True
    outbox.connected()
    assert link.sent == [("s", 1), ("s", 2), ("s", 3), ("s", 4)]


async def test_at_most_so_many_are_on_the_way():
    link = Link(in_flight=5, producer_in_flight=3)
    outbox = make(link)
    for number in range(6):
        await publish(outbox, number, "a")
        await publish(outbox, number, "b")
    await settle()
    assert link.sent == [("a", 0), ("a", 1), ("a", 2), ("b", 0), ("b", 1)]
    count = 0
    while link.requests:
        link.store(1)
        count += 1
        await settle()
        streams = [stream for stream, _ in link.sent]
        assert len(streams) <= 5 and max(streams.count("a"), streams.count("b")) <= 3
    assert count == 12 and outbox.size == 0


@pytest.mark.parametrize("bound", [{"messages_max": 3}, {"bytes_max": 30}])
async def test_full_outbox_waits_or_says_so(bound):
    link = Link()
    outbox = make(link, **bound)
    for number in range(3):
        await publish(outbox, f"{number:08}")  # 10 bytes with its quotation marks
    with pytest.raises(ClientError) as caught:
        await publish(outbox, "one more", may_wait=False)
    assert (caught.value.code, caught.value.outcome) == ("outbox_full", "not_stored")
    assert "3 publishes (30 bytes) wait to be acknowledged" in caught.value.message
    waiting = asyncio.ensure_future(publish(outbox, "waits"))
    await settle()
    assert not waiting.done()
    link.store(1)
    await settle()
    assert waiting.done() and outbox.size == 3


async def test_one_message_that_is_larger_than_the_outbox_goes_alone():
    link = Link()
    outbox = make(link, bytes_max=10)
    await publish(outbox, "x" * 100)
    with pytest.raises(ClientError, match="outbox_full"):
        await publish(outbox, 1, may_wait=False)


async def test_what_the_server_would_not_take_is_refused_at_once():
    outbox = make(Link(entry_bytes=10, message_bytes=2_048 + 40))
    await publish(outbox, "x" * 8)
    with pytest.raises(ClientError) as caught:
        await publish(outbox, "x" * 9)
    assert (caught.value.code, caught.value.details) == ("entry_too_large", {"limit": 10})
    batch = tuple(encode_payload("x" * 8) for _ in range(3))
    with pytest.raises(ClientError, match="at most 40"):
        await outbox.publish("s", batch, {}, may_wait=True)


@pytest.mark.parametrize("is_left", [False, True])
async def test_what_is_too_large_for_a_server_that_was_not_known_yet_is_never_sent(is_left):
    link = Link()
    outbox = make(link, journal=Journal() if is_left else None)
    link.is_usable = False
    if is_left:  # by an earlier process
        left = [
            Pending("s", (encode_payload(data),), {}, row=row, sequence=row, is_uncertain=True)
            for row, data in enumerate(["x" * 5_000, 1])
        ]
        outbox = make(link, journal=Journal(Kept("left", [KeptProducer("s", 0, 2, 0)], left)))
        await outbox.open()
    else:
        large = await publish(outbox, "x" * 5_000)
        await publish(outbox, 1)
        await settle()
    link.is_usable, link.limits = True, {"message_bytes": 4_096}
    outbox.connected()
    assert [raw["data"] for _, raw, _, _ in link.requests] == [1]
    if is_left:
        link.refuse("sequence_gap", expected=0)  # it had not come to the server
        outbox._journal.write()
        assert [event.code for event in link.announced] == ["entry_too_large"]
    else:
        with pytest.raises(ClientError) as caught:
            await large
        assert (caught.value.code, caught.value.outcome) == ("entry_too_large", "not_stored")
    assert link.sent == [("s", 0)]
    link.store(1)
    assert outbox.size == 0


async def test_refused_publish_takes_no_number_from_those_behind_it():
    link = Link()
    outbox = make(link)
    waiters = [await publish(outbox, number) for number in range(3)]
    await settle()
    link.refuse("publish_refused")
    link.refuse("sequence_gap", expected=0)
    link.refuse("sequence_gap", expected=0)
    assert [link.store(1), link.store(2)] == [("s", 0, 1), ("s", 1, 2)]
    with pytest.raises(ClientError, match="publish_refused"):
        await waiters[0]
    assert (await waiters[1]).position == at(1)


async def test_server_that_cannot_now_is_asked_again_under_the_same_number():
    link = Link()
    outbox = make(link)
    waiter = await publish(outbox, 1)
    await settle()
    assert link.refuse("store_unavailable", retry=True)["sequence"] == 0
    while not link.requests:
        await asyncio.sleep(0)
    assert link.store(1, duplicate=True) == ("s", 0, 1)
    assert (await waiter).is_duplicate


async def test_pause_of_a_lost_connection_does_not_end_that_of_the_next():
    link = Link()
    outbox = make(link)
    await publish(outbox, 1)
    await settle()
    link.refuse("rate_limited", retry=True)
    outbox.disconnected()
    link.retry_delay_s = lambda error, failures: 3600.0
    outbox.connected()
    link.refuse("rate_limited", retry=True)
    await settle()
    assert link.sent == []
    await outbox.close(ClientError("closed", "the client was closed"))


async def test_end_tells_what_is_known():
    link = Link()
    outbox = make(link)
    sent = await publish(outbox, 1)
    await settle()
    link.is_usable = False
    unsent = await publish(outbox, 2)
    await outbox.close(ClientError("closed", "the client was closed"))
    for waiter, outcome in ((sent, "unknown"), (unsent, "not_stored")):
        with pytest.raises(ClientError) as caught:
            await waiter
        assert (caught.value.code, caught.value.outcome) == ("closed", outcome)
    with pytest.raises(ClientError, match="closed"):
        await publish(outbox, 3)


async def test_nothing_is_sent_before_it_is_on_the_disk():
    link, journal = Link(), Journal()
    outbox = make(link, journal=journal)
    await outbox.open()
    first = asyncio.ensure_future(publish(outbox, 1))
    second = asyncio.ensure_future(publish(outbox, 2))
    await settle()
    assert (link.requests, first.done()) == ([], False)
    journal.write()
    await settle()
    assert link.sent == [("s", 0), ("s", 1)] and second.done()
    link.store(1)
    assert journal.removed == [0]


async def test_what_an_earlier_process_left_is_sent_first_under_its_numbers():
    left = [
        Pending("s", (encode_payload(number),), {}, row=number, sequence=number, is_uncertain=True)
        for number in (7, 8)
    ]
    journal = Journal(Kept("left", [KeptProducer("s", 2, 9, 7)], left))
    link = Link()
    outbox = make(link, journal=journal)
    await outbox.open()
    assert (outbox.producer_id, outbox.size) == ("left", 2)
    publishing = asyncio.ensure_future(publish(outbox, 9))
    await settle()
    journal.write()
    outbox.connected()
    await publishing
    numbers = [
        (members["producer"], members["epoch"], data["data"]) for members, data, *_ in link.requests
    ]
    assert numbers == [("left", 2, 7), ("left", 2, 8), ("left", 2, 9)]
    assert link.sent == [("s", 7), ("s", 8), ("s", 9)]


async def test_what_an_earlier_process_left_without_a_number_is_given_one_that_is_kept():
    left = [
        Pending("s", (encode_payload(1),), {}, row=1, sequence=7, is_uncertain=True),
        Pending("s", (encode_payload(2),), {}, row=2),
    ]
    link, journal = Link(), Journal(Kept("left", [KeptProducer("s", 3, 8, 7)], left))
    outbox = make(link, journal=journal)
    await outbox.open()
    outbox.connected()
    assert link.sent == [("s", 7)]
    journal.write()
    assert link.sent == [("s", 7), ("s", 8)]


async def test_another_number_is_on_the_disk_before_it_is_sent():
    link, journal = Link(), Journal()
    outbox = make(link, journal=journal)
    await outbox.open()
    publishing = [asyncio.ensure_future(publish(outbox, number)) for number in (1, 2)]
    await settle()
    journal.write()
    link.requests.reverse()
    link.refuse("rate_limited", retry=True)  # nothing new gets a number until 1 is answered
    publishing.append(asyncio.ensure_future(publish(outbox, 3)))
    await settle()
    assert link.store(1) == ("s", 0, 1)
    added, renumbered = journal.waiting[-2:]
    added()
    await settle()
    assert ("s", 2) not in link.sent
    renumbered()
    assert link.sent == [("s", 1), ("s", 2)]
    for each in publishing:
        await each


async def test_abandoned_outbox_lets_its_file_go():
    journal = Journal()
    outbox = make(Link(), journal=journal)
    await outbox.open()
    outbox.abandon()
    assert journal.is_closed


async def test_a_refusal_is_told_when_the_disk_knows_that_it_is_never_sent_again():
    link, journal = Link(), Journal()
    outbox = make(link, journal=journal)
    await outbox.open()
    publishing = asyncio.ensure_future(publish(outbox, 1))
    await settle()
    journal.write()
    waiter = await publishing
    link.refuse("permission_denied")
    await settle()
    assert (waiter.done(), outbox.size, journal.removed) == (False, 1, [0])
    journal.write()
    with pytest.raises(ClientError) as caught:
        await waiter
    assert (caught.value.code, caught.value.outcome) == ("permission_denied", "not_stored")
    assert outbox.size == 0


async def test_a_refusal_of_what_an_earlier_process_left_is_announced():
    left = [Pending("s", (encode_payload(1),), {}, row=1, sequence=0, is_uncertain=True)]
    link, journal = Link(), Journal(Kept("left", [KeptProducer("s", 0, 1, 0)], left))
    outbox = make(link, journal=journal)
    await outbox.open()
    outbox.connected()
    link.refuse("publish_refused")
    assert link.announced == []
    journal.write()
    (event,) = link.announced
    assert (event.code, event.outcome, event.details) == (
        "publish_refused",
        "unknown",
        {"stream": "s"},
    )


async def test_end_leaves_what_is_on_the_disk_to_the_next_process():
    link, journal = Link(), Journal()
    outbox = make(link, journal=journal)
    await outbox.open()
    publishing = [asyncio.ensure_future(publish(outbox, number)) for number in (1, 2)]
    await settle()
    journal.write()
    kept, refused = [await each for each in publishing]
    link.requests.reverse()
    link.refuse("permission_denied")
    await outbox.close(ClientError("closed", "the client was closed"))
    for waiter, outcome in ((kept, "kept"), (refused, "unknown")):
        with pytest.raises(ClientError) as caught:
            await waiter
        assert (caught.value.code, caught.value.outcome) == ("closed", outcome)


async def test_what_an_earlier_process_left_is_numbered_from_where_the_server_stands():
    # 8 was stored, the process did not live to hear of it, a repetition was refused; then 9 had
    # been given and given up.
    left = [
        Pending("s", (encode_payload(number),), {}, row=number, sequence=number, is_uncertain=True)
        for number in (10, 11)
    ]
    link, journal = Link(), Journal(Kept("left", [KeptProducer("s", 0, 12, 8)], left))
    outbox = make(link, journal=journal)
    await outbox.open()
    outbox.connected()
    link.refuse("sequence_gap", expected=9)
    link.refuse("sequence_gap", expected=9)
    journal.write()
    await settle()
    assert link.sent == [("s", 9), ("s", 10)]


async def test_publish_that_cannot_be_kept_ends_with_the_outbox():
    link, journal = Link(), Journal()
    outbox = make(link, journal=journal)
    written = asyncio.create_task(publish(outbox, 1))
    await settle()
    journal.write()
    await written
    unwritten = asyncio.create_task(publish(outbox, 2))
    abandoned = asyncio.create_task(publish(outbox, 3))
    await settle()
    abandoned.cancel()
    await outbox.close(ClientError("closed", "the client was closed"))
    async with asyncio.timeout(20):
        with pytest.raises(ClientError) as caught:
            await unwritten
    assert (caught.value.code, caught.value.outcome) == ("closed", "unknown")
    link.is_usable = False
    journal.write()  # it was on its way to the disk all the same
