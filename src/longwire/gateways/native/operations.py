# cython: annotation_typing=False, auto_pickle=False
"""What each request does: one function for each, found by the request's type.

A function returns ``None`` when it is done, or what is left to await. It refuses by raising a
``StreamError``.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeAlias

from msgspec import UNSET

from longwire.gateways.native import calling, consuming, presence, publishing, reading
from longwire.gateways.native.codes import NativeCloseCode
from longwire.gateways.native.faults import (
    AlreadyConnectedError,
    BadVersionError,
    ConnectionsLimitError,
    ForeignTokenError,
    NotConnectedError,
    UnauthorizedError,
)
from longwire.gateways.native.inbox import open_inbox, read_inbox_place
from longwire.gateways.native.requests import (
    CLIENT_BYTES_MAX,
    Ack,
    Authenticate,
    BadMessageError,
    BinaryCall,
    BinaryEnter,
    BinaryPublish,
    Connect,
    Consume,
    ConsumerRequest,
    History,
    JsonCall,
    JsonEnter,
    JsonPublish,
    Leave,
    Members,
    Nack,
    Ping,
    Pong,
    Release,
    Request,
    Resume,
    Subscribe,
    Unsubscribe,
    Unwatch,
)
from longwire.gateways.native.session import NativeSession
from longwire.hub.policy import identify
from longwire.identity.principal import Principal

if TYPE_CHECKING:
    from longwire.gateways.native.gateway import NativeGateway

__all__ = ["PROTOCOL_VERSION", "begin"]

PROTOCOL_VERSION = 1

COME_BACK_S = (5.0, 15.0)
"""When a client may try again that is one too many."""

Handler: TypeAlias = Callable[["NativeGateway", NativeSession, Any], "Awaitable[None] | None"]


def begin(
    gateway: NativeGateway, session: NativeSession, request: Request
) -> Awaitable[None] | None:
    """Begin with a request. Raises ``StreamError`` to refuse it."""
    if session.is_new() and not isinstance(request, Connect):
        _refuse_first(session, request)
        return None
    return _HANDLERS[type(request)](gateway, session, request)


def _refuse_first(session: NativeSession, request: Request) -> None:
    op = str(request.__struct_config__.tag)
    request_id = request.id if isinstance(request.id, int) else None
    session.refuse(request_id, NotConnectedError(op))
    session.end(NativeCloseCode.NOT_CONNECTED, f"{op} came before connect")


async def _connect(gateway: NativeGateway, session: NativeSession, request: Connect) -> None:
    if not session.is_new():
        raise AlreadyConnectedError
    token = None if request.token is UNSET else request.token
    client = "" if request.client is UNSET else request.client
    _check_length("connect: token", token or "", gateway.limits.token_bytes_max)
    _check_length("connect: client", client, CLIENT_BYTES_MAX)
    if request.version != PROTOCOL_VERSION:
        session.refuse(request.id, BadVersionError(request.version, [PROTOCOL_VERSION]))
        session.end(NativeCloseCode.BAD_VERSION, f"version {request.version} is not spoken")
        return
    inbox_start = read_inbox_place(request)
    principal = await _identify_first(gateway, session, token)
    if not session.is_new():
        return  # the connection has ended, or the server goes away
    if principal is None:
        has_token = token is not None or not session.principal.is_anonymous
        session.refuse(request.id, UnauthorizedError(has_token))
        session.end(NativeCloseCode.UNAUTHORIZED, "unauthorized")
        return
    try:
        session.count(principal)
    except ConnectionsLimitError as error:
        session.refuse(request.id, error)
        session.end(NativeCloseCode.TOO_MANY_CONNECTIONS, error.message, COME_BACK_S)
        return
    inbox, members = None, _describe(principal)
    is_asked = session.has_inbox_unasked or request.inbox is not UNSET
    if gateway.limits.has_inboxes and is_asked and not principal.is_anonymous:
        inbox, members["inbox"] = await open_inbox(session, principal, request, inbox_start)
        if not session.is_new():
            return
    session.open(principal, client, gateway.now())
    session.reply(
        "connected",
        request.id,
        version=PROTOCOL_VERSION,
        connection=session.name,
        server=gateway.server,
        heartbeat_s=gateway.limits.heartbeat_s,
        **members,
        limits=gateway.announced_limits,
    )
    if inbox is not None:
        inbox.begin()


async def _identify_first(
    gateway: NativeGateway, session: NativeSession, token: str | None
) -> Principal | None:
    """Tell who connects: by the token of ``connect``, else by that of the handshake."""
    if token is None and not session.principal.is_anonymous:
        return None if session.principal.has_expired(time.time()) else session.principal
    return await identify(gateway.hub.policy, token, time.time())


async def _authenticate(
    gateway: NativeGateway, session: NativeSession, request: Authenticate
) -> None:
    _check_length("authenticate: token", request.token, gateway.limits.token_bytes_max)
    principal = await identify(gateway.hub.policy, request.token, time.time())
    if principal is None:
        raise UnauthorizedError(has_token=True)
    if principal.name != session.principal.name:
        raise ForeignTokenError
    session.renew(principal, gateway.now())
    session.reply("authenticated", request.id, **_describe(principal))
    await reading.end_forbidden(gateway, session)
    await consuming.end_forbidden(gateway, session)


def _describe(principal: Principal) -> dict[str, Any]:
    """Who it is and for how long, as far as that is so."""
    members: dict[str, Any] = {}
    if not principal.is_anonymous:
        members["user"] = principal.name
    if principal.expires_at_s is not None:
        members["expires_in_s"] = round(max(0.0, principal.expires_at_s - time.time()), 3)
    return members


def _ping(gateway: NativeGateway, session: NativeSession, request: Ping) -> None:
    session.reply("pong", None if request.id is UNSET else request.id)


def _pong(gateway: NativeGateway, session: NativeSession, request: Pong) -> None:
    """It has been heard, which is all that it is for."""


def _check_length(member: str, value: str, bytes_max: int) -> None:
    size = len(value.encode())
    if size > bytes_max:
        raise BadMessageError(f"{member} has {size} bytes, at most {bytes_max} are allowed")


_HANDLERS: dict[type, Handler] = {
    Ack: consuming.ack,
    Authenticate: _authenticate,
    BinaryCall: calling.call,
    BinaryEnter: presence.enter,
    BinaryPublish: publishing.publish,
    Connect: _connect,
    Consume: consuming.consume,
    ConsumerRequest: consuming.consumer,
    History: reading.history,
    JsonCall: calling.call,
    JsonEnter: presence.enter,
    JsonPublish: publishing.publish,
    Leave: presence.leave,
    Members: presence.members,
    Nack: consuming.nack,
    Ping: _ping,
    Pong: _pong,
    Release: consuming.release,
    Resume: reading.resume,
    Subscribe: reading.subscribe,
    Unsubscribe: reading.unsubscribe,
    Unwatch: presence.unwatch,
}
