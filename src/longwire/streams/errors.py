"""What streams answer when they refuse; each error knows the code that clients see.

* :exc:`StreamError`

  * :exc:`StreamNameError`, :exc:`PositionError`: text that is none
  * :exc:`PositionRefusedError`: a position that the log can not honour
  * :exc:`StreamMissingError`, :exc:`StreamExistsError`, :exc:`StreamGoneError`,
    :exc:`ForkError`, :exc:`StreamClosedError`
  * :exc:`ContentTypeError`, :exc:`PayloadError`, :exc:`EntryLimitError`: what was to be stored
  * :exc:`TailMovedError`: a conditional append came too late;
    :exc:`ApplicationSequenceError`: an append out of the application's own order
  * :exc:`ProducerError`: :exc:`SequenceGapError`, :exc:`EpochStartError`,
    :exc:`ProducerFencedError`, :exc:`ProducerUnknownError`
  * :exc:`StoreFullError`, :exc:`StoreUnavailableError`: may succeed later

A refused append has stored nothing and used up no sequence number. Only
:exc:`StoreUnavailableError` leaves open whether it was stored.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from longwire.base.errors import LongwireError

if TYPE_CHECKING:
    from longwire.streams.entry import Durability
    from longwire.streams.position import Position
    from longwire.streams.verdict import Verdict

__all__ = [
    "ApplicationSequenceError",
    "ContentTypeError",
    "DurabilityError",
    "EntryLimitError",
    "EpochStartError",
    "ForkError",
    "PayloadError",
    "PositionError",
    "PositionRefusedError",
    "ProducerError",
    "ProducerFencedError",
    "ProducerUnknownError",
    "SequenceGapError",
    "StoreFullError",
    "StoreUnavailableError",
    "StreamClosedError",
    "StreamError",
    "StreamExistsError",
    "StreamGoneError",
    "StreamMissingError",
    "StreamNameError",
    "TailMovedError",
]


_SHOWN_CHARACTERS_MAX = 80


def _shown(text: str) -> str:
    """What somebody sent, fit for one line of a log or a terminal."""
    if len(text) > _SHOWN_CHARACTERS_MAX:
        text = text[: _SHOWN_CHARACTERS_MAX - 3] + "..."
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode()
        for character in text
    )


class StreamError(LongwireError):
    """Base of all refusals.

    ``code`` is for programs and stands in docs/protocol.md; ``is_retryable`` says whether the
    same call may succeed later; ``details`` are the further members of the answer.
    """

    code: ClassVar[str] = "internal"
    is_retryable: ClassVar[bool] = False

    def __init__(self, message: str, **details: object) -> None:
        super().__init__(message)
        self.message = message
        self.details = details


class StreamNameError(StreamError):
    """Text that is no stream name."""

    code = "bad_stream_name"

    def __init__(self, name: str, problem: str) -> None:
        super().__init__(f'"{_shown(name)}" is no stream name: {problem}')


class PositionError(StreamError):
    """Text that is no position."""

    code = "bad_position"

    def __init__(self, text: str, problem: str) -> None:
        super().__init__(f'"{_shown(text)}" is no position: {problem}')


class PositionRefusedError(StreamError):
    """The log does not hold any more what the owner of this position has seen."""

    code = "position_refused"

    def __init__(self, verdict: Verdict) -> None:
        reason = verdict.reason.value if verdict.reason is not None else ""
        super().__init__(
            f"the position can not be honoured: {reason}; {verdict.resume} can be read on from",
            reason=reason,
            position=str(verdict.resume),
            tail=str(verdict.tail),
        )
        self.verdict = verdict


class StreamMissingError(StreamError):
    """There is no such stream, and this call may not create it."""

    code = "stream_missing"

    def __init__(self, stream: str) -> None:
        super().__init__(f'there is no stream "{stream}"')


class StreamExistsError(StreamError):
    """The stream exists with other settings than those it was to be created with."""

    code = "stream_exists"

    def __init__(self, stream: str, difference: str) -> None:
        super().__init__(f'the stream "{stream}" exists with {difference}')


class StreamGoneError(StreamError):
    """The stream was deleted; its name is taken as long as there are forks of it."""

    code = "stream_gone"

    def __init__(self, stream: str) -> None:
        super().__init__(
            f'the stream "{stream}" was deleted; streams forked from it are still there'
        )


class ForkError(StreamError):
    """A stream can not branch off there."""

    code = "bad_fork"


class StreamClosedError(StreamError):
    """The stream takes no more entries."""

    code = "stream_closed"

    def __init__(self, stream: str, tail: Position) -> None:
        super().__init__(
            f'the stream "{stream}" is closed: it takes no more entries', tail=str(tail)
        )
        self.tail = tail


class ContentTypeError(StreamError):
    """The entries are of another content type than the stream."""

    code = "wrong_content_type"

    def __init__(self, stream: str, expected: str, given: str) -> None:
        super().__init__(
            f'the stream "{stream}" holds {expected}, the entries are {given}',
            content_type=expected,
        )
        self.expected = expected


class PayloadError(StreamError):
    """A payload is not of the content type that it claims."""

    code = "bad_message"


class EntryLimitError(StreamError):
    """A payload is too large, or a batch has too many entries."""

    code = "entry_too_large"

    def __init__(self, message: str, limit: int) -> None:
        super().__init__(message, limit=limit)


class ApplicationSequenceError(StreamError):
    """The application's sequence did not go on from the last one."""

    code = "sequence_regression"

    def __init__(self, received: str, last: str) -> None:
        super().__init__(
            f'sequence "{_shown(received)}" came after "{_shown(last)}": each must be greater than '
            "the one before it, compared byte by byte",
            last=last,
        )
        self.last = last


class TailMovedError(StreamError):
    """A conditional append found another tail than it was to follow."""

    code = "tail_moved"

    def __init__(self, tail: Position) -> None:
        super().__init__(f"the tail has moved on to {tail}", tail=str(tail))
        self.tail = tail


class DurabilityError(StreamError):
    """The store does not keep this stream as safely as was asked for."""

    code = "durability_unavailable"

    def __init__(self, stream: str, wanted: Durability, there_is: Durability) -> None:
        super().__init__(
            f'the stream "{stream}" is kept as {there_is.value}, and {wanted.value} was asked for',
            durability=there_is.value,
        )


class ProducerError(StreamError):
    """The producer rule refused an append (docs/protocol.md, 6.2)."""


class SequenceGapError(ProducerError):
    """A sequence number came before its predecessors."""

    code = "sequence_gap"

    def __init__(self, received: int, expected: int) -> None:
        super().__init__(
            f"sequence {received} came, {expected} is expected next: publishes of one producer "
            "are stored without holes",
            expected=expected,
        )
        self.expected = expected


class EpochStartError(ProducerError):
    """A new producer epoch did not begin with sequence 0."""

    code = "producer_epoch_start"

    def __init__(self, epoch: int, received: int) -> None:
        super().__init__(
            f"producer epoch {epoch} is new and must begin with sequence 0, {received} came",
            expected=0,
        )
        self.expected = 0


class ProducerFencedError(ProducerError):
    """A newer epoch of this producer is at work."""

    code = "producer_fenced"

    def __init__(self, received: int, epoch: int) -> None:
        super().__init__(
            f"producer epoch {received} is over: epoch {epoch} goes on under this identifier",
            epoch=epoch,
        )
        self.epoch = epoch


class ProducerUnknownError(ProducerError):
    """Whether this sequence was stored is not known any more, or never was."""

    code = "producer_unknown"

    def __init__(self, sequence: int) -> None:
        super().__init__(
            f"this producer is not remembered, so whether sequence {sequence} was stored before "
            "can not be told; go on with a higher epoch from sequence 0"
        )


class StoreFullError(StreamError):
    """A limit of the store is reached; nothing was stored."""

    code = "store_full"
    is_retryable = True


class StoreUnavailableError(StreamError):
    """The store failed or did not answer. Whether an append was stored is unknown."""

    code = "store_unavailable"
    is_retryable = True
