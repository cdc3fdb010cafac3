"""One HTTP request and the way to answer it, whichever server it came through."""

from __future__ import annotations

from typing import Any, Protocol

from longwire.base.headers import HeadersLike
from longwire.http.events import RequestReceived
from longwire.net.http_exchange import HttpExchange
from longwire.net.standing import GiveAgain

__all__ = ["Exchange", "ExchangeWrapper"]


class Exchange(Protocol):
    """What ``net.HttpExchange`` and ``server.asgi.AsgiExchange`` have in common."""

    @property
    def request(self) -> RequestReceived:
        """The head of the request."""

    @property
    def bare(self) -> HttpExchange | None:
        """The exchange of our own server without what is wrapped around it; ``None`` under ASGI."""

    @property
    def remote_address(self) -> Any:
        """``(host, port)``, the path of a Unix socket, or ``None``."""

    @property
    def root_path(self) -> str:
        """Where the application is mounted; empty at the top."""

    @property
    def held_bytes(self) -> int:
        """Bytes written that have not left yet."""

    @property
    def closed(self) -> bool:
        """Whether the client is gone, or the response complete."""

    @property
    def is_open_ended(self) -> bool:
        """Whether the response is a stream without an announced end, or may be long in coming: a
        client that ends its direction meanwhile is gone."""

    @is_open_ended.setter
    def is_open_ended(self, is_open_ended: bool) -> None: ...

    @property
    def status(self) -> int | None:
        """The status that was answered with; ``None`` before."""

    def abort(self) -> None:
        """Break the response off, so that the client cannot take it for complete."""

    async def read(self) -> bytes:
        """Return the next piece of the body of the request, nothing at its end."""

    async def read_body(self) -> bytes:
        """Return the whole body of the request, or what was not read yet."""

    async def respond(self, status: int, headers: HeadersLike = (), body: bytes = b"") -> None:
        """Send a complete response."""

    def let_stand(self, again: GiveAgain) -> None:
        """Let the response be given again where it can be, for as long as ``again`` agrees."""

    def respond_at_once(self, status: int, headers: HeadersLike = (), body: bytes = b"") -> bool:
        """Send a complete response if that needs no waiting; tell whether it was sent."""

    def start(self, status: int, headers: HeadersLike = ()) -> None:
        """Send the head of a response whose body comes in pieces."""

    def write(self, data: bytes) -> None:
        """Send a piece of the body; never waits."""

    def finish(self) -> None:
        """The response is complete."""

    async def drain(self) -> None:
        """Wait until little is held, or the client is gone."""

    async def wait_shutdown(self) -> None:
        """Wait until the server is going, or the exchange is over."""


class ExchangeWrapper:
    """An exchange that does what another one does; for those that do a little more."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    @property
    def request(self) -> RequestReceived:
        return self._exchange.request

    @property
    def bare(self) -> HttpExchange | None:
        return self._exchange.bare

    @property
    def remote_address(self) -> Any:
        return self._exchange.remote_address

    @property
    def root_path(self) -> str:
        return self._exchange.root_path

    @property
    def held_bytes(self) -> int:
        return self._exchange.held_bytes

    @property
    def closed(self) -> bool:
        return self._exchange.closed

    @property
    def is_open_ended(self) -> bool:
        return self._exchange.is_open_ended

    @is_open_ended.setter
    def is_open_ended(self, is_open_ended: bool) -> None:
        self._exchange.is_open_ended = is_open_ended

    @property
    def status(self) -> int | None:
        return self._exchange.status

    def abort(self) -> None:
        self._exchange.abort()

    async def read(self) -> bytes:
        return await self._exchange.read()

    async def read_body(self) -> bytes:
        return await self._exchange.read_body()

    async def respond(self, status: int, headers: HeadersLike = (), body: bytes = b"") -> None:
        await self._exchange.respond(status, headers, body)

    def let_stand(self, again: GiveAgain) -> None:
        self._exchange.let_stand(again)

    def respond_at_once(self, status: int, headers: HeadersLike = (), body: bytes = b"") -> bool:
        return self._exchange.respond_at_once(status, headers, body)

    def start(self, status: int, headers: HeadersLike = ()) -> None:
        self._exchange.start(status, headers)

    def write(self, data: bytes) -> None:
        self._exchange.write(data)

    def finish(self) -> None:
        self._exchange.finish()

    async def drain(self) -> None:
        await self._exchange.drain()

    async def wait_shutdown(self) -> None:
        await self._exchange.wait_shutdown()
