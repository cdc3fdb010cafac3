"""The ledger says so when a message is lost, doubled, reordered, made up or late."""

from __future__ import annotations

import pytest

from longwire.lab.journal import Happening, Record
from longwire.lab.ledger import Ledger
from longwire.lab.verdict import Verdict

# Members 0 and 1 read what they publish; both read what member 2 publishes.
READERS = {"own": {0: [0], 1: [1]}, "shared": {2: [0, 1]}}
MESSAGES = 5


def attempts() -> list[Record]:
    return [
        Record(Happening.ATTEMPTED, publisher, publisher, sequence, float(sequence))
        for publisher in range(3)
        for sequence in range(MESSAGES)
    ]


def receipts() -> list[Record]:
    """Everything, in order, a quarter of a second after it was published."""
    return [
        Record(Happening.RECEIVED, reader, publisher, sequence, sequence + 0.25)
        for reader in (0, 1)
        for publisher in (reader, 2)
        for sequence in range(MESSAGES)
    ]


def judge(records: list[Record], **settings: bool | float) -> Verdict:
    ledger = Ledger(READERS)
    for record in records:
        ledger.add(record)
    return ledger.judge(**settings)  # type: ignore[arg-type]


def test_a_run_in_which_all_came_has_no_fault() -> None:
    verdict = judge([*attempts(), *receipts()])
    assert verdict.faults(p99_s=1) == []
    own, shared = verdict.flows["own"], verdict.flows["shared"]
    assert (own.attempted, own.expected, own.delivered, own.lost) == (10, 10, 10, 0)
    assert (shared.attempted, shared.expected, shared.delivered) == (5, 10, 10)
    assert own.latency_s.p50 == own.latency_s.most == 0.25


def test_it_does_not_matter_which_journal_is_read_first() -> None:
    assert judge([*receipts(), *attempts()]) == judge([*attempts(), *receipts()])


def test_lost() -> None:
    got = [one for one in receipts() if one[1:4] != (1, 2, 3)]
    verdict = judge([*attempts(), *got])
    assert verdict.flows["shared"].lost == 1
    assert verdict.faults() == ["1 of 10 deliveries of 'shared' lost"]


def test_lost_though_acknowledged() -> None:
    got = [one for one in receipts() if one[1:4] != (0, 0, 3)]
    stored = [Record(Happening.STORED, 0, 0, sequence, 0.1) for sequence in range(MESSAGES)]
    verdict = judge([*attempts(), *stored, *got])
    assert (verdict.acknowledged, verdict.acknowledged_lost) == (5, 1)
    assert "1 deliveries of acknowledged messages lost" in verdict.faults()


def test_doubled() -> None:
    verdict = judge([*attempts(), *receipts(), Record(Happening.RECEIVED, 0, 0, 4, 9.0)])
    assert verdict.flows["own"].doubled == 1
    assert verdict.flows["own"].lost == 0
    assert verdict.flows["own"].latency_s.most == 0.25  # the first receipt counts
    assert verdict.faults() == ["1 deliveries of 'own' came twice"]


def test_a_message_that_is_repeated_later_is_doubled_and_not_out_of_order() -> None:
    verdict = judge([*attempts(), *receipts(), Record(Happening.RECEIVED, 0, 0, 1, 9.0)])
    assert (verdict.flows["own"].doubled, verdict.flows["own"].out_of_order) == (1, 0)


def test_out_of_order() -> None:
    got = receipts()
    got[2], got[3] = got[3], got[2]
    verdict = judge([*attempts(), *got])
    assert verdict.flows["own"].out_of_order == 1
    assert verdict.flows["own"].lost == verdict.flows["own"].doubled == 0
    assert verdict.faults() == ["1 deliveries of 'own' came out of order"]


def test_never_returned() -> None:
    """Member 1 gets nothing of what was published after the links had healed, at 2.5."""
    got = [one for one in receipts() if one.member == 0 or one.sequence <= 2]
    verdict = judge([*attempts(), *got], healed_at_s=2.5)
    assert verdict.never_returned == 1
    assert "1 readers never returned" in verdict.faults()


def test_a_reader_that_gets_one_stream_only_has_returned() -> None:
    got = [one for one in receipts() if one[1:3] != (1, 1)]
    assert judge([*attempts(), *got], healed_at_s=2.5).never_returned == 0


def test_made_up() -> None:
    verdict = judge([*attempts(), *receipts(), Record(Happening.RECEIVED, 0, 0, 77, 9.0)])
    assert verdict.invented == 1
    assert verdict.flows["own"].delivered == 10
    assert verdict.faults() == ["1 messages came that nobody had published"]


def test_late() -> None:
    verdict = judge([*attempts(), *receipts()])
    assert verdict.faults(p99_s=0.25) == []
    assert verdict.faults(p99_s=0.2) == [
        "the 99th percentile of 'own' is 0.25 s, above 0.2 s",
        "the 99th percentile of 'shared' is 0.25 s, above 0.2 s",
    ]


def test_an_attempt_that_was_refused_counts_as_lost() -> None:
    got = [one for one in receipts() if one[1:4] != (0, 0, 3)]
    verdict = judge([*attempts(), *got, Record(Happening.REFUSED, 0, 0, 3, 3.0)])
    assert verdict.refused == 1
    assert verdict.flows["own"].lost == 1


def test_a_run_without_messages_shows_nothing() -> None:
    assert judge([]).faults() == [
        "nothing was published in 'own', so nothing is shown",
        "nothing was published in 'shared', so nothing is shown",
    ]


def test_reconnects_are_connections_after_the_first() -> None:
    connected = [Record(Happening.CONNECTED, member, 0, 0, 0.0) for member in (0, 0, 0, 1)]
    assert judge(connected).reconnects == 2


@pytest.mark.parametrize(
    ("found", "stored_twice", "stored_out_of_order", "missing_in_store"),
    [
        ([0, 1, 2], 0, 0, 0),
        ([0, 1, 1, 2], 1, 0, 0),
        ([0, 2, 1], 0, 1, 0),
        ([0, 2], 0, 0, 1),
        ([0, 1, 2, 3], 0, 0, 0),  # stored, though the acknowledgement was lost
    ],
)
def test_what_the_store_holds(
    found: list[int], stored_twice: int, stored_out_of_order: int, missing_in_store: int
) -> None:
    stored = [Record(Happening.STORED, 0, 0, sequence, 1.0) for sequence in (0, 1, 2)]
    read = [Record(Happening.READ_BACK, 0, 0, sequence, 9.0) for sequence in found]
    verdict = judge([*attempts(), *receipts(), *stored, *read], was_read_back=True)
    assert verdict.stored_twice == stored_twice
    assert verdict.stored_out_of_order == stored_out_of_order
    assert verdict.missing_in_store == missing_in_store
    assert bool(verdict.faults()) == bool(stored_twice + stored_out_of_order + missing_in_store)


def test_without_reading_back_nothing_is_said_of_the_store() -> None:
    verdict = judge([*attempts(), *receipts()])
    assert verdict.stored_twice is verdict.missing_in_store is None
    assert verdict.to_json()["stored_twice"] is None
