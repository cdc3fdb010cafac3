"""What one client publishes to one stream, in order, each message once (docs/protocol.md, 6.2).

Every message gets its number when it enters and keeps it over connections, so that the server
knows a repetition. A number is given up only when the server's answers prove that nothing was
stored under it. Where they prove that the server has forgotten this producer, the outcome of what
was in flight is reported as unknown; when nothing numbered is left, the epoch is raised and
numbers begin again with 0. No socket and no clock: a state machine between an outbox and a host.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from longwire.client.errors import ClientError
from longwire.client.events import Ack
from longwire.client.payloads import Payload
from longwire.streams.position import Position, parse_position

__all__ = ["Pending", "ProducerHost", "StreamProducer"]

# Refusals that say "later", and that nothing was stored. Others leave it open.
_NOT_STORED = frozenset({"rate_limited", "too_many_in_flight", "store_full"})
# Refusals that say that the server does not know this producer's earlier publishes.
_FORGOTTEN = frozenset({"producer_unknown", "producer_epoch_start", "sequence_gap"})


@dataclass(slots=True, eq=False)
class Pending:
    """A publish from ``publish()`` until its outcome is known."""

    stream: str
    batch: tuple[Payload, ...]
    options: Mapping[str, Any] = field(default_factory=dict)
    """Further members of the request."""
    row: int | None = None
    """Where the outbox keeps it on disk."""
    sequence: int | None = None
    is_ready: bool = True
    """Whether it is as safe as was asked for, so that it may be sent."""
    is_in_flight: bool = False
    is_uncertain: bool = False
    """Sent on a connection that ended before the answer: it may be stored."""

    @property
    def size(self) -> int:
        """Payload bytes."""
        return sum(len(payload.content) for payload in self.batch)


class ProducerHost(Protocol):
    """What a producer needs."""

    def may_send(self) -> bool:
        """Whether one more request may be sent now."""

    def in_flight_max(self) -> int:
        """Unanswered publishes that one stream may have."""

    def send(self, producer: StreamProducer, pending: Pending) -> None:
        """Send it; ``accepted`` or ``refused`` follows unless the connection ends before."""

    def pause(self, producer: StreamProducer, error: ClientError, failures: int) -> None:
        """Call ``go_on`` after a while: the server cannot now."""

    def numbered(self, producer: StreamProducer, changed: list[Pending]) -> None:
        """Numbers were given or taken, or the epoch was raised: keep that where it is kept."""

    def settled(self, pending: Pending, outcome: Ack | ClientError) -> None:
        """The outcome is known."""


class StreamProducer:
    """The messages of one stream that are not settled yet, and their numbers."""

    def __init__(
        self,
        host: ProducerHost,
        stream: str,
        *,
        epoch: int = 0,
        next_sequence: int = 0,
        accepted: int = 0,
    ) -> None:
        self.stream = stream
        self.epoch = epoch
        self.next_sequence = next_sequence
        self.accepted_sequence = accepted
        """One more than the highest number that the server accepted in this epoch."""
        self.pending: list[Pending] = []
        self._host = host
        self._in_flight = 0
        self._is_settling = False
        """A refusal was seen: nothing new is numbered until all that is in flight is answered."""
        self._must_raise_epoch = False
        self._failures = 0
        self._is_paused = False

    # -- from the application -------------------------------------------------------------------

    def add(self, pending: Pending) -> None:
        """Take a publish; it is sent when ``send`` is called next."""
        self.pending.append(pending)
        if pending.sequence is None and not self._is_settling:
            self._number(pending)

    def _number(self, pending: Pending) -> None:
        pending.sequence = self.next_sequence
        self.next_sequence += 1

    def send(self) -> None:
        """Send what may be sent now."""
        in_flight_max = self._host.in_flight_max()
        if self._is_paused or self._in_flight >= in_flight_max:
            return
        # Those on the way stand first, so that few are looked at, however many wait.
        for pending in self.pending:
            if self._in_flight >= in_flight_max or not self._host.may_send():
                return
            if pending.is_in_flight or (self._is_settling and not pending.is_uncertain):
                continue
            if not pending.is_ready:
                return  # what comes after it must not overtake it
            pending.is_in_flight = True
            self._in_flight += 1
            self._host.send(self, pending)

    def go_on(self) -> None:
        """The pause is over."""
        self._is_paused = False
        self.send()

    def disconnected(self) -> None:
        """The connection is gone: what was in flight may or may not have been stored."""
        self._is_paused = False
        self._in_flight = 0
        for pending in self.pending:
            if pending.is_in_flight:
                pending.is_in_flight = False
                pending.is_uncertain = True

    # -- from the server ------------------------------------------------------------------------

    def accepted(self, pending: Pending, answer: Mapping[str, Any]) -> None:
        """It is stored."""
        self._answered(pending)
        self._failures = 0
        assert pending.sequence is not None
        self.accepted_sequence = max(self.accepted_sequence, pending.sequence + 1)
        ack = Ack(
            self.stream,
            _position(answer.get("last")),
            _position(answer.get("first")),
            answer.get("duplicate") is True,
            str(answer.get("durability", "")),
        )
        self._settle_one(pending, ack)
        self._proceed()

    def refused(self, pending: Pending, error: ClientError) -> None:
        """It is not stored, or not now, or that is not known."""
        self._answered(pending)
        self._is_settling = True
        sequence = pending.sequence
        assert sequence is not None
        expected = error.details.get("expected")
        is_hole = error.code in ("sequence_gap", "producer_epoch_start")
        if is_hole and isinstance(expected, int) and self.accepted_sequence <= expected < sequence:
            # The server remembers what we do; it has what is below, and nothing from there on.
            self.accepted_sequence = expected
            for later in self.pending:
                if not later.is_in_flight and later.sequence is not None:
                    later.is_uncertain &= later.sequence < expected
        elif error.code in _FORGOTTEN:
            self._must_raise_epoch = True
            self._refuse_forgotten(pending, error)
        elif error.retry:
            # It keeps its number: under another one it could be stored twice.
            pending.is_uncertain |= error.code not in _NOT_STORED
            self._pause(error)
        else:
            self._refuse_for_good(pending, error)
        self._proceed()

    def withdraw(self, refused: Sequence[tuple[Pending, ClientError]]) -> None:
        """Settle what will not be sent, while nothing is in flight."""
        self._is_settling = True
        for pending, error in refused:
            self._refuse_for_good(pending, error)
        self._proceed()

    def _refuse_for_good(self, pending: Pending, error: ClientError) -> None:
        # Its number may be taken; then the next message must not come under the same one.
        self._must_raise_epoch |= pending.is_uncertain and error.code != "producer_fenced"
        outcome = error.with_outcome("unknown" if pending.is_uncertain else "not_stored")
        self._settle_one(pending, outcome)

    def _refuse_forgotten(self, pending: Pending, error: ClientError) -> None:
        if not pending.is_uncertain:
            return  # first sent on this connection and refused: it is not stored, and is sent anew
        unknown = ClientError(
            "outcome_unknown",
            f"the connection was lost before this publish to {self.stream} was acknowledged, and "
            f"the server no longer knows whether it was stored ({error.message})",
            outcome="unknown",
            details={"stream": self.stream},
        )
        self._settle_one(pending, unknown)

    def _pause(self, error: ClientError) -> None:
        if not self._is_paused:
            self._is_paused = True
            self._host.pause(self, error, self._failures)
            self._failures += 1

    def _answered(self, pending: Pending) -> None:
        pending.is_in_flight = False
        self._in_flight -= 1

    def _settle_one(self, pending: Pending, outcome: Ack | ClientError) -> None:
        self.pending.remove(pending)
        self._host.settled(pending, outcome)

    def _proceed(self) -> None:
        if self._is_settling and self._in_flight == 0:
            self._settle()
        self.send()

    def _settle(self) -> None:
        """Everything is answered: number anew what is certainly not stored."""
        if self._must_raise_epoch:
            # The epoch rises only when nothing is in doubt that the old one numbered.
            if any(pending.is_uncertain for pending in self.pending):
                return
            self._must_raise_epoch = False
            self.epoch += 1
            self.accepted_sequence = 0
        self._is_settling = False
        sequence = self.accepted_sequence
        changed = []
        for pending in self.pending:
            if pending.is_uncertain:
                assert pending.sequence is not None
                sequence = max(sequence, pending.sequence)
            elif pending.sequence != sequence:
                pending.sequence = sequence
                changed.append(pending)
            sequence += 1
        self.next_sequence = sequence
        self._host.numbered(self, changed)


def _position(text: object) -> Position | None:
    return parse_position(text) if isinstance(text, str) else None
