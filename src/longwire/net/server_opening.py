"""The server's side of an opening handshake on a link, without an HTTP server around it.

Everything that is no WebSocket handshake gets a short, readable answer and the end. This is what
``longwire.serve`` uses; it loads no third-party package. ``http_server`` serves both.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable, Generator, Sequence
from dataclasses import dataclass
from inspect import isawaitable
from typing import TypeAlias

from longwire.base.headers import Headers
from longwire.net.callbacks import Callbacks
from longwire.net.connection import Connection
from longwire.net.in_flight import InFlight
from longwire.net.link import Link
from longwire.net.open_endpoint import open_endpoint
from longwire.net.opening import Opening
from longwire.net.settings import WebSocketSettings
from longwire.websocket.connection import Role
from longwire.websocket.handshake import (
    Accepted,
    HandshakeError,
    HeadReader,
    RequestHead,
    ResponseHead,
    accept_request,
    serialize_head,
)

__all__ = ["OpeningRules", "OriginRule", "ServerOpening", "origin_check"]

logger = logging.getLogger("longwire.net")

# Gives what a hook wants to wait for, takes what it answered.
_Steps: TypeAlias = Generator["Awaitable[ResponseHead | None]", "ResponseHead | None", None]

OriginRule: TypeAlias = "str | re.Pattern[str] | None"

LINGER_S = 2.0
"""How long a refused peer may go on sending before the connection is cut. Closing at once would
turn what it still sends into a reset, which can destroy our answer on its way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpeningRules:
    """What a server does with opening requests."""

    settings: WebSocketSettings
    subprotocols: Sequence[str] = ()
    select_subprotocol: Callable[[Connection, Sequence[str]], str | None] | None = None
    is_origin_allowed: Callable[[str | None], bool] | None = None
    process_request: (
        Callable[[Connection, RequestHead], Awaitable[ResponseHead | None] | ResponseHead | None]
        | None
    ) = None
    process_response: (
        Callable[
            [Connection, RequestHead, ResponseHead],
            Awaitable[ResponseHead | None] | ResponseHead | None,
        ]
        | None
    ) = None
    server_header: str | None = None
    date: Callable[[], str] | None = None
    in_flight: InFlight | None = None


def origin_check(origins: Sequence[OriginRule] | None) -> Callable[[str | None], bool] | None:
    """Return the test for a list of origins: exact texts, patterns, ``None`` for a missing one."""
    if origins is None:
        return None
    rules = list(origins)

    def is_allowed(origin: str | None) -> bool:
        return any(
            rule.fullmatch(origin) is not None
            if isinstance(rule, re.Pattern) and origin is not None
            else rule == origin
            for rule in rules
        )

    return is_allowed


class ServerOpening:
    """Handler of a link until its handshake is done: then an ``Endpoint`` takes over."""

    __slots__ = (
        "_callbacks",
        "_connection_made",
        "_is_over",
        "_link",
        "_loop",
        "_on_limit",
        "_reader",
        "_rules",
        "_run",
        "_task",
    )

    is_opening = True

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        rules: OpeningRules,
        on_limit: Callable[[str], None],
        *,
        run: Callable[[Connection], None] | None = None,
        callbacks: Callbacks | None = None,
    ) -> None:
        self._loop = loop
        self._rules = rules
        self._on_limit = on_limit
        self._run = run
        self._callbacks = callbacks
        self._reader = HeadReader(rules.settings.limits, expects="request")
        self._is_over = False
        self._task: asyncio.Task[None] | None = None
        self._link: Link
        # Made for hooks and handlers that want one; callbacks do without.
        self._connection_made: Connection | None = None

    # -- LinkHandler ------------------------------------------------------------------------

    def link_made(self, link: Link) -> None:
        self._link = link
        timeout_s = self._rules.settings.limits.handshake_timeout_s
        if timeout_s is not None:
            link.set_deadline(link.now() + timeout_s)

    def data_received(self, data: bytes | bytearray | memoryview) -> None:
        if self._is_over:
            return  # what a refused peer still sends
        try:
            if not self._reader.feed(data):
                return
            request = self._reader.request()
        except HandshakeError as error:
            if error.limit_name is not None:
                self._on_limit(error.limit_name)
            self._refuse(error.response())
            return
        self._process(request)

    def eof_received(self) -> None:
        if self._task is not None:
            self._task.cancel()
        self._link.close()

    def link_lost(self, error: OSError | None) -> None:
        self._is_over = True
        if self._task is not None:
            self._task.cancel()

    def link_drained(self) -> None:
        pass

    def deadline_reached(self, now: float) -> None:
        if self._is_over:
            self._link.abort()
            return
        if self._task is not None:
            self._task.cancel()
        timeout_s = self._rules.settings.limits.handshake_timeout_s
        self._on_limit("handshake_timeout_s")
        self._refuse(
            HandshakeError(
                408, f"the opening handshake took longer than {timeout_s:g} s (open_timeout)"
            ).response()
        )

    def shutdown(self) -> None:
        if self._task is not None:
            self._task.cancel()
        if not self._is_over:
            self._refuse(HandshakeError(503, "the server is shutting down").response())

    # -- inside -----------------------------------------------------------------------------

    def _connection(self, request: RequestHead | None) -> Connection:
        """The connection as hooks see it, with the request as long as it is not open."""
        connection = self._connection_made
        if connection is None:
            connection = Connection(self._loop, self._link, self._rules.settings, self._run)
            self._connection_made = connection
        connection.opening_request = request
        return connection

    def _process(self, request: RequestHead) -> None:
        """Go through the steps at once; only a hook that has to wait costs a task."""
        steps = self._steps(request)
        try:
            waits_for = steps.send(None)
        except StopIteration:
            return
        # What follows the head waits in the kernel while the hook thinks.
        self._link.pause_reading()
        self._task = self._loop.create_task(_finish(steps, waits_for))

    def _steps(self, request: RequestHead) -> _Steps:
        rules = self._rules
        try:
            response: ResponseHead | None = None
            if rules.process_request is not None:
                answer = rules.process_request(self._connection(request), request)
                response = (yield answer) if isawaitable(answer) else answer
            if response is not None:
                self._refuse(response, request.method)
                return
            accepted = self._accept(request)
            response = accepted.response
            if rules.process_response is not None:
                answer = rules.process_response(self._connection(request), request, response)
                changed = (yield answer) if isawaitable(answer) else answer
                response = response if changed is None else changed
            if response.status != 101:
                self._refuse(response, request.method)
                return
            self._add_headers(response)
            head = serialize_head(response)
        except HandshakeError as error:
            self._refuse(error.response(), request.method)
        except Exception:
            logger.exception("opening handshake with %s failed", self._link.remote_address)
            failure = HandshakeError(500, "the server failed to answer; its log says why")
            self._refuse(failure.response(), request.method)
        else:
            self._open(Opening(request, response, accepted.subprotocol, accepted.deflate), head)

    def _accept(self, request: RequestHead) -> Accepted:
        rules = self._rules
        select = rules.select_subprotocol

        def select_subprotocol(offered: Sequence[str]) -> str | None:
            return None if select is None else select(self._connection(request), offered)

        return accept_request(
            request,
            subprotocols=rules.subprotocols,
            select_subprotocol=None if select is None else select_subprotocol,
            is_origin_allowed=rules.is_origin_allowed,
            deflate=rules.settings.deflate,
        )

    def _open(self, opening: Opening, head: bytes) -> None:
        if self._is_over or self._link.is_closing:
            return
        self._is_over = True
        self._link.write(head)
        open_endpoint(
            self._link,
            Role.SERVER,
            self._rules.settings,
            self._callbacks or self._connection(None),
            opening,
            self._reader.rest,
            self._rules.in_flight,
        )

    def _refuse(self, response: ResponseHead, method: str = "GET") -> None:
        """Answer with ``response``, which may be one object for many requests, and end."""
        if self._is_over or self._link.is_closing:
            return
        headers = Headers(response.headers)
        # RFC 9110 section 9.3.2: the answer to HEAD has no content.
        body = b"" if method == "HEAD" else response.body
        answer = ResponseHead(response.status, response.reason, headers, body)
        self._add_headers(answer)
        if "Content-Length" not in headers:
            headers.set("Content-Length", str(len(response.body)))
        if "close" not in (headers.joined("Connection") or "").lower():
            headers.add("Connection", "close")
        self._link.write(serialize_head(answer))
        self._is_over = True
        self._link.write_eof()
        self._link.resume_reading()
        self._link.set_deadline(self._link.now() + LINGER_S)

    def _add_headers(self, response: ResponseHead) -> None:
        headers: Headers = response.headers
        rules = self._rules
        if rules.date is not None and "Date" not in headers:
            headers.add("Date", rules.date())
        if rules.server_header is not None and "Server" not in headers:
            headers.add("Server", rules.server_header)


async def _finish(steps: _Steps, waits_for: Awaitable[ResponseHead | None]) -> None:
    """Go through the remaining steps, waiting where they wait."""
    while True:
        try:
            answer = await waits_for
        except BaseException as error:
            try:
                waits_for = steps.throw(error)
            except StopIteration:
                return
        else:
            try:
                waits_for = steps.send(answer)
            except StopIteration:
                return
