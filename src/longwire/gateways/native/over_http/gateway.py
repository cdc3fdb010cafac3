"""``POST /ws``: a short native session in one request, whose answers are the response.

No state is left behind on the server: what a client holds (positions, a producer, its token) it
shows again with the next request, to any server.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from longwire.base.headers import Headers
from longwire.gateways.event_stream import EVENT_STREAM, EventExchange
from longwire.gateways.native.codes import NativeCloseCode
from longwire.gateways.native.formats.json_text import JSON_FORMAT
from longwire.gateways.native.over_http.media import TextEncoder, choose_answer, read_operations
from longwire.gateways.native.over_http.refusals import RequestRefused, refusal_of
from longwire.gateways.native.over_http.wire import HttpWire, PollWire
from longwire.http.field_values import split_list
from longwire.identity.principal import ANONYMOUS, Principal
from longwire.net.http_exchange import ExchangeClosed

if TYPE_CHECKING:
    from longwire.gateways.native.gateway import NativeGateway
    from longwire.gateways.native.session import NativeSession

__all__ = ["CLIENT_KEY", "NativeHttp"]

CLIENT_KEY = "Longwire-Client-Key"
"""Header field: requests with the same key are one client's."""

_KEY = re.compile(r"[!-~]{16,128}")
_WAIT = re.compile(r"wait=(\d{1,6})", re.IGNORECASE)  # RFC 7240 section 4.3


@dataclass(frozen=True, slots=True)
class _Head:
    """What the head of a request asks for."""

    encoder: TextEncoder
    wait_s: float
    key: str | None

    @property
    def name(self) -> str | None:
        """The name of the connection. It is shown to others; the key it is made of is not."""
        return None if self.key is None else hashlib.sha256(self.key.encode()).hexdigest()[:16]

    @property
    def is_events(self) -> bool:
        return self.encoder.media_type == EVENT_STREAM


class NativeHttp:
    """Serves the native protocol in HTTP requests. Belongs to one event loop."""

    def __init__(self, gateway: NativeGateway, *, long_poll_timeout_s: float) -> None:
        self._gateway = gateway
        self._long_poll_timeout_s = long_poll_timeout_s
        self.requests_total = 0
        self.event_count = 0
        """Responses of events that are open now."""
        self.poll_count = 0
        """Other requests that are being answered now, those that wait among them."""

    async def serve(
        self, exchange: EventExchange, body: bytes, address: str, principal: Principal = ANONYMOUS
    ) -> None:
        """Answer one request, refusals included; returns when the response has ended.

        ``principal`` is who the request showed the client to be. Cancelled, it leaves the response
        open; who cancels ends it.
        """
        self.requests_total += 1
        try:
            head = self._read_head(exchange.request.headers)
            operations = self._read(exchange.request.headers, body)
            await self._serve(exchange, head, operations, address, principal)
        except RequestRefused as refused:
            self._gateway.count_error(refused.code)
            await exchange.respond(*refused.response())
        except ExchangeClosed:
            return  # the client went away, which is how such a response usually ends

    def _read_head(self, headers: Headers) -> _Head:
        key = headers.get(CLIENT_KEY)
        if key is not None and _KEY.fullmatch(key) is None:
            message = f"{CLIENT_KEY} is 16 to 128 visible ASCII characters, drawn at random"
            raise RequestRefused(400, "bad_client_key", message)
        wait_s = self._long_poll_timeout_s
        for preference in split_list(headers.joined("Prefer") or ""):
            wanted = _WAIT.fullmatch(preference.partition(";")[0].strip())
            if wanted is not None:
                wait_s = min(wait_s, float(wanted[1]))
        return _Head(choose_answer(headers.joined("Accept")), wait_s, key)

    def _read(self, headers: Headers, body: bytes) -> list[str]:
        return read_operations(
            body,
            headers.get("Content-Type"),
            operations_max=self._gateway.limits.operations_per_request_max,
            message_bytes_max=self._gateway.message_bytes_max,
        )

    async def _serve(
        self,
        exchange: EventExchange,
        head: _Head,
        operations: list[str],
        address: str,
        principal: Principal,
    ) -> None:
        gateway = self._gateway
        make_wire = HttpWire if head.is_events else PollWire
        wire = make_wire(exchange, head.encoder, gateway.hub.limits.held_bytes_max)
        session = gateway.begin(wire, JSON_FORMAT, address, principal, head.name)
        session.has_inbox_unasked = head.is_events
        wire.on_drained = session.drained
        # Who ends his direction now does not wait for the answer: he is gone.
        exchange.is_open_ended = True
        try:
            session.receive(operations[0], gateway.now())
            await session.settled()
            if session.is_new() or session.has_ended:
                raise refusal_of(next((m for m in wire.early if m["op"] == "error"), None))
            wire.begin()
            if isinstance(wire, PollWire):
                await self._answer_poll(session, wire, operations[1:], head.wait_s)
            else:
                await self._send_events(session, wire, operations[1:])
        finally:
            session.lost()

    async def _send_events(
        self, session: NativeSession, wire: HttpWire, operations: list[str]
    ) -> None:
        lifetime_s = self._gateway.limits.http_events_lifetime_s
        self.event_count += 1
        timer = asyncio.get_running_loop().call_later(lifetime_s, _end_of_life, session)
        taking = asyncio.ensure_future(self._take(session, wire, operations))
        try:
            await wire.wait(None)
        finally:
            self.event_count -= 1
            timer.cancel()
            taking.cancel()

    async def _answer_poll(
        self, session: NativeSession, wire: PollWire, operations: list[str], wait_s: float
    ) -> None:
        self.poll_count += 1
        wire.is_waited_for = lambda: session.reads_anything
        wire.expect(sum(map(_is_answered, operations)))
        timer = asyncio.get_running_loop().call_later(wait_s, wire.time_up)
        taking = asyncio.ensure_future(self._take(session, wire, operations))
        try:
            await wire.wait(None)
        finally:
            self.poll_count -= 1
            timer.cancel()
            taking.cancel()

    async def _take(self, session: NativeSession, wire: HttpWire, operations: list[str]) -> None:
        """Hand the operations over as fast as the session takes them."""
        for text in operations:
            await wire.may_read.wait()
            session.receive(text, self._gateway.now())
        await session.settled()
        if isinstance(wire, PollWire):
            wire.asked()


class _Operation(msgspec.Struct):
    """As much of an operation as tells that it has no answer."""

    op: str


_read_operation = msgspec.json.Decoder(_Operation).decode


def _is_answered(text: str) -> bool:
    """Whether an operation has an answer with its number. What is malformed has one, too."""
    if JSON_FORMAT.read_id(text) is None:
        return False
    try:
        return _read_operation(text).op != "pong"
    except msgspec.DecodeError:
        return True


def _end_of_life(session: NativeSession) -> None:
    session.end(NativeCloseCode.RESPONSE_OVER, "the response lasted long enough", (0.0, 0.0))
