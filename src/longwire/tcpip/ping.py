"""Echo sockets: send a ping, wait for its answer (RFC 792, RFC 4443 section 4)."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from longwire.base.entropy import Entropy
from longwire.tcpip.addresses import Address, address_text
from longwire.tcpip.ip.icmp import IcmpLayer
from longwire.tcpip.ip.layer import IpLayer
from longwire.tcpip.ports import PortRange
from longwire.tcpip.reasons import Reason
from longwire.tcpip.sockets import Readiness, SocketError
from longwire.tcpip.wire.icmp import Echo, IcmpError, protocol_for
from longwire.tcpip.wire.packet import PROTOCOL_ICMP, PROTOCOL_ICMPV6, Packet
from longwire.tcpip.wire.quote import Quote

__all__ = ["PingAnswer", "PingLayer", "PingSocket"]


@dataclass(frozen=True, slots=True)
class PingAnswer:
    """An echo reply, or the ICMP error about the request."""

    address: Address
    sequence: int
    data: bytes
    hop_limit: int
    received_ns: int
    error: IcmpError | None = None


class PingSocket:
    """Made by ``Host.open_ping``; owns one echo identifier."""

    def __init__(self, layer: PingLayer, identifier: int) -> None:
        self._layer = layer
        self.identifier = identifier
        self.is_open = True
        self._answers: deque[PingAnswer] = deque(maxlen=layer.answers_max)

    def send(
        self, address: Address, sequence: int, data: bytes, now_ns: int, *, hop_limit: int = 64
    ) -> None:
        """Send an echo request. Raises SocketError when it cannot leave."""
        if not self.is_open:
            raise SocketError(Reason.SOCKET_CLOSED)
        echo = Echo(False, self.identifier, sequence, data)
        reason = self._layer.send(address, echo, now_ns, hop_limit)
        if reason is not None:
            raise SocketError(reason, address_text(address))

    def receive(self) -> PingAnswer | None:
        """Return the oldest answer, or ``None``. The queue drops the oldest when it is full."""
        return self._answers.popleft() if self._answers else None

    @property
    def readiness(self) -> Readiness:
        """What can be done now."""
        ready = Readiness.WRITABLE if self.is_open else Readiness.CLOSED
        return ready | Readiness.READABLE if self._answers else ready

    def close(self) -> None:
        """Give the identifier back."""
        if self.is_open:
            self.is_open = False
            self._layer.forget(self)

    def take(self, answer: PingAnswer) -> None:
        """Queue an answer."""
        self._answers.append(answer)


class PingLayer:
    """All echo sockets of a host."""

    def __init__(
        self, ip: IpLayer, icmp: IcmpLayer, entropy: Entropy, ready: Callable[[PingSocket], None]
    ) -> None:
        self._ip = ip
        self._ready = ready
        self.answers_max = ip.limits.socket_queue_datagrams_max
        self._identifiers = PortRange(entropy, 1, 0xFFFF)
        self._sockets: dict[int, PingSocket] = {}
        icmp.on_reply = self.on_reply
        icmp.sinks[PROTOCOL_ICMP] = self
        icmp.sinks[PROTOCOL_ICMPV6] = self

    def open(self) -> PingSocket:
        """Return a socket with an identifier of its own."""
        identifier = self._identifiers.choose(lambda number: number not in self._sockets)
        socket = self._sockets[identifier] = PingSocket(self, identifier)
        return socket

    def forget(self, socket: PingSocket) -> None:
        """Free a socket's identifier."""
        del self._sockets[socket.identifier]

    def send(self, address: Address, echo: Echo, now_ns: int, hop_limit: int) -> Reason | None:
        """Hand a request to the Internet layer."""
        return self._ip.send(
            None, address, protocol_for(address), echo, now_ns, hop_limit=hop_limit
        )

    def on_reply(self, packet: Packet, echo: Echo, now_ns: int) -> None:
        """Give a reply to the socket that asked."""
        self._give(
            echo.identifier,
            PingAnswer(packet.source, echo.sequence, echo.data, packet.hop_limit, now_ns),
        )

    def believes(self, quote: Quote) -> bool:
        """Whether the quoted message is an echo request with an identifier of ours."""
        is_request = quote.transport[0] in (8, 128)
        return is_request and self._identifier(quote) in self._sockets

    def on_error(self, quote: Quote, error: IcmpError, now_ns: int) -> None:
        """Give an error to the socket that asked."""
        sequence = int.from_bytes(quote.transport[6:8], "big")
        answer = PingAnswer(quote.destination, sequence, b"", 0, now_ns, error)
        self._give(self._identifier(quote), answer)

    def _give(self, identifier: int, answer: PingAnswer) -> None:
        socket = self._sockets.get(identifier)
        if socket is not None:
            socket.take(answer)
            self._ready(socket)

    @staticmethod
    def _identifier(quote: Quote) -> int:
        return int.from_bytes(quote.transport[4:6], "big")
