"""Looking names up over the simulated network, as a stub resolver does (resolv.conf(5)).

Each server is asked for A and AAAA records at once and has 5 seconds; one that fails or says
nothing is followed by the next, and all of them by a second round.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from typing import Any

import dns.exception
import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype

from longwire.tcpip.addresses import Address, parse_address
from longwire.tcpip.randomness import RandomStream

__all__ = ["resolve"]

# The defaults of glibc: ``options timeout:5 attempts:2``.
TIMEOUT_S = 5.0
ROUNDS = 2
_TYPES = {socket.AF_INET: dns.rdatatype.A, socket.AF_INET6: dns.rdatatype.AAAA}
_FINAL = (dns.rcode.NOERROR, dns.rcode.NXDOMAIN)


async def resolve(
    name: str, family: int, servers: Sequence[str], stream: RandomStream
) -> tuple[Address, ...]:
    """Return the addresses of ``name``, IPv6 first; of one family unless it is 0.

    Raises gaierror: EAI_NONAME when there is none, EAI_AGAIN when no server says.
    """
    types = [kind for of, kind in reversed(_TYPES.items()) if family in (0, of)]
    for _ in range(ROUNDS):
        for server in servers:
            try:
                async with asyncio.timeout(TIMEOUT_S):
                    answers = await asyncio.gather(
                        *(_ask(name, kind, server, stream) for kind in types)
                    )
            except (OSError, TimeoutError):
                continue
            if any(answer.rcode() not in _FINAL for answer in answers):
                continue
            found = tuple(address for answer in answers for address in _addresses(answer))
            if not found:
                raise socket.gaierror(socket.EAI_NONAME, f"Name or service not known: {name}")
            return found
    raise socket.gaierror(
        socket.EAI_AGAIN, f"Temporary failure in name resolution: {name}: no server answered"
    )


def _addresses(answer: Any) -> list[Address]:
    return [
        parse_address(record.address)
        for records in answer.answer
        for record in records
        if record.rdtype in _TYPES.values()
    ]


async def _ask(
    name: str, kind: dns.rdatatype.RdataType, server: str, stream: RandomStream
) -> dns.message.Message:
    """Send one query and return its answer. Raises OSError when nobody is there."""
    query = dns.message.make_query(name, kind, id=stream.below(1 << 16))
    loop = asyncio.get_running_loop()
    answered: asyncio.Future[dns.message.Message] = loop.create_future()
    transport, _ = await loop.create_datagram_endpoint(
        lambda: _Protocol(query, answered), remote_addr=(server, 53)
    )
    try:
        transport.sendto(query.to_wire())
        return await answered
    finally:
        transport.close()


class _Protocol(asyncio.DatagramProtocol):
    def __init__(
        self, query: dns.message.Message, answered: asyncio.Future[dns.message.Message]
    ) -> None:
        self._query = query
        self._answered = answered

    def datagram_received(self, data: bytes, addr: Any) -> None:
        try:
            answer = dns.message.from_wire(data)
        except dns.exception.DNSException:
            return
        # What answers no question of ours is somebody's guess.
        if self._query.is_response(answer) and not self._answered.done():
            self._answered.set_result(answer)

    def error_received(self, exc: Exception) -> None:
        if not self._answered.done():
            self._answered.set_exception(exc)
