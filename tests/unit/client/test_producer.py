"""The producer of one stream, against a server that keeps the rule and loses what it likes."""

from __future__ import annotations

from collections import deque

from hypothesis import given
from hypothesis import strategies as st

from longwire.client.errors import ClientError, error_from_answer
from longwire.client.payloads import encode_payload
from longwire.client.producer import Pending, StreamProducer
from longwire.streams.position import Position
from longwire.streams.producer import (
    Duplicate,
    ForgottenProducer,
    ProducerStamp,
    ProducerState,
    Refuse,
    Result,
    decide,
)

IN_FLIGHT_MAX = 4

REFUSAL = {"code": "publish_refused", "message": "no", "retry": False}
BUSY = {"code": "rate_limited", "message": "later", "retry": True}
UNSURE = {"code": "store_unavailable", "message": "who knows", "retry": True}


class World:
    """One producer, its host, and the server that it talks to."""

    def __init__(self) -> None:
        self.producer = StreamProducer(self, "s")
        self.log: list[int] = []
        self.known: ProducerState | ForgottenProducer | None = None
        self.requests: deque[tuple[Pending, ProducerStamp]] = deque()
        self.outcomes: dict[int, object] = {}
        self.is_connected = True
        self.is_paused = False
        self._count = 0

    # -- the host of the producer -----------------------------------------------------------

    def may_send(self):
        return self.is_connected

    def in_flight_max(self):
        return IN_FLIGHT_MAX

    def send(self, producer, pending):
        assert pending.sequence is not None
        stamp = ProducerStamp("p", producer.epoch, pending.sequence)
        self.requests.append((pending, stamp))
        assert len(self.requests) <= IN_FLIGHT_MAX

    def pause(self, producer, error, failures):
        self.is_paused = True

    def numbered(self, producer, changed):
        pass

    def settled(self, pending, outcome):
        number = int(pending.batch[0].content)
        assert number not in self.outcomes, "settled twice"
        self.outcomes[number] = outcome

    # -- what happens -----------------------------------------------------------------------

    def publish(self):
        self.producer.add(Pending("s", (encode_payload(self._count),)))
        self._count += 1
        self.producer.send()

    def serve(self, error=None):
        """The server takes up the next request."""
        if not self.requests:
            return
        pending, stamp = self.requests.popleft()
        if error is not None and error is not UNSURE:
            self.producer.refused(pending, error_from_answer(error))
            return
        answer = self._store(int(pending.batch[0].content), stamp)
        if isinstance(answer, ClientError):
            self.producer.refused(pending, answer)
        elif error is not None:
            self.producer.refused(pending, error_from_answer(error))  # stored all the same
        else:
            self.producer.accepted(pending, answer)

    def lose(self):
        """The server stores the next request, and the connection ends before the answer."""
        if self.requests:
            pending, stamp = self.requests.popleft()
            self._store(int(pending.batch[0].content), stamp)
        self.cut()

    def _store(self, number, stamp):
        decision = decide(self.known, stamp)
        if isinstance(decision, Refuse):
            details = {"code": decision.error.code, "message": "", **decision.error.details}
            return error_from_answer(details)
        position = str(Position(number + 1, "abcdefgh", bytes(8)))
        answer = {"first": position, "last": position, "duplicate": False, "durability": "disk"}
        if isinstance(decision, Duplicate):
            return {**answer, "duplicate": True}
        if not isinstance(self.known, ProducerState):
            self.known = ProducerState(stamp.epoch)
        self.known.record(stamp, Result(None, None))
        self.log.append(number)
        return answer

    def cut(self):
        """The connection ends, and what was on the way to the server is lost."""
        self.requests.clear()
        self.producer.disconnected()
        self.is_connected = False

    def connect(self):
        if self.is_connected:
            return
        self.is_connected = True
        self.is_paused = False
        self.producer.send()

    def resume(self):
        if self.is_paused:
            self.is_paused = False
            self.producer.go_on()

    def forget(self):
        """The server forgets this producer, by silence or with its whole memory."""
        if isinstance(self.known, ProducerState):
            self.known = ForgottenProducer(self.known.epoch)

    def finish(self):
        """Let everything come to its end."""
        for _ in range(10_000):
            if not self.producer.pending:
                return
            if not self.is_connected:
                self.connect()
            self.resume()
            assert self.requests, "it waits for nothing"
            self.serve()
        raise AssertionError("it never ends")

    def check(self):
        assert len(set(self.log)) == len(self.log), "stored twice"
        assert self.log == sorted(self.log), "stored out of order"
        for number, outcome in self.outcomes.items():
            if not isinstance(outcome, ClientError):
                assert number in self.log, "acknowledged and not stored"
            elif outcome.outcome == "not_stored":
                assert number not in self.log, "said to be not stored, and it is"
            else:
                assert outcome.outcome == "unknown"


ACTIONS = {
    "publish": World.publish,
    "serve": World.serve,
    "lose": World.lose,
    "cut": World.cut,
    "connect": World.connect,
    "refuse": lambda world: world.serve(REFUSAL),
    "busy": lambda world: world.serve(BUSY),
    "unsure": lambda world: world.serve(UNSURE),
    "resume": World.resume,
}


def test_publishes_are_stored_in_order_and_acknowledged():
    world = World()
    for _ in range(10):
        world.publish()
    world.finish()
    assert world.log == list(range(10))
    assert all(not outcome.is_duplicate for outcome in world.outcomes.values())


def test_lost_answer_is_asked_for_again_under_the_same_number():
    world = World()
    world.publish()
    world.publish()
    world.lose()
    world.connect()
    world.finish()
    assert world.log == [0, 1]
    assert world.outcomes[0].is_duplicate


def test_those_behind_a_refused_one_are_numbered_anew():
    world = World()
    for _ in range(6):
        world.publish()
    world.serve(REFUSAL)
    world.finish()
    assert world.log == [1, 2, 3, 4, 5]
    assert world.outcomes[0].outcome == "not_stored"


def test_forgotten_producer_reports_what_is_in_doubt_and_goes_on_with_a_higher_epoch():
    world = World()
    for _ in range(3):
        world.publish()
    world.serve()
    world.lose()
    world.forget()
    world.publish()
    world.finish()
    assert world.outcomes[1].code == world.outcomes[2].code == "outcome_unknown"
    assert world.log == [0, 1, 3]
    assert world.producer.epoch == 1


@given(st.lists(st.sampled_from(["publish", "serve", *ACTIONS]), max_size=60))
def test_whatever_happens_each_is_stored_once_in_order_or_reported(steps):
    world = World()
    for step in steps:
        ACTIONS[step](world)
        world.check()
    world.finish()
    world.check()


@given(st.lists(st.sampled_from(["publish", "serve", "forget", *ACTIONS]), max_size=60))
def test_even_a_server_that_forgets_stores_nothing_twice(steps):
    world = World()
    for step in steps:
        (World.forget if step == "forget" else ACTIONS[step])(world)
        world.check()
    world.finish()
    world.check()
