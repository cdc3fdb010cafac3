"""What stands between hosts and was not asked for: filters, option strippers, address translators.

Each is a device around a device. Packets that pass as octets are read; what cannot be read passes
unchanged, as it would pass a box that does not look that far.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from longwire.tcpip.addresses import Address, Prefix
from longwire.tcpip.device import Device, DeviceWrapper, Unit
from longwire.tcpip.devices.rewriting import read_unit, rewrap, with_ports
from longwire.tcpip.reasons import Note, Notebook, Reason
from longwire.tcpip.wire.tcp import ACK, SYN, Segment
from longwire.tcpip.wire.udp import Datagram

__all__ = ["AddressTranslator", "OptionStripper", "SynFilter"]

_PORT_MAX = 0xFFFF


class SynFilter(DeviceWrapper):
    """A firewall that drops attempts to connect, silently, in the directions it is told.

    ``ports`` are the destination ports to protect; ``None``: all of them. Both directions of the
    wrapped device are filtered.
    """

    def __init__(
        self,
        inner: Device,
        *,
        ports: frozenset[int] | None = None,
        observer: Callable[[Note], None] | None = None,
    ) -> None:
        super().__init__(inner)
        self.ports = ports
        self.notebook = Notebook(observer)

    def _is_dropped(self, unit: Unit, now_ns: int) -> bool:
        read = read_unit(unit, self.medium)
        if read is None or not isinstance(read[1].payload, Segment):
            return False
        segment = read[1].payload
        is_attempt = segment.flags & (SYN | ACK) == SYN
        if not is_attempt or (
            self.ports is not None and segment.destination_port not in self.ports
        ):
            return False
        self.notebook.write(now_ns, Reason.FILTERED, f"{segment.destination_port}", unit)
        return True

    def send(self, unit: Unit, now_ns: int) -> None:
        if not self._is_dropped(unit, now_ns):
            self.inner.send(unit, now_ns)

    def receive(self, now_ns: int) -> list[Unit]:
        return [unit for unit in self.inner.receive(now_ns) if not self._is_dropped(unit, now_ns)]


class OptionStripper(DeviceWrapper):
    """A box that takes TCP options out of what it passes.

    ``names`` are fields of a segment: ``mss``, ``window_scale``, ``sack_permitted``, ``timestamp``,
    ``sack``. Raises ValueError for another.
    """

    NAMES = frozenset(("mss", "window_scale", "sack_permitted", "timestamp", "sack"))

    def __init__(self, inner: Device, names: frozenset[str] = NAMES) -> None:
        super().__init__(inner)
        unknown = names - self.NAMES
        if unknown:
            raise ValueError(
                f"option {sorted(unknown)[0]!r} is unknown; it is one of "
                f"{', '.join(sorted(self.NAMES))}"
            )
        self.names = names

    def _strip(self, unit: Unit) -> Unit:
        read = read_unit(unit, self.medium)
        if read is None or not isinstance(read[1].payload, Segment):
            return unit
        frame, packet = read
        segment = read[1].payload
        stripped = Segment(
            segment.source_port,
            segment.destination_port,
            segment.sequence,
            segment.acknowledgment,
            segment.flags,
            segment.window,
            segment.text,
            urgent=segment.urgent,
            mss=None if "mss" in self.names else segment.mss,
            window_scale=None if "window_scale" in self.names else segment.window_scale,
            sack_permitted=segment.sack_permitted and "sack_permitted" not in self.names,
            sack=() if "sack" in self.names else segment.sack,
            timestamp=None if "timestamp" in self.names else segment.timestamp,
            timestamp_echo=0 if "timestamp" in self.names else segment.timestamp_echo,
            piece_octets=segment.piece_octets,
        )
        return rewrap(frame, packet.replace(payload=stripped))

    def send(self, unit: Unit, now_ns: int) -> None:
        self.inner.send(self._strip(unit), now_ns)

    def receive(self, now_ns: int) -> list[Unit]:
        return [self._strip(unit) for unit in self.inner.receive(now_ns)]


@dataclass(slots=True)
class _Mapping:
    inside: tuple[Address, int]
    outside_port: int
    used_ns: int


class AddressTranslator(DeviceWrapper):
    """A NAT: gives the flows of an inside network one outside address (RFC 4787, RFC 5382).

    It wraps the outside device of a router. What leaves from ``inside`` gets the outside address
    and a port of its own, whoever it is for; what comes to that port goes back inside, and only
    from there is a mapping made. A mapping that was not used for ``idle_ns`` is forgotten without
    a word: what comes for it then is dropped, and what is sent gets another port. Only TCP and UDP
    are translated; ICMP about them is not. Raises ValueError when ``mappings_max`` needs more ports
    than there are.
    """

    def __init__(
        self,
        inner: Device,
        *,
        inside: Prefix,
        outside: Address,
        idle_ns: int,
        first_port: int = 20_000,
        mappings_max: int = 1024,
        observer: Callable[[Note], None] | None = None,
    ) -> None:
        super().__init__(inner)
        if mappings_max > _PORT_MAX - first_port:
            raise ValueError(
                f"{mappings_max} mappings need more ports than there are from {first_port} on"
            )
        self.inside = inside
        self.outside = outside
        self.idle_ns = idle_ns
        self.mappings_max = mappings_max
        self.notebook = Notebook(observer)
        self._first_port = self._next_port = first_port
        self._by_inside: dict[tuple[int, Address, int], _Mapping] = {}
        self._by_port: dict[tuple[int, int], _Mapping] = {}

    def __len__(self) -> int:
        return len(self._by_port)

    def forget_all(self) -> None:
        """Lose every mapping, as a box does that restarts."""
        self._by_inside.clear()
        self._by_port.clear()

    def _expire(self, now_ns: int) -> None:
        for key, mapping in list(self._by_port.items()):
            if now_ns - mapping.used_ns >= self.idle_ns:
                del self._by_port[key]
                del self._by_inside[(key[0], *mapping.inside)]

    def _mapping_for(
        self, protocol: int, inside: tuple[Address, int], now_ns: int
    ) -> _Mapping | None:
        mapping = self._by_inside.get((protocol, *inside))
        if mapping is None:
            if len(self._by_port) >= self.mappings_max:
                return None
            mapping = _Mapping(inside, self._free_port(protocol), now_ns)
            self._by_inside[(protocol, *inside)] = mapping
            self._by_port[(protocol, mapping.outside_port)] = mapping
        mapping.used_ns = now_ns
        return mapping

    def _free_port(self, protocol: int) -> int:
        """Return the next port that no mapping has; there is one, since mappings are fewer."""
        while True:
            port = self._next_port
            self._next_port = self._first_port if port == _PORT_MAX else port + 1
            if (protocol, port) not in self._by_port:
                return port

    def send(self, unit: Unit, now_ns: int) -> None:
        read = read_unit(unit, self.medium)
        if read is None or read[1].source not in self.inside:
            self.inner.send(unit, now_ns)
            return
        frame, packet = read
        self._expire(now_ns)
        transport = packet.payload
        assert isinstance(transport, Segment | Datagram)
        inside = (packet.source, transport.source_port)
        mapping = self._mapping_for(packet.protocol, inside, now_ns)
        if mapping is None:
            self.notebook.write(now_ns, Reason.NAT_FULL, unit=unit)
            return
        moved = with_ports(transport, mapping.outside_port, transport.destination_port)
        self.inner.send(rewrap(frame, packet.replace(source=self.outside, payload=moved)), now_ns)

    def receive(self, now_ns: int) -> list[Unit]:
        passed: list[Unit] = []
        for unit in self.inner.receive(now_ns):
            read = read_unit(unit, self.medium)
            if read is None or read[1].destination != self.outside:
                passed.append(unit)
                continue
            frame, packet = read
            self._expire(now_ns)
            transport = packet.payload
            assert isinstance(transport, Segment | Datagram)
            mapping = self._by_port.get((packet.protocol, transport.destination_port))
            if mapping is None:
                self.notebook.write(
                    now_ns, Reason.NAT_NO_MAPPING, f"{transport.destination_port}", unit
                )
                continue
            mapping.used_ns = now_ns
            address, port = mapping.inside
            moved = with_ports(transport, transport.source_port, port)
            passed.append(rewrap(frame, packet.replace(destination=address, payload=moved)))
        return passed
