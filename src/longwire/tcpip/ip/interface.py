"""An interface: a device, the addresses that live on it, and on Ethernet its neighbours."""

from __future__ import annotations

from dataclasses import dataclass

from longwire.tcpip.addresses import (
    Address,
    Prefix,
    is_link_local,
    is_multicast,
    parse_address,
    solicited_node,
)
from longwire.tcpip.device import Device, Medium
from longwire.tcpip.ip.neighbors import NeighborCache
from longwire.tcpip.wire.packet import Packet
from longwire.tcpip.wire.tcp import Segment

__all__ = ["Assigned", "Interface"]

_ALL_HOSTS_V4 = parse_address("224.0.0.1")
_ALL_NODES_V6 = parse_address("ff02::1")


@dataclass(frozen=True, slots=True)
class Assigned:
    """An address of ours and the network that it belongs to."""

    address: Address
    prefix: Prefix

    @classmethod
    def parse(cls, text: str) -> Assigned:
        """Read ``10.0.0.1/24``. Raises ValueError, also when the prefix is missing."""
        address, slash, _ = text.partition("/")
        if not slash:
            raise ValueError(f"{text!r} lacks its prefix length, as in {text}/24")
        return cls(parse_address(address), Prefix.parse(text))


class Interface:
    """Made by a host. ``sends_icmp`` false makes it a hole that swallows packets silently."""

    def __init__(
        self, name: str, device: Device, mac: bytes, assigned: tuple[Assigned, ...], *, mtu: int
    ) -> None:
        self.name = name
        self.device = device
        self.mac = mac
        self.mtu = mtu
        self.is_up = True
        self.sends_icmp = True
        self.neighbors: NeighborCache | None = None
        """Set on Ethernet."""
        self.assigned = assigned
        self.addresses: tuple[Address, ...] = tuple(each.address for each in assigned)
        self.groups: frozenset[Address] = frozenset(
            [_ALL_HOSTS_V4, _ALL_NODES_V6]
            + [solicited_node(address) for address in self.addresses if len(address) == 16]
        )
        self.broadcasts: frozenset[Address] = frozenset(
            broadcast for each in assigned if (broadcast := each.prefix.broadcast())
        )

    @property
    def is_ethernet(self) -> bool:
        """Whether units are frames."""
        return self.device.medium is Medium.ETHERNET

    def splits(self, packet: Packet) -> bool:
        """Whether the device makes packets that fit out of this one, which does not."""
        payload = packet.payload
        return (
            isinstance(payload, Segment)
            and payload.piece_octets > 0
            and packet.length <= self.device.large_octets
        )

    def source_for(self, destination: Address) -> Address | None:
        """Return the address of ours to send from (RFC 6724 5, rules 1 and 2, and the prefix)."""
        best: tuple[bool, bool, int] | None = None
        chosen: Address | None = None
        for index, each in enumerate(self.assigned):
            if len(each.address) != len(destination):
                continue
            is_same_scope = is_link_local(each.address) == (
                is_link_local(destination) or (len(destination) == 16 and is_multicast(destination))
            )
            rank = (is_same_scope, destination in each.prefix, -index)
            if best is None or rank > best:
                best, chosen = rank, each.address
        return chosen
