"""``call``: functions of the application behind the server (docs/protocol.md, 15)."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from msgspec import UNSET

from longwire.gateways.native.faults import CallFlightError, CallTimeoutError, InternalError
from longwire.gateways.native.formats.format import JsonText
from longwire.gateways.native.requests import (
    METHOD_BYTES_MAX,
    BadMessageError,
    CallRequest,
    read_json,
)
from longwire.gateways.native.session import NativeSession
from longwire.net.cancellation import is_cancelled_itself
from longwire.streams.errors import StreamError

if TYPE_CHECKING:
    from longwire.gateways.native.gateway import NativeGateway

__all__ = ["call"]

logger = logging.getLogger("longwire.native")


def call(gateway: NativeGateway, session: NativeSession, request: CallRequest) -> None:
    """Begin with a call; it runs beside what follows and is answered when it is done."""
    limits = gateway.limits
    size = len(request.method.encode())
    if not 1 <= size <= METHOD_BYTES_MAX:
        raise BadMessageError(f"call: method has {size} bytes; it has 1 to {METHOD_BYTES_MAX}")
    timeout_s = limits.call_timeout_s if request.timeout_s is UNSET else request.timeout_s
    if not 0 < timeout_s <= limits.call_timeout_s:
        raise BadMessageError(
            f"call: timeout_s is {timeout_s:g}; it is above 0 and at most {limits.call_timeout_s:g}"
        )
    data = read_json(request.data, gateway.hub.stream_limits.json_depth_max, "call")
    if session.calls is None:
        session.calls = set()
    if len(session.calls) >= limits.calls_in_flight_max:
        raise CallFlightError(limits.calls_in_flight_max)
    work = _call(gateway, session, request, data, timeout_s)
    task = asyncio.get_running_loop().create_task(work)
    session.calls.add(task)
    task.add_done_callback(session.calls.discard)


async def _call(
    gateway: NativeGateway,
    session: NativeSession,
    request: CallRequest,
    data: bytes | None,
    timeout_s: float,
) -> None:
    try:
        async with asyncio.timeout(timeout_s) as limit:
            result = await gateway.hub.policy.call(session.principal, request.method, data)
    except StreamError as error:
        session.refuse(request.id, error)
    except TimeoutError:
        if limit.expired():
            session.refuse(request.id, CallTimeoutError(request.method, timeout_s))
        else:
            _failed(session, request)
    except asyncio.CancelledError:
        if is_cancelled_itself():
            raise
        _failed(session, request)  # what it waited for was cancelled
    except Exception:
        _failed(session, request)
    else:
        members: dict[str, Any] = {} if result is None else {"data": JsonText(result)}
        session.reply("result", request.id, **members)


def _failed(session: NativeSession, request: CallRequest) -> None:
    logger.exception("connection %s: the call of %r failed", session.name, request.method)
    session.refuse(request.id, InternalError(session.name))
