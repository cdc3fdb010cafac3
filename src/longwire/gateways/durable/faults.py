"""Refusals over HTTP: the status of each, and the problem document that says why (RFC 9457)."""

from __future__ import annotations

from longwire.base.headers import Headers
from longwire.gateways.durable.answer import Answer, protective_fields
from longwire.http.challenge import bearer_challenge
from longwire.http.negotiation import parse_accept
from longwire.http.pages import PROBLEM_JSON, error_page
from longwire.hub.errors import RateError
from longwire.identity.principal import Principal
from longwire.streams.errors import (
    PositionRefusedError,
    ProducerFencedError,
    ProducerUnknownError,
    SequenceGapError,
    StreamClosedError,
    StreamError,
    TailMovedError,
)

__all__ = [
    "BadRequestError",
    "CodedBodyError",
    "ConditionFailedError",
    "NoContentTypeError",
    "NotOfferedError",
    "refuse",
]

RETRY_AFTER_S = 5

_STATUS_BY_CODE = {
    "backend_failed": 502,
    "backend_timeout": 504,
    "bad_fork": 400,
    "bad_message": 400,
    "bad_position": 400,
    "bad_request": 400,
    "bad_stream_name": 400,
    "coded_body": 415,
    "condition_failed": 412,
    "entry_too_large": 413,
    "not_offered": 501,
    "permission_denied": 403,
    "position_refused": 410,
    "producer_epoch_start": 400,
    "producer_fenced": 403,
    "producer_unknown": 409,
    "publish_refused": 403,
    "rate_limited": 429,
    "sequence_gap": 409,
    "sequence_regression": 409,
    "store_full": 503,
    "store_unavailable": 503,
    "stream_closed": 409,
    "stream_exists": 409,
    "stream_gone": 410,
    "stream_missing": 404,
    "tail_moved": 412,
    "too_many_subscriptions": 503,
    "wrong_content_type": 409,
}


class BadRequestError(StreamError):
    """A header field or query parameter that is not what it has to be."""

    code = "bad_request"


class CodedBodyError(StreamError):
    """A body that is compressed: what is stored are the bytes that were sent."""

    code = "coded_body"

    def __init__(self, coding: str) -> None:
        super().__init__(f"a body in the content coding {coding[:40]!r} is not taken here")


class ConditionFailedError(StreamError):
    """A stream is there, or is not, contrary to what the request is conditional on."""

    code = "condition_failed"


class NoContentTypeError(BadRequestError):
    """Bytes of which it is not said what they are."""

    def __init__(self) -> None:
        super().__init__("a body needs a Content-Type, that of the stream")


class NotOfferedError(StreamError):
    """A part of the protocol that is not built."""

    code = "not_offered"


def refuse(error: StreamError, request: Headers, principal: Principal) -> Answer:
    """The answer to a request that is refused, by its header fields."""
    status = _STATUS_BY_CODE.get(error.code, 500)
    is_forbidden = error.code == "permission_denied"
    if is_forbidden and principal.is_anonymous:
        # RFC 9110 section 15.5.2: who has shown nothing may do so; who has is refused for good.
        status = 401
    page, body = error_page(
        status,
        None,
        error.message,
        _preferred(request.joined("Accept")),
        members={"code": error.code, **error.details},
    )
    headers = Headers([*page, *protective_fields(page), ("Cache-Control", "no-store")])
    for name, value in _facts(error, request):
        headers.set(name, value)
    if is_forbidden:
        is_known = not principal.is_anonymous
        challenge = bearer_challenge("insufficient_scope" if is_known else None)
        headers.set("WWW-Authenticate", challenge)
    if status == 503:
        headers.set("Retry-After", str(RETRY_AFTER_S))
    elif isinstance(error, RateError):
        headers.set("Retry-After", str(error.after_whole_s))
    return Answer(status, headers, body)


def _preferred(accept: str | None) -> str:
    """Problem documents for programs, whatever they accept; pages for people in a browser."""
    if accept is not None:
        for item in parse_accept(accept):
            if item.type == "text/html" and item.quality > 0:
                return accept
    return PROBLEM_JSON


def _facts(error: StreamError, request: Headers) -> list[tuple[str, str]]:
    """What Durable Streams has header fields for (5.2, 5.2.1)."""
    match error:
        case StreamClosedError():
            return [("Stream-Closed", "true"), ("Stream-Next-Offset", str(error.tail))]
        case TailMovedError():
            return [("Stream-Next-Offset", str(error.tail))]
        case PositionRefusedError():
            return [("Stream-Next-Offset", str(error.verdict.resume))]
        case ProducerFencedError():
            return [("Producer-Epoch", str(error.epoch))]
        case SequenceGapError() | ProducerUnknownError():
            expected = error.expected if isinstance(error, SequenceGapError) else 0
            return [
                ("Producer-Expected-Seq", str(expected)),
                ("Producer-Received-Seq", request.get("Producer-Seq", "") or ""),
            ]
    return []
