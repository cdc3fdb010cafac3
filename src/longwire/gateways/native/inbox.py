"""The stream of a user's own, subscribed by itself (docs/protocol.md, 2.5)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from msgspec import UNSET

from longwire.gateways.native.members import subscribed_members
from longwire.gateways.native.requests import Connect
from longwire.hub.subscription import Subscription
from longwire.identity.principal import Principal
from longwire.streams.name import check_stream_name
from longwire.streams.position import parse_position
from longwire.streams.verdict import Start, StartAt

if TYPE_CHECKING:
    from longwire.gateways.native.session import NativeSession

__all__ = ["check_readable_name", "inbox_of", "open_inbox", "read_inbox_place"]


_TAIL = "tail"


def inbox_of(user: str) -> str:
    """The name of a user's inbox."""
    return "$user/" + quote(user, safe="")


def read_inbox_place(request: Connect) -> Start:
    """From where the inbox goes on. Raises ``PositionError``."""
    held = _held(request)
    return StartAt.TAIL if held is None else parse_position(held)


def _held(request: Connect) -> str | None:
    """The position that is held of it."""
    return None if request.inbox is UNSET or request.inbox == _TAIL else request.inbox


async def open_inbox(
    session: NativeSession, principal: Principal, request: Connect, start: Start
) -> tuple[Subscription, dict[str, Any]]:
    """Subscribe a connection to its user's inbox; returns what ``connected`` tells of it."""
    stream = inbox_of(principal.name)
    subscription = await session.attachment.open(stream, start, is_reserved_allowed=True)
    return subscription, subscribed_members(stream, start, _held(request), subscription.verdict)


def check_readable_name(session: NativeSession, stream: str) -> str:
    """Check the name of a stream to read: of those of the server only the own inbox."""
    is_own = not session.principal.is_anonymous and stream == inbox_of(session.principal.name)
    return check_stream_name(stream, is_reserved_allowed=is_own)
