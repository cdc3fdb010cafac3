"""Whether a position is honoured, over every kind of position and log."""

from dataclasses import dataclass

import pytest

from longwire.streams.position import START, Position
from longwire.streams.verdict import Last, Reason, StartAt, Verdict, judge, judge_missing

EPOCH = "aaaaaaaa"


def link(offset):
    return offset.to_bytes(8, "big")


def at(offset, epoch=EPOCH):
    return Position(offset, epoch, link(offset)) if offset else START


@dataclass
class Log:
    floor: Position
    tail: Position
    epoch: str = EPOCH
    is_closed: bool = False

    def epoch_at(self, offset):
        return self.epoch

    def link_at(self, offset):
        assert self.floor.offset <= offset <= self.tail.offset
        return link(offset)


WHOLE = Log(START, at(10))
TRIMMED = Log(at(4), at(10))
EMPTY = Log(START, START)
EMPTIED = Log(at(10), at(10))


@pytest.mark.parametrize(
    ("log", "position", "reason", "resume"),
    [
        (WHOLE, START, None, START),
        (WHOLE, at(1), None, at(1)),
        (WHOLE, at(10), None, at(10)),
        (WHOLE, at(11), Reason.AHEAD, at(10)),
        (WHOLE, Position(5, EPOCH, link(6)), Reason.DIVERGED, at(10)),
        (WHOLE, at(5, "bbbbbbbb"), Reason.EPOCH, START),
        (WHOLE, at(11, "bbbbbbbb"), Reason.EPOCH, START),
        (TRIMMED, START, Reason.TRIMMED, at(4)),
        (TRIMMED, at(3), Reason.TRIMMED, at(4)),
        (TRIMMED, at(4), None, at(4)),
        (TRIMMED, Position(4, EPOCH, link(5)), Reason.DIVERGED, at(10)),
        (TRIMMED, at(5), None, at(5)),
        (TRIMMED, at(5, "bbbbbbbb"), Reason.EPOCH, at(4)),
        (EMPTY, START, None, START),
        (EMPTY, at(1), Reason.AHEAD, START),
        (EMPTY, at(1, "bbbbbbbb"), Reason.EPOCH, START),
        (EMPTIED, at(10), None, at(10)),
        (EMPTIED, at(9), Reason.TRIMMED, at(10)),
        (EMPTIED, START, Reason.TRIMMED, at(10)),
    ],
)
def test_position_is_judged(log, position, reason, resume):
    assert judge(position, log) == Verdict(reason, resume, log.tail)


def test_position_whose_link_is_not_known_any_more_is_refused():
    class Forgetful(Log):
        def link_at(self, offset):
            return None

    assert judge(at(5), Forgetful(START, at(10))).reason is Reason.TRIMMED


def test_verdict_tells_that_the_stream_is_closed():
    log = Log(START, at(10), is_closed=True)
    assert judge(at(10), log).is_closed
    assert judge(at(11), log).is_closed


def test_missing_stream_has_nothing_before_its_start():
    assert judge_missing(START) == Verdict(None, START, START)
    assert judge_missing(StartAt.TAIL) == Verdict(None, START, START)
    assert judge_missing(Last(5)) == Verdict(None, START, START)
    assert judge_missing(at(5)) == Verdict(Reason.EPOCH, START, START)
