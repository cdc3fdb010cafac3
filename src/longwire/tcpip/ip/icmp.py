"""ICMP of a host: answers pings, believes or disbelieves errors, and sends its own.

Read RFC 1122 section 3.2.2, RFC 4443, RFC 5927 (attacks) and RFC 1812 section 4.3 first.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from longwire.tcpip.addresses import Address, is_unicast_source, is_unspecified
from longwire.tcpip.ip.interface import Interface
from longwire.tcpip.ip.layer import Arrival, IpLayer
from longwire.tcpip.ip.path_mtu import IPV6_MTU_MIN
from longwire.tcpip.reasons import Reason
from longwire.tcpip.wire.errors import WireError
from longwire.tcpip.wire.icmp import (
    ICMP_HEADER_OCTETS,
    Echo,
    ErrorKind,
    IcmpError,
    IcmpMessage,
    IcmpView,
    protocol_for,
)
from longwire.tcpip.wire.ip import encode_packet
from longwire.tcpip.wire.ndp import NdpMessage
from longwire.tcpip.wire.packet import (
    IPV4_HEADER_OCTETS,
    IPV6_HEADER_OCTETS,
    PROTOCOL_ICMP,
    PROTOCOL_ICMPV6,
    Packet,
)
from longwire.tcpip.wire.quote import Quote

__all__ = ["ErrorSink", "IcmpLayer"]

# RFC 1812 4.3.2.3: as much of the packet as fits 576 octets in all. RFC 4443: 1,280 in all.
_QUOTE_MAX = {
    4: 576 - IPV4_HEADER_OCTETS - ICMP_HEADER_OCTETS,
    6: IPV6_MTU_MIN - IPV6_HEADER_OCTETS - ICMP_HEADER_OCTETS,
}

# RFC 4443 3.4: 1 is for a next header that is not known, 2 for an option, 0 for everything else.
_PROBLEM_CODES = {Reason.IPV6_EXTENSION_ORDER: 1, Reason.IPV6_OPTION_UNKNOWN: 2}


class ErrorSink(Protocol):
    """A transport that ICMP errors are about."""

    def believes(self, quote: Quote) -> bool:
        """Whether we have sent this packet, as far as the transport can tell (RFC 5927)."""

    def on_error(self, quote: Quote, error: IcmpError, now_ns: int) -> None:
        """Act on an error that was believed; the path MTU is known by now."""


class TokenBucket:
    """A burst, and one more for each interval that passes. All integers."""

    def __init__(self, burst: int, interval_ns: int) -> None:
        self._interval_ns = interval_ns
        self._credit_max_ns = burst * interval_ns
        self._credit_ns = self._credit_max_ns
        self._filled_ns = 0

    def take(self, now_ns: int) -> bool:
        """Whether one more is allowed now."""
        passed_ns = max(0, now_ns - self._filled_ns)
        self._filled_ns = now_ns
        self._credit_ns = min(self._credit_max_ns, self._credit_ns + passed_ns)
        if self._credit_ns < self._interval_ns:
            return False
        self._credit_ns -= self._interval_ns
        return True


class IcmpLayer:
    """Registers itself with the Internet layer as ICMP and ICMPv6."""

    def __init__(
        self, ip: IpLayer, on_neighbor: Callable[[NdpMessage, Packet, Interface, int], None]
    ) -> None:
        self._ip = ip
        self._notebook = ip.notebook
        self._on_neighbor = on_neighbor
        self._bucket = TokenBucket(ip.limits.icmp_errors_burst, ip.limits.icmp_error_interval_ns)
        self.sinks: dict[int, ErrorSink] = {}
        self.on_reply: Callable[[Packet, Echo, int], None] | None = None
        ip.handlers[PROTOCOL_ICMP] = self.on_packet
        ip.handlers[PROTOCOL_ICMPV6] = self.on_packet
        ip.report = self.report

    def on_packet(self, packet: Packet, arrival: Arrival, now_ns: int) -> None:
        """Take a message that came for us."""
        if packet.protocol != protocol_for(packet.source):
            self._notebook.write(now_ns, Reason.PROTOCOL_UNKNOWN, "ICMP of the other version")
            return
        payload = packet.payload
        try:
            if isinstance(payload, bytes):
                message = IcmpView(payload, packet.source, packet.destination).message()
            else:
                assert isinstance(payload, IcmpMessage)
                message = payload
            if isinstance(message, Echo):
                self._on_echo(message, packet, arrival, now_ns)
            elif isinstance(message, IcmpError):
                self._on_error(message, packet, now_ns)
            else:
                self._on_neighbor_message(message, packet, arrival, now_ns)
        except WireError as problem:
            self._notebook.write(now_ns, problem.reason, problem.detail, packet)

    def _on_echo(self, echo: Echo, packet: Packet, arrival: Arrival, now_ns: int) -> None:
        if echo.is_reply:
            if self.on_reply is not None:
                self.on_reply(packet, echo, now_ns)
            return
        # RFC 1122 3.2.2.6: an echo request to a group may be discarded silently.
        if arrival.is_to_many or is_unspecified(packet.source):
            self._notebook.write(now_ns, Reason.ICMP_ECHO_BROADCAST, unit=packet)
            return
        reply = Echo(True, echo.identifier, echo.sequence, echo.data)
        self._ip.send(
            packet.destination,
            packet.source,
            packet.protocol,
            reply,
            now_ns,
            traffic_class=packet.traffic_class,
        )

    def _on_neighbor_message(
        self, message: NdpMessage, packet: Packet, arrival: Arrival, now_ns: int
    ) -> None:
        # RFC 4861 7.1: 255 proves that no router has passed it on.
        if packet.hop_limit != 255:
            raise WireError(Reason.NDP_HOP_LIMIT, f"{packet.hop_limit}")
        if arrival.interface is not None:
            self._on_neighbor(message, packet, arrival.interface, now_ns)

    def _on_error(self, error: IcmpError, packet: Packet, now_ns: int) -> None:
        kind = error.kind
        # RFC 6633, MUST-55: source quench is discarded silently. Redirects are not followed: hosts
        # here have the routes they were given.
        if kind in (ErrorKind.SOURCE_QUENCH, ErrorKind.REDIRECT, ErrorKind.OTHER):
            self._notebook.write(now_ns, Reason.ICMP_TYPE_UNKNOWN, kind.value, packet)
            return
        quote = Quote.parse(error.quote)
        sink = self.sinks.get(quote.protocol)
        if (
            sink is None
            or len(quote.source) != len(packet.source)
            or not self._ip.is_ours(quote.source)
            or not sink.believes(quote)
        ):
            self._notebook.write(now_ns, Reason.ICMP_QUOTE_INVALID, kind.value, packet)
            return
        if kind is ErrorKind.PACKET_TOO_BIG:
            learnt = self._ip.path_mtus.learn(
                quote.destination, error.mtu, quote.total_octets, now_ns
            )
            if learnt is None:
                self._notebook.write(now_ns, Reason.ICMP_QUOTE_INVALID, f"MTU {error.mtu}", packet)
                return
        sink.on_error(quote, error, now_ns)

    def report(
        self,
        kind: ErrorKind,
        packet: Packet,
        arrival: Arrival,
        now_ns: int,
        *,
        mtu: int = 0,
        pointer: int = 0,
    ) -> None:
        """Send an error about ``packet``, where the rules and the rate allow one."""
        if not self._may_report(kind, packet, arrival):
            self._notebook.write(now_ns, Reason.ICMP_ERROR_SUPPRESSED, kind.value, packet)
            return
        quote = encode_packet(packet)[: _QUOTE_MAX[packet.version]]
        error = IcmpError.make(kind, len(packet.source), quote, mtu=mtu, pointer=pointer)
        self._send_error(error, packet, now_ns)

    def report_unreadable(
        self, octets: bytes, problem: WireError, interface: Interface, now_ns: int
    ) -> None:
        """Tell the sender which octet of its header made the packet unreadable.

        RFC 8200 4.2, 4.4 and 4.5 ask for it, RFC 1122 3.2.2.5 allows it. ``octets`` begin with the
        IP header, which was read far enough for ``problem`` to have a pointer.
        """
        if problem.pointer is None:
            return
        if octets[0] >> 4 == 4:
            packet = Packet(octets[12:16], octets[16:20], octets[9], b"")
        else:
            packet = Packet(octets[8:24], octets[24:40], octets[6], b"")
        is_option = problem.reason is Reason.IPV6_OPTION_UNKNOWN
        # RFC 8200 4.2: of the two high bits of an option, 10 wants the error even for groups.
        wants_always = is_option and octets[problem.pointer] >> 6 == 2
        is_ours = self._ip.is_ours(packet.destination)
        arrival = Arrival(interface, not is_ours and not wants_always)
        if not self._may_report(ErrorKind.PARAMETER_PROBLEM, packet, arrival):
            self._notebook.write(now_ns, Reason.ICMP_ERROR_SUPPRESSED, unit=octets)
            return
        size = len(packet.source)
        word = problem.pointer << 24 if size == 4 else problem.pointer
        kind = 12 if size == 4 else 4
        code = _PROBLEM_CODES.get(problem.reason, 0)
        quote = octets[: _QUOTE_MAX[packet.version]]
        self._send_error(IcmpError(kind, code, word, quote, size), packet, now_ns)

    def _send_error(self, error: IcmpError, packet: Packet, now_ns: int) -> None:
        if not self._bucket.take(now_ns):
            self._notebook.write(now_ns, Reason.ICMP_RATE_LIMITED, error.kind.value, packet)
            return
        source: Address | None = packet.destination
        if source is None or not self._ip.is_ours(source):
            source = None
        self._ip.send(source, packet.source, protocol_for(packet.source), error, now_ns)

    def _may_report(self, kind: ErrorKind, packet: Packet, arrival: Arrival) -> bool:
        # RFC 1122 3.2.2, RFC 1812 4.3.2.7: not about what came for many, from no single host, or
        # in a fragment that is not the first.
        if arrival.interface is not None and not arrival.interface.sends_icmp:
            return False
        if not is_unicast_source(packet.source) or packet.fragment_offset:
            return False
        # RFC 4443 2.4 e: about group packets only "too big", so that path MTUs work for them.
        if arrival.is_to_many and not (packet.version == 6 and kind is ErrorKind.PACKET_TOO_BIG):
            return False
        return not _is_icmp_error(packet)


def _is_icmp_error(packet: Packet) -> bool:
    """Whether ``packet`` is an ICMP error, about which none is sent (RFC 1122 3.2.2)."""
    if packet.protocol != protocol_for(packet.source):
        return False
    payload = packet.payload
    if not isinstance(payload, bytes):
        return isinstance(payload, IcmpError)
    if not payload:
        return False
    if packet.version == 6:
        return payload[0] < 128
    return payload[0] not in (0, 8, 9, 10, 13, 14, 15, 16, 17, 18)
