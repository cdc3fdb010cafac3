"""``connect``: a WebSocket client for coroutines, and for callbacks."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl as ssl_module
import sys
from collections.abc import AsyncIterator, Callable, Generator, Iterator, Sequence
from dataclasses import replace
from types import TracebackType
from typing import Any

from longwire.base.headers import Headers, HeadersLike
from longwire.base.limits import KIB, MIB
from longwire.net.callbacks import Callbacks
from longwire.net.client_opening import ClientOpening
from longwire.net.connect_verdict import explain_connect_error
from longwire.net.connection import Connection
from longwire.net.dial import Target, create_link
from longwire.net.endpoint import Endpoint
from longwire.net.entropy_source import ENTROPY
from longwire.net.link import Link
from longwire.net.retry import (
    LIVED_S_MIN,
    has_come_back_hint,
    is_retryable,
    jittered_delays,
    retry_after_s,
)
from longwire.net.settings import MaxQueue, MaxSize, WriteLimit, websocket_settings
from longwire.websocket.deflate import DeflateOptions
from longwire.websocket.handshake import (
    ClientHandshake,
    HandshakeError,
    WebSocketUri,
    parse_uri,
)

__all__ = ["USER_AGENT", "connect", "process_exception", "unix_connect"]

logger = logging.getLogger("longwire.net")

USER_AGENT = f"longwire (Python {sys.version_info.major}.{sys.version_info.minor})"

# RFC 9110 section 15.4.
_REDIRECT_STATUSES = frozenset({300, 301, 302, 303, 307, 308})
_ORIGIN_HEADERS = ("Authorization", "Cookie", "Proxy-Authorization", "Host")

WRITE_LIMIT_BYTES = 64 * KIB


def process_exception(error: Exception) -> Exception | None:
    """Decide for ``async for`` over ``connect``: ``None`` tries again, an exception is raised.

    The default: see :func:`longwire.net.retry.is_retryable`.
    """
    return None if is_retryable(error) else error


class connect:
    """Connect to the WebSocket server at ``uri``.

    Three ways to use it::

        async with connect("ws://localhost:8080/echo") as ws:   # closed at the end of the block
            await ws.send("hello")

        ws = await connect(...)                                 # closed by you

        async for ws in connect(...):                           # reconnects for ever
            try:
                async for message in ws: ...
            except ConnectionClosed:
                continue

    The loop tries again after the network's failures, time-outs and the statuses 429 and 5xx, and
    raises the rest (a 404, a certificate that does not verify). It waits with full jitter, at most
    30 s; not at all when the connection before had lived; as long as Retry-After says when the
    server says so. ``process_exception`` decides otherwise.

    Arguments, in seconds and bytes; ``None`` is "no limit" or "off":

    * ``origin``, ``subprotocols``, ``additional_headers``, ``user_agent_header``: the request.
    * ``compression``: ``"deflate"``, a :class:`DeflateOptions`, or ``None``.
    * ``open_timeout``: for the whole of connecting, redirects included.
    * ``ping_interval``, ``ping_timeout``: keepalive; any inbound byte counts as life.
    * ``close_timeout``: for the peer's Close frame, and again for the end of TCP.
    * ``max_size``: of a message after inflation, or ``(message, frame)``. A message may have one
      fragment for each 256 bytes of this limit.
    * ``max_queue``: messages that wait for ``recv`` until reading pauses, or ``(high, low)``.
    * ``write_limit``: bytes the peer has not taken until ``send`` waits, or ``(high, low)``.
    * ``ssl``: an ``SSLContext`` for ``wss``; ``server_hostname``: the name to verify.
    * ``host``, ``port``, ``sock``, ``local_addr``, ``family``: overrule where TCP goes.
    * ``redirects_max``: how many redirects are followed. Credentials do not go to other origins.

    Raises :exc:`HandshakeError` (with ``status``) when the server refuses, :exc:`OSError` when
    there is no connection or TLS fails, :exc:`TimeoutError` after ``open_timeout``. Cancelled, it
    leaves nothing open.
    """

    def __init__(
        self,
        uri: str,
        *,
        origin: str | None = None,
        subprotocols: Sequence[str] | None = None,
        compression: str | DeflateOptions | None = "deflate",
        additional_headers: HeadersLike | None = None,
        user_agent_header: str | None = USER_AGENT,
        process_exception: Callable[[Exception], Exception | None] = process_exception,
        reconnect_delays: Callable[[], Iterator[float]] = jittered_delays,
        open_timeout: float | None = 10,
        ping_interval: float | None = 20,
        ping_timeout: float | None = 20,
        close_timeout: float | None = 10,
        max_size: MaxSize = MIB,
        max_queue: MaxQueue = 16,
        write_limit: WriteLimit = WRITE_LIMIT_BYTES,
        ssl: ssl_module.SSLContext | bool | None = None,
        server_hostname: str | None = None,
        host: str | None = None,
        port: int | None = None,
        path: str | None = None,
        sock: socket.socket | None = None,
        local_addr: tuple[str, int] | None = None,
        family: int = 0,
        redirects_max: int = 10,
    ) -> None:
        if isinstance(subprotocols, str):
            raise TypeError("subprotocols is a list of names, not one name")
        self._uri = parse_uri(uri)
        self._text_uri = uri
        if ssl is not None and ssl is not False and not self._uri.secure:
            raise ValueError(f"ssl is given, but {uri!r} is not a wss:// URI")
        if ssl is False and self._uri.secure:
            raise ValueError(f"ssl is False, but {uri!r} is a wss:// URI")
        self._settings = websocket_settings(
            compression=compression,
            max_size=max_size,
            max_queue=max_queue,
            write_limit=write_limit,
            open_timeout=open_timeout,
            ping_interval=ping_interval,
            ping_timeout=ping_timeout,
            close_timeout=close_timeout,
        )
        self._origin = origin
        self._subprotocols = tuple(subprotocols or ())
        self._headers = Headers(additional_headers or ())
        self._user_agent = user_agent_header
        self._process_exception = process_exception
        self._reconnect_delays = reconnect_delays
        self._open_timeout_s = open_timeout
        self._ssl = ssl if isinstance(ssl, ssl_module.SSLContext) else None
        self._redirects_max = redirects_max
        self._target = Target(
            host=host,
            port=port,
            path=path,
            sock=sock,
            server_hostname=server_hostname,
            local_addr=local_addr,
            family=family,
            ssl_shutdown_timeout_s=close_timeout,
        )
        self._connection: Connection | None = None
        # Bad arguments are to fail here, at the call, and not in the first attempt.
        self._make_handshake(uri, self._headers)

    # -- the ways to use it -----------------------------------------------------------------

    def __await__(self) -> Generator[Any, None, Connection]:
        return self._connect().__await__()

    async def __aenter__(self) -> Connection:
        self._connection = await self._connect()
        return self._connection

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._connection is not None:
            await self._connection.__aexit__(exc_type, exc_value, traceback)

    async def __aiter__(self) -> AsyncIterator[Connection]:
        delays: Iterator[float] | None = None
        while True:
            try:
                connection = await self._connect()
            except Exception as error:
                fatal = self._process_exception(error)
                if fatal is error:
                    raise
                if fatal is not None:
                    raise fatal from error
                delays = delays or self._reconnect_delays()
                asked_s = retry_after_s(error)
                delay_s = next(delays) if asked_s is None else asked_s + next(delays)
                logger.info(
                    "connecting to %s failed, again in %.1f s: %s",
                    self._uri,
                    delay_s,
                    explain_connect_error(error),
                )
                await asyncio.sleep(delay_s)
                continue
            opened_s = connection.link.now()
            try:
                yield connection
            finally:
                await connection.close()
            closed = connection.closed
            has_lived = connection.link.now() - opened_s >= LIVED_S_MIN
            if has_lived:
                delays = None
            if not has_lived or (closed is not None and has_come_back_hint(closed.verdict.code)):
                delays = delays or self._reconnect_delays()
                await asyncio.sleep(next(delays))

    async def with_callbacks(self, callbacks: Callbacks) -> Endpoint:
        """Connect in callback style; the result has the sending methods."""
        return await self._open(lambda link: callbacks)

    # -- inside -----------------------------------------------------------------------------

    async def _connect(self) -> Connection:
        loop = asyncio.get_running_loop()
        made: list[Connection] = []

        def make_callbacks(link: Link) -> Connection:
            made.append(Connection(loop, link, self._settings))
            return made[-1]

        await self._open(make_callbacks)
        return made[-1]

    async def _open(self, make_callbacks: Callable[[Link], Callbacks]) -> Endpoint:
        """Connect, following redirects, within the time limit."""
        try:
            async with asyncio.timeout(self._open_timeout_s) as limit:
                return await self._follow(make_callbacks)
        except TimeoutError as error:
            if not limit.expired():
                raise  # the kernel's own ETIMEDOUT
            raise TimeoutError(
                f"connecting to {self._uri} took longer than {self._open_timeout_s:g} s"
                " (open_timeout)"
            ) from error

    async def _follow(self, make_callbacks: Callable[[Link], Callbacks]) -> Endpoint:
        uri, text_uri, headers = self._uri, self._text_uri, Headers(self._headers)
        for _ in range(self._redirects_max + 1):
            handshake = self._make_handshake(text_uri, headers)
            try:
                return await self._attempt(handshake, make_callbacks)
            except HandshakeError as error:
                location = error.headers.get("Location")
                if error.status not in _REDIRECT_STATUSES or location is None:
                    raise
                new_uri = self._redirected(uri, location, error)
                self._carry_credentials(headers, handshake, uri, new_uri)
                uri, text_uri = new_uri, str(new_uri)
        raise HandshakeError(
            310, f"{self._uri}: more than {self._redirects_max} redirects (redirects_max)"
        )

    def _make_handshake(self, uri: str, headers: Headers) -> ClientHandshake:
        return ClientHandshake(
            uri,
            entropy=ENTROPY,
            origin=self._origin,
            subprotocols=self._subprotocols,
            headers=headers,
            deflate=self._settings.deflate,
            user_agent=self._user_agent,
        )

    def _redirected(self, old: WebSocketUri, location: str, error: HandshakeError) -> WebSocketUri:
        try:
            new = old.resolve(location)
        except ValueError as uri_error:
            raise HandshakeError(
                error.status, f"{old} redirects to a bad place: {uri_error}", error.headers
            ) from None
        if old.secure and not new.secure:
            raise HandshakeError(
                error.status, f"{old} redirects to {new}, which is not secure", error.headers
            )
        target = self._target
        is_fixed = target.host or target.port or target.path or target.sock
        if is_fixed and (target.sock is not None or not _is_same_origin(old, new)):
            raise HandshakeError(
                error.status,
                f"{old} redirects to {new}, which host, port, path and sock do not lead to",
                error.headers,
            )
        return new

    def _carry_credentials(
        self, headers: Headers, handshake: ClientHandshake, old: WebSocketUri, new: WebSocketUri
    ) -> None:
        if _is_same_origin(old, new):
            authorization = handshake.request.headers.get("Authorization")
            if authorization is not None and new.username is None:
                headers.set("Authorization", authorization)
        else:
            # RFC 9110 section 15.4: what was meant for the first origin is not for another.
            for name in _ORIGIN_HEADERS:
                headers.remove(name)

    async def _attempt(
        self, handshake: ClientHandshake, make_callbacks: Callable[[Link], Callbacks]
    ) -> Endpoint:
        uri = handshake.uri
        target = self._target
        if target.sock is None and target.path is None:
            target = replace(target, host=target.host or uri.host, port=target.port or uri.port)
        if uri.secure:
            if self._ssl is None:
                self._ssl = ssl_module.create_default_context()
                self._ssl.set_alpn_protocols(["http/1.1"])
            target = replace(
                target, ssl=self._ssl, server_hostname=target.server_hostname or uri.host
            )
        else:
            target = replace(target, server_hostname=None)
        done: asyncio.Future[Endpoint] = asyncio.get_running_loop().create_future()
        opening = ClientOpening(handshake, self._settings, make_callbacks, done)
        endpoint: Endpoint | None = None
        try:
            await create_link(target, lambda link: opening)
            endpoint = await done
            return endpoint
        finally:
            if endpoint is None:
                opening.give_up()


def _is_same_origin(first: WebSocketUri, second: WebSocketUri) -> bool:
    return (first.secure, first.host.lower(), first.port) == (
        second.secure,
        second.host.lower(),
        second.port,
    )


def unix_connect(path: str | None = None, uri: str | None = None, **settings: Any) -> connect:
    """Connect through the Unix socket at ``path``; like :class:`connect` in everything else.

    ``uri`` gives the ``Host`` and the target, ``ws://localhost/`` if it is left out.
    """
    if uri is None:
        uri = "ws://localhost/" if settings.get("ssl") is None else "wss://localhost/"
    return connect(uri, path=path, **settings)
