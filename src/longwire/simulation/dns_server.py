"""A name server for a host of a world: answers for each name, late ones, wrong ones, none.

It speaks DNS over UDP (RFC 1035) for addresses, types A and AAAA; other types have no records.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import dns.exception
import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset

__all__ = ["DnsAnswer", "DnsServer"]

_DIGITS = {dns.rdatatype.A: ".", dns.rdatatype.AAAA: ":"}


@dataclass(frozen=True, slots=True, kw_only=True)
class DnsAnswer:
    """What is answered for a name. Without addresses of the type that is asked for: no records."""

    addresses: tuple[str, ...] = ()
    """IPv4 and IPv6, in this order."""
    rcode: str = "NOERROR"
    """As ``NXDOMAIN``, ``SERVFAIL``, ``REFUSED``."""
    delay: float = 0.0
    """How many seconds it takes."""
    is_silent: bool = False
    """Whether there is no answer at all."""
    ttl: int = 60


_UNKNOWN = DnsAnswer(rcode="NXDOMAIN")


class DnsServer:
    """Answers from ``zone``, by names without their last dot; what is not there is NXDOMAIN.

    ``zone`` may be changed while it serves; ``queries`` has what was asked, as ``A name``. ::

        zone = {"chat.example": DnsAnswer(addresses=("10.0.1.1",), delay=2)}
        names.start(DnsServer(zone).serve())
        client.resolvers = ("10.0.2.1",)

    Raises ValueError for an rcode that there is not.
    """

    def __init__(self, zone: Mapping[str, DnsAnswer]) -> None:
        for name, answer in zone.items():
            try:
                dns.rcode.from_text(answer.rcode)
            except dns.rcode.UnknownRcode:
                raise ValueError(f"{name}: there is no rcode {answer.rcode!r}") from None
        self.zone = zone
        self.queries: list[str] = []

    async def serve(self, port: int = 53) -> None:
        """Serve until cancelled."""
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(
            lambda: _Protocol(self), local_addr=("0.0.0.0", port)
        )
        try:
            await loop.create_future()
        finally:
            transport.close()

    def answer(self, data: bytes) -> tuple[float, bytes] | None:
        """Return when to answer a query, in seconds from now, and what; ``None``: not at all."""
        try:
            query = dns.message.from_wire(data)
        except dns.exception.DNSException:
            return None
        if query.flags & dns.flags.QR or len(query.question) != 1:
            return None
        question = query.question[0]
        name = question.name.to_text(omit_final_dot=True).lower()
        self.queries.append(f"{dns.rdatatype.to_text(question.rdtype)} {name}")
        found = self.zone.get(name, _UNKNOWN)
        if found.is_silent:
            return None
        response = dns.message.make_response(query, recursion_available=True)
        response.set_rcode(dns.rcode.from_text(found.rcode))
        mark = _DIGITS.get(question.rdtype)
        chosen = [text for text in found.addresses if mark is not None and mark in text]
        if chosen:
            kind = dns.rdatatype.to_text(question.rdtype)
            response.answer.append(
                dns.rrset.from_text(question.name, found.ttl, "IN", kind, *chosen)
            )
        return found.delay, response.to_wire()


class _Protocol(asyncio.DatagramProtocol):
    def __init__(self, server: DnsServer) -> None:
        self._server = server
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        answer = self._server.answer(data)
        if answer is not None and self._transport is not None:
            delay_s, octets = answer
            loop = asyncio.get_running_loop()
            loop.call_later(delay_s, self._transport.sendto, octets, addr)
