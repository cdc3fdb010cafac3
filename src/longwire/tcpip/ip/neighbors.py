"""Which station has this address: a cache that asks, remembers, and asks again.

ARP (RFC 826, RFC 1122 2.3.2) and IPv6 neighbour discovery (RFC 4861 7) differ in the packets; the
cache does not see them. It calls ``ask`` to have a question sent, and ``give_up`` for each packet
whose next hop did not answer.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable

from longwire.tcpip.addresses import Address
from longwire.tcpip.durations import earliest
from longwire.tcpip.ip.limits import IpLimits
from longwire.tcpip.wire.packet import Packet

__all__ = ["NeighborCache"]


class _Entry:
    __slots__ = ("confirmed_ns", "mac", "next_probe_ns", "probes", "waiting")

    def __init__(self) -> None:
        self.mac: bytes | None = None
        self.confirmed_ns = 0
        self.probes = 0
        self.next_probe_ns: int | None = None
        self.waiting: deque[Packet] = deque()


class NeighborCache:
    """The stations of one interface.

    ``ask(address, mac, now_ns)`` sends a question, to ``mac`` where one is known and is to be
    confirmed, else to all.
    """

    def __init__(
        self,
        limits: IpLimits,
        ask: Callable[[Address, bytes | None, int], None],
        give_up: Callable[[Packet, int], None],
    ) -> None:
        self._limits = limits
        self._ask = ask
        self._give_up = give_up
        self._entries: OrderedDict[Address, _Entry] = OrderedDict()
        self._probing: OrderedDict[Address, _Entry] = OrderedDict()

    def lookup(self, address: Address) -> bytes | None:
        """Return what is known, however old."""
        entry = self._entries.get(address)
        return entry.mac if entry else None

    def knows(self, address: Address) -> bool:
        """Whether the station is known or was asked for."""
        return address in self._entries

    def resolve(self, address: Address, packet: Packet, now_ns: int) -> tuple[bytes | None, bool]:
        """Return the station to send ``packet`` to, or ``None`` after keeping the packet.

        The second value is false when the packet was not kept because too many wait already.
        """
        entry = self._entries.get(address)
        if entry is None:
            entry = self._entries[address] = _Entry()
            self._make_room()
        else:
            self._entries.move_to_end(address)
        if entry.mac is not None:
            if now_ns - entry.confirmed_ns > self._limits.neighbor_reachable_ns:
                self._start_probing(address, entry, now_ns)
            return entry.mac, True
        is_kept = len(entry.waiting) < self._limits.neighbor_queue_packets_max
        if is_kept:
            entry.waiting.append(packet)
        self._start_probing(address, entry, now_ns)
        return None, is_kept

    def confirm(self, address: Address, mac: bytes, now_ns: int) -> list[Packet]:
        """Take an answer; return the packets that waited for it."""
        entry = self._entries.get(address)
        if entry is None:
            entry = self._entries[address] = _Entry()
            self._make_room()
        entry.mac = mac
        entry.confirmed_ns = now_ns
        entry.probes = 0
        entry.next_probe_ns = None
        self._probing.pop(address, None)
        waiting = list(entry.waiting)
        entry.waiting.clear()
        return waiting

    def poll_at(self) -> int | None:
        """Return when the next question is due."""
        return earliest(*(entry.next_probe_ns for entry in self._probing.values()))

    def on_timer(self, now_ns: int) -> None:
        """Repeat the questions that are due; give up on stations that stay silent."""
        for address, entry in list(self._probing.items()):
            if entry.next_probe_ns is None or entry.next_probe_ns > now_ns:
                continue
            if entry.probes < self._limits.neighbor_probes_max:
                self._probe(address, entry, now_ns)
                continue
            del self._probing[address]
            del self._entries[address]
            for packet in entry.waiting:
                self._give_up(packet, now_ns)

    def _start_probing(self, address: Address, entry: _Entry, now_ns: int) -> None:
        if entry.next_probe_ns is None:
            self._probing[address] = entry
            self._probe(address, entry, now_ns)

    def _probe(self, address: Address, entry: _Entry, now_ns: int) -> None:
        entry.probes += 1
        entry.next_probe_ns = now_ns + self._limits.neighbor_probe_interval_ns
        self._ask(address, entry.mac, now_ns)

    def _make_room(self) -> None:
        if len(self._entries) > self._limits.neighbor_entries_max:
            address, _ = self._entries.popitem(last=False)
            self._probing.pop(address, None)
