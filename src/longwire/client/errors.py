"""What goes wrong between a client and its server, with what is known of the outcome."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from longwire.base.errors import LongwireError

__all__ = ["ClientError", "Outcome", "error_from_answer"]

Outcome = Literal["not_stored", "unknown", "kept"]
"""What is known of a publish that failed; ``kept``: it is in the outbox on disk, to be sent."""


class ClientError(LongwireError):
    """A request failed.

    ``code`` is for programs: those of docs/protocol.md, section 9, and of the client itself:
    ``closed``, ``outbox_full``, ``outcome_unknown``, ``bad_data``, ``interval_mismatch``,
    ``handler_failed``, ``connection_lost``, ``not_connected``. ``retry`` says whether the same may
    succeed later, ``outcome`` what is known of a publish, ``details`` are further members.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        retry: bool = False,
        outcome: Outcome | None = None,
        details: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.retry = retry
        self.outcome = outcome
        self.details = dict(details or {})

    def with_outcome(self, outcome: Outcome) -> ClientError:
        """The same, with what is known of a publish."""
        return ClientError(
            self.code, self.message, retry=self.retry, outcome=outcome, details=self.details
        )

    def with_details(self, **details: Any) -> ClientError:
        """The same, with more of them."""
        return ClientError(
            self.code,
            self.message,
            retry=self.retry,
            outcome=self.outcome,
            details={**self.details, **details},
        )

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"


_OWN_MEMBERS = frozenset({"op", "id", "code", "message", "retry"})


def error_from_answer(answer: Mapping[str, Any]) -> ClientError:
    """The error that the server answered with."""
    details = {name: value for name, value in answer.items() if name not in _OWN_MEMBERS}
    return ClientError(
        str(answer.get("code", "internal")),
        str(answer.get("message", "")),
        retry=answer.get("retry") is True,
        details=details,
    )
