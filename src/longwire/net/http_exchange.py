# cython: annotation_typing=False, auto_pickle=False
"""One HTTP request and the way to answer it, the same over every version of HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from longwire.base.errors import LimitError, LongwireError, ProtocolError
from longwire.base.headers import Headers, HeadersLike
from longwire.http.events import (
    BodyWanted,
    End,
    Informational,
    RequestReceived,
    Reset,
    Response,
)
from longwire.http.pages import error_page
from longwire.net.callbacks import Callbacks
from longwire.net.connection import Connection
from longwire.net.endpoint import Endpoint
from longwire.net.http_upgrade import upgrade_exchange
from longwire.net.in_flight import COUNTED_BYTES_MIN
from longwire.net.link import Address, Link
from longwire.net.settings import WebSocketSettings
from longwire.net.standing import GiveAgain

if TYPE_CHECKING:
    from longwire.net.http_connection import HttpConnection

__all__ = ["NO_TRAILERS", "ExchangeClosed", "HttpExchange"]


GIVEN_UP_RETRY_AFTER_S = 5
"""When a client may come again whose request was given up for the sake of the others, seconds."""

_COUNTED_BYTES_MIN = COUNTED_BYTES_MIN
_TOO_MUCH = "The server holds too many bytes of requests and messages; please come again."

NO_TRAILERS = Headers()
"""Of requests without any. Nobody adds to it."""


class ExchangeClosed(LongwireError):
    """The exchange is over: the client went away, or the response is complete."""


class HttpExchange:
    """A request being answered, for one handler on one event loop.

    Answer with ``await respond(...)``, or in pieces with ``start``, ``write`` … ``finish`` and
    ``await drain()`` between, or turn it into a WebSocket. Methods raise :exc:`ExchangeClosed`
    when the client is gone, which is an ordinary end for a handler.
    """

    __slots__ = (
        "_again",
        "_body",
        "_body_bytes",
        "_closed_reason",
        "_collected",
        "_collected_bytes",
        "_connection",
        "_has_asked_for_body",
        "_is_body_complete",
        "_is_counted",
        "_is_draining",
        "_is_finished",
        "_waiters",
        "is_open_ended",
        "request",
        "root_path",
        "socket",
        "status",
        "trailers",
    )

    def __init__(self, connection: HttpConnection, request: RequestReceived) -> None:
        self.request = request
        self.root_path = ""
        """Where the application is mounted; empty, for nothing is above this server."""
        self.status: int | None = None
        """The status that was answered with; ``None`` before."""
        self.trailers = NO_TRAILERS
        """Trailers of the request, once its body is complete."""
        self.is_open_ended = False
        """Whether the response is a stream without an announced end, or may be long in coming: a
        client that ends its direction meanwhile is gone."""
        self.socket: Connection | Endpoint | None = None
        """The WebSocket that this exchange has become."""
        self._connection = connection
        self._again: GiveAgain | None = None
        self._body: list[bytes] = []
        self._body_bytes = 0
        self._collected: list[bytes] = []
        self._collected_bytes = 0
        self._is_counted = False
        self._is_body_complete = False
        self._has_asked_for_body = False
        self._is_draining = False
        self._is_finished = False
        self._closed_reason: str | None = None
        self._waiters: list[asyncio.Future[None]] = []

    # -- facts ------------------------------------------------------------------------------

    @property
    def bare(self) -> HttpExchange:
        """This one, under whatever is wrapped around it."""
        return self

    @property
    def connection(self) -> HttpConnection:
        """Where it came from. Over HTTP/2 many exchanges share one."""
        return self._connection

    @property
    def link(self) -> Link:
        """The transport. Over HTTP/2 and 3 many exchanges share one."""
        return self._connection.link

    @property
    def local_address(self) -> Address:
        return self._connection.link.local_address

    @property
    def remote_address(self) -> Address:
        return self._connection.link.remote_address

    @property
    def held_bytes(self) -> int:
        """Bytes written that the kernel, or the client's flow control, has not taken yet."""
        return self._connection.held_bytes(self)

    @property
    def closed(self) -> bool:
        """Whether the client is gone, or the response complete."""
        return self._is_finished or self._closed_reason is not None

    @property
    def is_shutting_down(self) -> bool:
        """Whether the server is going: an endless response should come to its end."""
        return self._connection.is_shutting_down

    # -- the request's body -----------------------------------------------------------------

    async def read(self) -> bytes:
        """Return the next piece of the body, ``b""`` at its end.

        Reading is what makes the client go on: it sends no more than we hold. Cancel-safe. Raises
        :exc:`ExchangeClosed` when the client goes away before the end.
        """
        while not self._body:
            if self._is_body_complete:
                return b""
            self._ask_for_body()
            await self._wait()
        piece = self._body.pop(0)
        self._body_bytes -= len(piece)
        self._connection.body_consumed(self, len(piece))
        return piece

    async def read_body(self) -> bytes:
        """Return the whole body, up to the server's limit. May be called again. Cancel-safe."""
        while piece := await self.read():
            self._collected.append(piece)
            self._collected_bytes += len(piece)
            self._count_in_flight()
        if len(self._collected) > 1:
            self._collected = [b"".join(self._collected)]
        return self._collected[0] if self._collected else b""

    def in_flight_bytes(self) -> int:
        """What of the body arrived and was not handled: unread, or collected for the handler."""
        return self._body_bytes + self._collected_bytes

    def _count_in_flight(self) -> None:
        size_bytes = self._body_bytes + self._collected_bytes
        if size_bytes >= _COUNTED_BYTES_MIN and not self.closed:
            self._is_counted = True
            self._connection.server.in_flight.grew(self, size_bytes)

    def give_up(self, error: LimitError) -> None:
        """End for the sake of the others: the server holds too much."""
        self._connection.server.on_limit(error.limit_name)
        try:
            self._answer_too_much()
        except ProtocolError:
            pass  # the same read ended the request, and we shall be told so
        self._drop_body()
        self.stream_closed(_TOO_MUCH)

    def _answer_too_much(self) -> None:
        if self.status is not None:
            self.abort()
            return
        headers, body = error_page(503, None, _TOO_MUCH, self.request.headers.joined("Accept"))
        headers.add("Retry-After", str(GIVEN_UP_RETRY_AFTER_S))
        if not self.respond_at_once(503, headers, body):
            self.abort()

    def _drop_body(self) -> None:
        self._body.clear()
        self._collected.clear()
        self._body_bytes = self._collected_bytes = 0

    def _ask_for_body(self) -> None:
        if not self._has_asked_for_body and self._closed_reason is None and self.status is None:
            self._has_asked_for_body = True
            self._connection.send(BodyWanted(self.request.stream))

    # -- the response -----------------------------------------------------------------------

    async def respond(self, status: int, headers: HeadersLike = (), body: bytes = b"") -> None:
        """Send a complete response.

        Waits first while a slow client holds up earlier ones; cancelled then, nothing was sent.
        """
        while not self.respond_at_once(status, headers, body):
            await self.drain()

    def let_stand(self, again: GiveAgain) -> None:
        """Let the response, which comes next, be given again to who sends the same request, for as
        long as ``again`` agrees (see ``standing``)."""
        self._again = again

    def respond_at_once(self, status: int, headers: HeadersLike = (), body: bytes = b"") -> bool:
        """Send a complete response, unless a slow client holds up earlier ones.

        Tells whether it was sent; what was not is for ``respond``.
        """
        self._check_open()
        if self._connection.is_held_up(self):
            return False
        fields = headers if isinstance(headers, Headers) else Headers(headers)
        self._connection.respond(self, status, fields, body, self._again)
        self.status = status
        self._is_finished = True
        return True

    def inform(self, status: int, headers: HeadersLike = ()) -> None:
        """Send an interim response: 103 (Early Hints), say."""
        self._check_open()
        self._connection.send(Informational(self.request.stream, status, Headers(headers)))

    def start(self, status: int, headers: HeadersLike = ()) -> None:
        """Send the head of a response whose body comes in pieces."""
        self._check_open()
        fields = Headers(headers)
        self._connection.send(Response(self.request.stream, status, fields))
        self.status = status
        self.is_open_ended = "Content-Length" not in fields

    def write(self, data: bytes) -> None:
        """Send a piece of the body. Never waits: see ``drain`` and ``held_bytes``."""
        self._check_open()
        if data:
            self._connection.write(self, data)

    def finish(self, trailers: HeadersLike = ()) -> None:
        """The response is complete."""
        self._check_open()
        self._connection.send(End(self.request.stream, Headers(trailers)))
        self._is_finished = True

    def abort(self) -> None:
        """Break the response off, so that the client cannot take it for complete."""
        if not self.closed:
            self._connection.send(Reset(self.request.stream, "the response was broken off"))
            self.stream_closed("the response was broken off")

    async def drain(self) -> None:
        """Wait until little is held, or the client is gone. Cancel-safe."""
        while self._connection.is_held_up(self) and self._closed_reason is None:
            self._is_draining = True
            try:
                await self._wait()
            finally:
                self._is_draining = False

    async def wait_closed(self) -> None:
        """Wait until the client is gone or the response complete. Cancel-safe."""
        while not self.closed:
            await self._wait()

    async def wait_shutdown(self) -> None:
        """Wait until the server is going, or the exchange is over. Cancel-safe."""
        while not self.closed and not self.is_shutting_down:
            await self._wait()

    # -- WebSocket --------------------------------------------------------------------------

    def upgrade_websocket(
        self,
        *,
        settings: WebSocketSettings | None = None,
        subprotocols: Sequence[str] = (),
        select_subprotocol: Callable[[Sequence[str]], str | None] | None = None,
        is_origin_allowed: Callable[[str | None], bool] | None = None,
        headers: HeadersLike = (),
    ) -> Connection:
        """Accept the WebSocket handshake and return the connection, in coroutine style.

        It is closed when the handler returns. Raises :exc:`HandshakeError`, whose ``response()``
        is the answer, when the request is no proper handshake or the Origin is not allowed.
        """
        self._check_open()
        settings = settings or WebSocketSettings()
        link = self._connection.socket_link(self)
        connection = Connection(asyncio.get_running_loop(), link, settings)
        self.socket = connection
        try:
            upgrade_exchange(
                self,
                link,
                connection,
                settings,
                subprotocols=subprotocols,
                select_subprotocol=select_subprotocol,
                is_origin_allowed=is_origin_allowed,
                headers=headers,
            )
        except BaseException:
            self.socket = None
            raise
        return connection

    def upgrade_callbacks(
        self,
        callbacks: Callbacks,
        *,
        settings: WebSocketSettings | None = None,
        subprotocols: Sequence[str] = (),
        select_subprotocol: Callable[[Sequence[str]], str | None] | None = None,
        is_origin_allowed: Callable[[str | None], bool] | None = None,
        headers: HeadersLike = (),
    ) -> Endpoint:
        """Accept the WebSocket handshake in callback style; the handler may return at once."""
        self._check_open()
        self.socket = endpoint = upgrade_exchange(
            self,
            self._connection.socket_link(self),
            callbacks,
            settings or WebSocketSettings(),
            subprotocols=subprotocols,
            select_subprotocol=select_subprotocol,
            is_origin_allowed=is_origin_allowed,
            headers=headers,
        )
        return endpoint

    # -- called by the connection -----------------------------------------------------------

    @property
    def unread_bytes(self) -> int:
        """Bytes of the body that arrived and were not read."""
        return self._body_bytes

    @property
    def is_body_complete(self) -> bool:
        """Whether all of the request has come."""
        return self._is_body_complete

    def body_received(self, data: bytes) -> None:
        self._body.append(data)
        self._body_bytes += len(data)
        self._count_in_flight()
        self.wake()

    def body_ended(self, trailers: Headers) -> None:
        self._is_body_complete = True
        self.trailers = trailers
        self.wake()

    def stream_closed(self, error: str | None) -> None:
        if self._is_counted:
            self._connection.server.in_flight.forget(self)
        if self._closed_reason is None:
            self._closed_reason = error or "the response is complete"
        self.wake()

    def take_unread(self) -> bytes:
        """Return what of the body arrived and was not read."""
        data = b"".join(self._body)
        self._body.clear()
        self._body_bytes = 0
        return data

    def wake_if_draining(self) -> None:
        """Look again whether the client took enough of the response."""
        if self._is_draining and not self._connection.is_held_up(self):
            self.wake()

    def upgraded(self, status: int) -> None:
        self.status = status
        self.is_open_ended = True
        self._is_finished = True
        self._is_body_complete = True
        self.wake()

    def wake(self) -> None:
        """Let every waiting method look again."""
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)
        if waiters:
            self._connection.link.expect_writes()

    # -- inside -----------------------------------------------------------------------------

    async def _wait(self) -> None:
        if self._closed_reason is not None:
            raise ExchangeClosed(self._closed_reason)
        waiter = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        await waiter

    def _check_open(self) -> None:
        if self._is_finished:
            raise ProtocolError(500, "the response is complete already", side="local")
        if self._closed_reason is not None:
            raise ExchangeClosed(self._closed_reason)
