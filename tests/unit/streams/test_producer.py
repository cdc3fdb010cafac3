"""The producer rule, every case of it (docs/protocol.md, 6.2)."""

import itertools

import pytest

from longwire.streams.errors import (
    EpochStartError,
    ProducerFencedError,
    ProducerUnknownError,
    SequenceGapError,
)
from longwire.streams.position import Position
from longwire.streams.producer import (
    RESULTS_MAX,
    Accept,
    Duplicate,
    ForgottenProducer,
    ProducerStamp,
    ProducerState,
    Refuse,
    Result,
    decide,
)

EPOCH = 5


def result_of(sequence):
    position = Position(sequence + 1, "abcdefgh", sequence.to_bytes(8, "big"))
    return Result(position, position)


def state_after(count, epoch=EPOCH):
    """What is remembered after sequences 0 … count - 1."""
    state = ProducerState(epoch)
    for sequence in range(count):
        state.record(ProducerStamp("p", epoch, sequence), result_of(sequence))
    return state


REMEMBERED = {
    "nothing": None,
    "forgotten": ForgottenProducer(EPOCH),
    "new": state_after(1),
    "three": state_after(3),
    "full": state_after(RESULTS_MAX),
    "past": state_after(RESULTS_MAX + 10),
}


def expected_by_table(name, epoch, sequence):
    """The table of docs/protocol.md, written a second time."""
    if name == "nothing":
        return "accept" if sequence == 0 else "unknown"
    if epoch < EPOCH:
        return "fenced"
    if epoch > EPOCH:
        return "accept" if sequence == 0 else "epoch start"
    if name == "forgotten":
        return "unknown"
    following = {"new": 1, "three": 3, "full": RESULTS_MAX, "past": RESULTS_MAX + 10}[name]
    if sequence == following:
        return "accept"
    if sequence > following:
        return "gap"
    return "duplicate" if following - sequence <= RESULTS_MAX else "old duplicate"


SEQUENCES = [0, 1, 2, 3, 4, 9, 10, 11, 63, 64, 65, 73, 74, 75, 2**53 - 1]


@pytest.mark.parametrize(
    ("name", "epoch", "sequence"),
    list(itertools.product(REMEMBERED, [0, EPOCH - 1, EPOCH, EPOCH + 1, 2**53 - 1], SEQUENCES)),
)
def test_rule_decides_every_case_as_the_table_says(name, epoch, sequence):
    remembered = REMEMBERED[name]
    decision = decide(remembered, ProducerStamp("p", epoch, sequence))
    expected = expected_by_table(name, epoch, sequence)
    if expected == "accept":
        assert isinstance(decision, Accept)
    elif expected == "duplicate":
        assert decision == Duplicate(result_of(sequence))
    elif expected == "old duplicate":
        assert decision == Duplicate(None)
    else:
        assert isinstance(decision, Refuse)
        error = decision.error
        if expected == "gap":
            assert isinstance(error, SequenceGapError)
            assert error.expected == error.details["expected"] == remembered.next_sequence
        elif expected == "fenced":
            assert isinstance(error, ProducerFencedError)
            assert error.epoch == error.details["epoch"] == EPOCH
        elif expected == "epoch start":
            assert isinstance(error, EpochStartError)
            assert error.details["expected"] == 0
        else:
            assert isinstance(error, ProducerUnknownError)


def test_decision_changes_nothing():
    state = state_after(3)
    before = (state.epoch, state.next_sequence, list(state.results))
    for epoch, sequence in itertools.product([4, 5, 6], range(6)):
        decide(state, ProducerStamp("p", epoch, sequence))
    assert (state.epoch, state.next_sequence, list(state.results)) == before


def test_new_epoch_forgets_results_of_the_old_one():
    state = state_after(3)
    state.record(ProducerStamp("p", EPOCH + 1, 0), result_of(100))
    assert state.next_sequence == 1
    assert decide(state, ProducerStamp("p", EPOCH + 1, 0)) == Duplicate(result_of(100))


def test_results_are_kept_for_as_many_as_may_be_in_flight():
    state = state_after(1000)
    for sequence in range(1000 - RESULTS_MAX, 1000):
        assert decide(state, ProducerStamp("p", EPOCH, sequence)) == Duplicate(result_of(sequence))
    assert decide(state, ProducerStamp("p", EPOCH, 1000 - RESULTS_MAX - 1)) == Duplicate(None)
