"""The producer rule inside Redis decides as the one that all stores share."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from longwire.base.limits import RedisStoreLimits
from longwire.stores.redis.store import RedisStore
from longwire.streams.entry import NewEntry
from longwire.streams.errors import StreamError
from longwire.streams.producer import (
    Accept,
    Duplicate,
    ForgottenProducer,
    ProducerStamp,
    ProducerState,
    Refuse,
    Result,
    decide,
)
from longwire.streams.store import Append, Appended, StreamSettings
from tests.contracts.stores import shared_redis

pytestmark = pytest.mark.slow

STATE_S = 100.0


class Model:
    """What the rule says, with its state kept here."""

    def __init__(self) -> None:
        self.state: ProducerState | None = None
        self.used_ms = 0

    def expect(self, stamp: ProducerStamp, now_ms: int) -> Accept | Duplicate | Refuse:
        remembered: ProducerState | ForgottenProducer | None = self.state
        if self.state is not None and now_ms - self.used_ms > STATE_S * 1000:
            remembered = ForgottenProducer(self.state.epoch)
        return decide(remembered, stamp)

    def record(self, stamp: ProducerStamp, appended: Appended, now_ms: int) -> None:
        self.state = self.state or ProducerState(stamp.epoch)
        self.state.record(stamp, Result(appended.first, appended.last))
        self.used_ms = now_ms


STEPS = st.lists(
    st.tuples(
        st.integers(0, 2),  # epoch
        st.one_of(st.integers(-2, 1), st.integers(-70, 70)),  # sequence, from the next one
        st.sampled_from([0, 0, 0, 1, 101]),  # seconds that pass before
        st.integers(1, 3),  # entries
    ),
    max_size=30,
)


@settings(max_examples=60)
@given(STEPS, st.integers(0, 80))
def test_script_decides_as_the_rule_does(steps, already: int) -> None:
    asyncio.run(compare(steps, already))


async def compare(steps, already: int) -> None:
    server = shared_redis()
    server.ask("FLUSHALL")
    now_ms = 1_700_000_000_000
    limits = RedisStoreLimits(producer_state_s=STATE_S)
    store = RedisStore(server.url, limits=limits, clock_ms=lambda: now_ms)
    await store.start()
    try:
        model = Model()
        steps = [(0, 0, 0, 1)] * already + steps
        for epoch, distance, seconds, entries in steps:
            now_ms += seconds * 1000
            next_sequence = model.state.next_sequence if model.state else 0
            if model.state and epoch != model.state.epoch:
                next_sequence = 0
            stamp = ProducerStamp("p", epoch, max(0, next_sequence + distance))
            expected = model.expect(stamp, now_ms)
            batch = [NewEntry(b"%d" % n) for n in range(entries)]
            request = Append("s", batch, producer=stamp, create=StreamSettings())
            (outcome,) = await store.append_many([request])
            if isinstance(expected, Refuse):
                assert isinstance(outcome, StreamError)
                assert (type(outcome), str(outcome)) == (type(expected.error), str(expected.error))
                continue
            assert isinstance(outcome, Appended)
            assert outcome.is_duplicate is isinstance(expected, Duplicate)
            if isinstance(expected, Duplicate):
                assert (outcome.first, outcome.last) == (expected.result or (None, None))
            else:
                model.record(stamp, outcome, now_ms)
    finally:
        await store.close()
