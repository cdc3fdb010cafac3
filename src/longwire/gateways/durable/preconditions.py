"""If-Match and If-None-Match of requests that write to a stream (RFC 9110 section 13).

What a client knows of a stream is how far it goes: the entity tag of a whole stream is its tail.
The tag of a page that ends at the tail says the same.
"""

from __future__ import annotations

import re

from longwire.base.headers import Headers
from longwire.gateways.durable.faults import ConditionFailedError
from longwire.http.conditions import Outcome, Validators, entity_tags, evaluate
from longwire.hub.hub import Hub
from longwire.streams.errors import PositionError, TailMovedError
from longwire.streams.position import Position, parse_position
from longwire.streams.store import StreamInfo

__all__ = ["check_existing", "check_missing", "is_conditional", "tag_of", "tail_to_follow"]

_NAMES = ("If-Match", "If-None-Match")
_MAKE_NEW = "If-None-Match is *, and the stream exists"
# As made by ``reading.make_excerpt``: epoch, where the page begins and ends, how much is in it.
_PAGE_TAG = re.compile(r'"[0-9a-z]{8}:[^":]+:([^":]+):[0-9]+\.[0-9]+(:c)?"')


def tag_of(tail: Position, *, is_closed: bool) -> str:
    """The entity tag of a stream that ends there."""
    return f'"{tail}:c"' if is_closed else f'"{tail}"'


def is_conditional(request: Headers) -> bool:
    """Whether the request is to be performed only if something holds."""
    return any(name in request for name in _NAMES)


def check_missing(request: Headers) -> None:
    """Raise ``ConditionFailedError`` if a stream that does not exist must not be created."""
    if "If-Match" in request:
        raise ConditionFailedError("If-Match is of a stream that exists; there is none")


def check_existing(method: str, request: Headers, info: StreamInfo) -> Outcome:
    """Tell whether a stream is as the client believes.

    Raises ``ConditionFailedError``, ``TailMovedError`` when it is not; the outcome is then never
    ``FAILED``. Call it when nothing else is in the way of the request (section 13.2.1).
    """
    conditions = _in_terms_of_tails(request)
    validators = Validators(tag_of(info.tail, is_closed=info.is_closed))
    outcome = evaluate(method, conditions, validators)
    if outcome is Outcome.FAILED:
        if conditions.joined("If-None-Match") == "*":
            raise ConditionFailedError(_MAKE_NEW)
        raise TailMovedError(info.tail)
    return outcome


async def tail_to_follow(hub: Hub, stream: str, request: Headers) -> Position | None:
    """The tail that an append is to follow; ``None``: any.

    Raises ``ConditionFailedError``, ``TailMovedError``. What does not hold is left to the store if
    that can be: it knows whether the append is refused for another reason, or is a duplicate, which
    succeeds (sections 13.2.1, 13.1.1).
    """
    if not is_conditional(request):
        return None
    info = await hub.store.info(stream)
    if info is None or info.is_deleted or info.is_closed:
        return None  # refused, or nothing to do, whatever the conditions
    wanted = _tails(_in_terms_of_tails(request).joined("If-Match") or "")
    try:
        check_existing("POST", request, info)
    except TailMovedError:
        if not wanted or info.tail in wanted:
            raise
        return wanted[0]
    return info.tail if wanted else None


def _in_terms_of_tails(request: Headers) -> Headers:
    """The conditions, with the tags of pages turned into those of the streams that end there."""
    joined = ((name, request.joined(name)) for name in _NAMES)
    return Headers(
        [(name, _PAGE_TAG.sub(r'"\1\2"', value)) for name, value in joined if value is not None]
    )


def _tails(condition: str) -> list[Position]:
    """The tails that a list of entity tags names by strong tags."""
    tails = []
    for tag in entity_tags(condition):
        try:
            tails.append(parse_position(tag.strip('"')))
        except PositionError:
            continue  # a tag of something else, or a weak one: it matches nothing
    return tails
