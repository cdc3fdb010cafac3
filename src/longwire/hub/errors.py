"""What the hub refuses beyond what streams and stores do."""

from __future__ import annotations

import math

from longwire.streams.errors import StreamError

__all__ = [
    "AlreadySubscribedError",
    "ApplicationError",
    "BackendFailedError",
    "BackendTimeoutError",
    "BadArgumentsError",
    "CallRefused",
    "ConsumerRemovedError",
    "MembersLimitError",
    "NotEnteredError",
    "NotSubscribedError",
    "PermissionDeniedError",
    "PublishRefused",
    "RateError",
    "SubscriptionLimitError",
    "UnknownMethodError",
]


class PublishRefused(StreamError):
    """Raised by a publish hook: the application does not want this entry.

    The message is a sentence for the client.
    """

    code = "publish_refused"


class ApplicationError(StreamError):
    """The application behind the hub failed; its log has more."""

    code = "internal"
    is_retryable = True


class BackendFailedError(StreamError):
    """The application's backend could not be asked, or its answer is none; the log has more."""

    code = "backend_failed"
    is_retryable = True

    def __init__(self) -> None:
        super().__init__("the backend that decides about this could not be asked")


class BackendTimeoutError(StreamError):
    """The application's backend did not answer in time."""

    code = "backend_timeout"
    is_retryable = True

    def __init__(self) -> None:
        super().__init__("the backend that decides about this did not answer in time")


_DEEDS = {"publish": "publish to", "presence": "see or enter the members of"}


class PermissionDeniedError(StreamError):
    """This principal may not do this on this stream."""

    code = "permission_denied"

    def __init__(self, action: str, stream: str) -> None:
        deed = _DEEDS.get(action, action)
        super().__init__(
            f'you are not allowed to {deed} the stream "{stream}"', action=action, stream=stream
        )


class NotEnteredError(StreamError):
    """This connection is no member."""

    code = "not_entered"

    def __init__(self, stream: str) -> None:
        super().__init__(f'this connection has not entered "{stream}"')


class MembersLimitError(StreamError):
    """One member too many."""

    code = "too_many_members"
    is_retryable = True

    def __init__(self, stream: str, limit: int) -> None:
        super().__init__(f'"{stream}" has {limit} members, which is the limit', limit=limit)


class RateError(StreamError):
    """Too much in a short time."""

    code = "rate_limited"
    is_retryable = True

    def __init__(self, rate: float, whose: str, after_s: float) -> None:
        super().__init__(f"more than {rate:g} a second came {whose}", after_s=after_s)
        self.after_whole_s = max(1, math.ceil(after_s))
        """For ``Retry-After``, which counts in whole seconds."""


class UnknownMethodError(StreamError):
    """Nothing answers calls of this name."""

    code = "unknown_method"

    def __init__(self, method: str) -> None:
        super().__init__(f"nothing answers calls of {method[:128]!r} here")


class BadArgumentsError(StreamError):
    """The data of a call is not what the method takes."""

    code = "bad_arguments"


class CallRefused(StreamError):
    """Raised by a method: the application does not do this.

    The message is a sentence for the client, ``reason`` a code of the application's own.
    """

    code = "call_refused"

    def __init__(self, message: str, reason: str | None = None) -> None:
        super().__init__(message, **({} if reason is None else {"reason": reason}))


class ConsumerRemovedError(StreamError):
    """The consumer was removed, with its position."""

    code = "consumer_removed"

    def __init__(self, stream: str) -> None:
        super().__init__(
            f'this consumer of "{stream}" was removed, with its position; to consume again begins '
            "anew"
        )


class AlreadySubscribedError(StreamError):
    """One connection has at most one subscription for a stream."""

    code = "already_subscribed"

    def __init__(self, stream: str) -> None:
        super().__init__(f'this connection is subscribed to "{stream}" already')


class NotSubscribedError(StreamError):
    """There is no such subscription."""

    code = "not_subscribed"

    def __init__(self, stream: str) -> None:
        super().__init__(f'this connection is not subscribed to "{stream}"')


class SubscriptionLimitError(StreamError):
    """One subscription too many."""

    code = "too_many_subscriptions"

    def __init__(self, whose: str, limit: int) -> None:
        super().__init__(f"{whose} has {limit} subscriptions, which is the limit", limit=limit)
