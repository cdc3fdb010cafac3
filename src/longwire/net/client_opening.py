"""The client's side of an opening handshake on a link."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from longwire.net.callbacks import Callbacks
from longwire.net.endpoint import Endpoint
from longwire.net.link import Link
from longwire.net.open_endpoint import open_endpoint
from longwire.net.opening import Opening
from longwire.net.settings import WebSocketSettings
from longwire.websocket.connection import Role
from longwire.websocket.handshake import (
    ClientHandshake,
    HandshakeError,
    HeadReader,
)

__all__ = ["ClientOpening"]

REFUSAL_BODY_BYTES_MAX = 4096
"""How much of a refusal's body is kept for the error's message."""

REFUSAL_BODY_TIMEOUT_S = 2.0


class ClientOpening:
    """Handler of a link until the server has answered: then an ``Endpoint`` takes over.

    ``done`` gets the endpoint, or the error.
    """

    __slots__ = (
        "_body",
        "_body_bytes_wanted",
        "_handshake",
        "_is_linked",
        "_link",
        "_make_callbacks",
        "_reader",
        "_refusal",
        "_settings",
        "done",
    )

    def __init__(
        self,
        handshake: ClientHandshake,
        settings: WebSocketSettings,
        make_callbacks: Callable[[Link], Callbacks],
        done: asyncio.Future[Endpoint],
    ) -> None:
        self.done = done
        self._handshake = handshake
        self._settings = settings
        self._make_callbacks = make_callbacks
        self._reader = HeadReader(settings.limits, expects="response")
        self._refusal: HandshakeError | None = None
        self._body = bytearray()
        self._body_bytes_wanted = 0
        self._link: Link
        self._is_linked = False

    def link_made(self, link: Link) -> None:
        self._link = link
        self._is_linked = True
        if self.done.done():
            link.abort()
            return
        link.write(self._handshake.request_bytes())

    def data_received(self, data: bytes | bytearray | memoryview) -> None:
        if self._refusal is not None:
            self._body += data
            self._refuse_when_read()
            return
        try:
            if not self._reader.feed(data):
                return
            response = self._reader.response()
            if 100 <= response.status < 200 and response.status != 101:
                # RFC 9110 section 15.2: a client must be able to parse interim responses.
                rest = self._reader.rest
                self._reader = HeadReader(self._settings.limits, expects="response")
                if rest:
                    self.data_received(rest)
                return
            accepted = self._handshake.check_response(response)
        except HandshakeError as error:
            self._begin_refusal(error)
            return
        self._open(
            Opening(self._handshake.request, response, accepted.subprotocol, accepted.deflate)
        )

    def _open(self, opening: Opening) -> None:
        if self.done.done():
            self._link.abort()
            return
        callbacks = self._make_callbacks(self._link)
        self.done.set_result(
            open_endpoint(
                self._link, Role.CLIENT, self._settings, callbacks, opening, self._reader.rest
            )
        )

    def _begin_refusal(self, error: HandshakeError) -> None:
        """Wait a little for the body of a refusal: its first line often says why."""
        headers = error.headers
        kind = (headers.get("Content-Type") or "text/plain").partition(";")[0].strip().lower()
        is_readable = kind == "text/plain" or kind.endswith(("/json", "+json"))
        length = headers.get("Content-Length")
        if error.status == 101 or not is_readable or "Transfer-Encoding" in headers:
            self._fail(error)
            return
        self._refusal = error
        wanted = int(length) if length is not None and length.isdecimal() else None
        self._body_bytes_wanted = (
            REFUSAL_BODY_BYTES_MAX if wanted is None else min(wanted, REFUSAL_BODY_BYTES_MAX)
        )
        self._body += self._reader.rest
        self._link.set_deadline(self._link.now() + REFUSAL_BODY_TIMEOUT_S)
        self._refuse_when_read()

    def _refuse_when_read(self, *, is_over: bool = False) -> None:
        error = self._refusal
        if error is None or (len(self._body) < self._body_bytes_wanted and not is_over):
            return
        self._refusal = None
        text = bytes(self._body[: self._body_bytes_wanted]).decode(errors="replace").strip()
        if text:
            error = HandshakeError(error.status, f"{error.message}: {text}", error.headers)
        self._fail(error)

    def _fail(self, error: Exception) -> None:
        if not self.done.done():
            self.done.set_exception(error)
        self._link.abort()

    def give_up(self) -> None:
        """Nobody waits any more: drop the link, whether or not it is there yet."""
        endpoint = (
            self.done.result()
            if self.done.done() and not self.done.cancelled() and self.done.exception() is None
            else None
        )
        self.done.cancel()
        if endpoint is not None:
            endpoint.abort()
        elif self._is_linked:
            self._link.abort()

    def eof_received(self) -> None:
        self._refuse_when_read(is_over=True)
        if not self.done.done():
            self._fail(_ended_early())

    def link_lost(self, error: OSError | None) -> None:
        self._refuse_when_read(is_over=True)
        if not self.done.done():
            self.done.set_exception(error or _ended_early())

    def link_drained(self) -> None:
        pass

    def deadline_reached(self, now: float) -> None:
        self._refuse_when_read(is_over=True)

    def shutdown(self) -> None:
        self._link.abort()


def _ended_early() -> ConnectionResetError:
    return ConnectionResetError("the server ended the connection before it answered the handshake")
