"""Putting fragments together again (RFC 791 3.2, RFC 815, RFC 8200 4.5, RFC 5722).

Bounded four ways: datagrams, octets, fragments of one datagram, time. Overlapping fragments are an
attack and never an accident: the whole datagram is dropped, in IPv4 too, as Linux does since 4.19.
An exact copy of a fragment that came before is passed over.
"""

from __future__ import annotations

from collections import OrderedDict

from longwire.tcpip.addresses import Address
from longwire.tcpip.ip.limits import IpLimits
from longwire.tcpip.reasons import Reason
from longwire.tcpip.wire.errors import WireError
from longwire.tcpip.wire.packet import Packet

__all__ = ["Reassembler"]

_Key = tuple[Address, Address, int, int]
_TOTAL_MAX = 0xFFFF


class _Pending:
    """A datagram that is not whole yet."""

    __slots__ = ("deadline_ns", "first", "octets", "pieces", "total")

    def __init__(self, deadline_ns: int) -> None:
        self.deadline_ns = deadline_ns
        self.first: Packet | None = None
        self.pieces: dict[int, bytes] = {}
        self.octets = 0
        self.total: int | None = None


class Reassembler:
    """The datagrams of one host that wait for fragments."""

    def __init__(self, limits: IpLimits) -> None:
        self._limits = limits
        # In order of arrival, which is the order of deadlines.
        self._pending: OrderedDict[_Key, _Pending] = OrderedDict()
        self.octets = 0
        """Octets that wait."""

    def __len__(self) -> int:
        return len(self._pending)

    def add(self, packet: Packet, now_ns: int) -> Packet | None:
        """Take a fragment; return the whole packet once it is there.

        Raises WireError when the fragment, and with it what it belongs to, is dropped.
        """
        # RFC 791: four fields name a datagram; RFC 8200 4.5: the protocol is not among them.
        protocol = packet.protocol if packet.version == 4 else 0
        key = (packet.source, packet.destination, protocol, packet.identification)
        pending = self._pending.get(key)
        if pending is None:
            pending = self._pending[key] = _Pending(now_ns + self._limits.reassembly_timeout_ns)
        try:
            is_new = self._place(pending, packet)
        except WireError:
            self._forget(key)
            raise
        if not is_new:
            return None
        self._make_room(key)
        if key not in self._pending:
            raise WireError(Reason.REASSEMBLY_FULL)
        if pending.total != pending.octets or pending.first is None:
            return None
        self._forget(key)
        payload = b"".join(pending.pieces[start] for start in sorted(pending.pieces))
        return pending.first.replace(
            payload=payload,
            more_fragments=False,
            fragment_offset=0,
            identification=pending.first.identification if packet.version == 4 else 0,
        )

    def poll_at(self) -> int | None:
        """Return when the next datagram is given up."""
        for pending in self._pending.values():
            return pending.deadline_ns
        return None

    def expire(self, now_ns: int) -> list[Packet | None]:
        """Give up what is late; return the first fragment of each, if it had come.

        RFC 1122 3.3.2 and RFC 8200 4.5: a "time exceeded" is sent only with that in hand.
        """
        late = []
        while self._pending:
            key, pending = next(iter(self._pending.items()))
            if pending.deadline_ns > now_ns:
                break
            self._forget(key)
            late.append(pending.first)
        return late

    def _place(self, pending: _Pending, packet: Packet) -> bool:
        payload = packet.payload_octets()
        start = packet.fragment_offset
        end = start + len(payload)
        if pending.pieces.get(start) == payload and payload:
            return False
        if not packet.more_fragments:
            if pending.total is not None and pending.total != end:
                raise WireError(Reason.FRAGMENT_TOTAL_CONFLICT, f"{pending.total} and {end}")
            pending.total = end
        is_past_end = pending.total is not None and (
            end > pending.total
            or any(at + len(piece) > pending.total for at, piece in pending.pieces.items())
        )
        if end > _TOTAL_MAX or not payload or is_past_end:
            raise WireError(Reason.FRAGMENT_TOTAL_CONFLICT, f"{start} to {end}")
        for at, piece in pending.pieces.items():
            if start < at + len(piece) and at < end:
                raise WireError(Reason.FRAGMENT_OVERLAP, f"{start} to {end} over {at}")
        if len(pending.pieces) >= self._limits.reassembly_fragments_max:
            raise WireError(Reason.REASSEMBLY_FULL, f"{len(pending.pieces)} fragments")
        pending.pieces[start] = payload
        pending.octets += len(payload)
        self.octets += len(payload)
        if start == 0:
            pending.first = packet
        return True

    def _make_room(self, newest: _Key) -> None:
        while (
            len(self._pending) > self._limits.reassembly_datagrams_max
            or self.octets > self._limits.reassembly_octets_max
        ):
            self._forget(next(iter(self._pending)))

    def _forget(self, key: _Key) -> None:
        self.octets -= self._pending.pop(key).octets
