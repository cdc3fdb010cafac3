"""A model of hub and store: whatever happens, every subscriber sees all, in order, or a named gap.

The model is the list of everything ever stored, life by life of the stream. Each sink checks every
interval as it comes; at the end what each one got is held against the lists.
"""

import asyncio
import random

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from longwire.base.limits import HubLimits, RetentionLimits
from longwire.hub.hub import Hub
from longwire.streams.entry import Entry
from longwire.streams.errors import StreamError
from longwire.streams.position import START
from longwire.streams.store import StreamSettings
from longwire.streams.verdict import StartAt
from tests.unit.hub.collectors import EntrySink, HeldStore, LineSink, publish

CALLS = ["append", "seek", "read"]
HELD_BYTES_MAX = 400


class HubMachine(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        self.loop = asyncio.new_event_loop()
        retention = RetentionLimits(entries_max=6, bytes_max=None, age_max_s=None)
        self.store = HeldStore(entropy=random.Random(1).randbytes)
        self.hub = Hub(
            self.store,
            limits=HubLimits(
                held_bytes_max=HELD_BYTES_MAX,
                recent_entries_max=3,
                page_entries_max=2,
                readers_max=2,
                store_retry_s=0.0,
            ),
            settings_for=lambda stream, content_type: StreamSettings(retention=retention),
        )
        self.lives: dict[str, list[Entry]] = {}
        """By epoch, in the order in which they began."""
        self.outcomes = []
        self.readers = []
        self.opening = []
        self.sequence = 0
        self.published = 0
        self.producer = 0

    def run(self, function, *arguments):
        async def call():
            return function(*arguments)

        return self.loop.run_until_complete(call())

    def turn(self, times):
        async def wait():
            for _ in range(times):
                await asyncio.sleep(0)

        self.loop.run_until_complete(wait())

    # -- what happens -------------------------------------------------------------------------

    @rule(count=st.integers(1, 4))
    def publish_some(self, count):
        self.published += 1
        payloads = [b"%d.%d" % (self.published, n) for n in range(count)]
        stamp = (f"p{self.producer}", 0, self.sequence)
        self.sequence += 1
        self.run(self.hub.publisher.submit, publish(*payloads, stamp=stamp), self.stored)

    @precondition(lambda self: self.sequence)
    @rule()
    def publish_again(self):
        """The publisher had no answer yet: the same sequence once more."""
        stamp = (f"p{self.producer}", 0, self.sequence - 1)
        self.published += 1
        self.run(
            self.hub.publisher.submit, publish(b"%d" % self.published, stamp=stamp), self.stored
        )

    def stored(self, outcome):
        self.outcomes.append(outcome)
        if isinstance(outcome, StreamError):
            # After a deletion the store does not know the producer: another one begins.
            assert outcome.code in ("producer_unknown", "sequence_gap")
            self.sequence = 0
            self.producer += 1
            return
        for entry in outcome.entries:
            life = self.lives.setdefault(entry.position.epoch, [])
            life.append(entry)
            assert entry.position.offset == len(life)

    @rule(
        kind=st.sampled_from([LineSink, EntrySink]),
        is_slow=st.booleans(),
        start=st.sampled_from([StartAt.TAIL, StartAt.EARLIEST, "held"]),
        data=st.data(),
    )
    def subscribe(self, kind, is_slow, start, data):
        if start == "held":
            everything = [entry for life in self.lives.values() for entry in life]
            if not everything:
                return
            start = data.draw(st.sampled_from(everything)).position
        sink = kind()
        sink.is_slow = is_slow
        attachment = self.hub.attach(sink)
        self.opening.append((sink, self.loop.create_task(attachment.open("s", start))))
        self.turn(1)
        self.begin_opened()

    def begin_opened(self):
        for sink, task in list(self.opening):
            if task.done():
                self.opening.remove((sink, task))
                subscription = task.result()
                sink.of().held = subscription.verdict.resume
                sink.begun_at = subscription.verdict.resume
                self.readers.append((sink, subscription))
                self.run(subscription.begin)

    @precondition(lambda self: self.readers)
    @rule(data=st.data())
    def drain(self, data):
        sink, subscription = data.draw(st.sampled_from(self.readers))
        sink.held_bytes = 0
        self.run(subscription.attachment.drained)

    @precondition(lambda self: self.readers)
    @rule(data=st.data(), is_slow=st.booleans())
    def change_speed(self, data, is_slow):
        sink, _ = data.draw(st.sampled_from(self.readers))
        sink.is_slow = is_slow

    @precondition(lambda self: len(self.readers) > 1)
    @rule(data=st.data())
    def unsubscribe(self, data):
        reader = data.draw(st.sampled_from(self.readers))
        self.readers.remove(reader)
        sink, subscription = reader
        self.run(subscription.end)
        self.turn(2)
        assert sink.of().held == subscription.position

    @rule(call=st.sampled_from(CALLS))
    def hold_answers(self, call):
        if call not in self.store.gates:
            self.store.shut(call)

    @rule(call=st.sampled_from(CALLS))
    def release_answers(self, call):
        if call in self.store.gates:
            self.run(self.store.open, call)

    @rule()
    def delete(self):
        if not self.store.gates:
            self.loop.run_until_complete(self.hub.delete_stream("s"))

    @rule()
    def fail_a_read(self):
        self.store.failures.setdefault("read", []).append(OSError("store"))

    @rule(times=st.integers(1, 20))
    def let_time_pass(self, times):
        self.turn(times)
        self.begin_opened()

    # -- what always holds ----------------------------------------------------------------------

    @invariant()
    def nobody_holds_too_much(self):
        for sink, _ in self.readers:
            # One run of entries and one gap may go over the mark.
            assert sink.held_bytes < HELD_BYTES_MAX + 1200

    @invariant()
    def counters_agree(self):
        counted = self.hub.counters.subscriptions
        assert counted == len(self.readers) + len(self.opening)

    def teardown(self):
        try:
            self.settle()
            for sink, subscription in self.readers:
                self.check(sink, subscription)
            self.loop.run_until_complete(self.hub.close())
        finally:
            self.loop.close()

    def settle(self):
        for call in list(self.store.gates):
            self.run(self.store.open, call)
        self.store.failures.clear()
        for _ in range(200):
            self.turn(10)
            self.begin_opened()
            for sink, subscription in self.readers:
                sink.is_slow, sink.held_bytes = False, 0
                self.run(subscription.attachment.drained)
            info = self.loop.run_until_complete(self.hub.store.info("s"))
            tail = START if info is None else info.tail
            if not self.opening and all(sink.of().held == tail for sink, _ in self.readers):
                return
        raise AssertionError("a subscriber does not catch up")

    def check(self, sink, subscription):
        """What was got and what was reported missing make up each life from the beginning."""
        record = sink.of()
        place = {entry.payload: entry.position for life in self.lives.values() for entry in life}
        epochs = list(self.lives)
        epoch = None if sink.begun_at.is_start else sink.begun_at.epoch
        offset = sink.begun_at.offset
        for event in record.events:
            if isinstance(event, bytes):
                position = place[event]
                if epoch is None:
                    epoch = position.epoch
                assert (position.epoch, position.offset) == (epoch, offset + 1)
                offset += 1
            elif event.reason == "trimmed":
                assert event.upto.offset > offset
                offset = event.upto.offset
                epoch = event.upto.epoch
            else:
                assert event.reason == "epoch"
                following = event.upto.epoch if not event.upto.is_start else None
                if epoch is not None and following is not None:
                    assert epochs.index(following) > epochs.index(epoch)
                epoch, offset = following, event.upto.offset
        assert offset == record.held.offset == subscription.position.offset


TestHub = HubMachine.TestCase
TestHub.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
