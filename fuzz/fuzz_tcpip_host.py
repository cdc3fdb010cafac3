"""A whole host under any frames and waits: nothing raises, no table grows past its bound."""

import sys

import atheris

with atheris.instrument_imports(include=["longwire"]):
    from longwire.tcpip.device import Medium
    from longwire.tcpip.devices.wire_pair import wire_pair
    from longwire.tcpip.host import Host
    from longwire.tcpip.ip.limits import IpLimits
    from longwire.tcpip.randomness import RandomStream
    from longwire.tcpip.wire.errors import WireError
    from longwire.tcpip.wire.ethernet import EthernetFrame
    from longwire.tcpip.wire.icmp import Echo
    from longwire.tcpip.wire.ip import decode_packet, encode_packet
    from longwire.tcpip.wire.packet import Packet
    from longwire.tcpip.wire.tcp import Segment
    from longwire.tcpip.wire.udp import Datagram

PREFIX = b"\xfd" + bytes(14)
OURS = (b"\x0a\0\0\x01", PREFIX + b"\x01")
THEIRS = (b"\x0a\0\0\x02", PREFIX + b"\x02")
MAC, PEER_MAC = b"\x02" + bytes(5), b"\x02" + bytes(4) + b"\x01"
ETHERTYPES = (0x0800, 0x86DD)
PORTS = (80, 80, 53, 9)
# So small that an input of some kilobytes reaches them.
LIMITS = IpLimits(
    reassembly_datagrams_max=3,
    reassembly_octets_max=8192,
    reassembly_fragments_max=4,
    neighbor_entries_max=4,
    path_mtu_entries_max=3,
)
BACKLOG = 2
# So many in the making, and so many that wait for the application.
CONNECTIONS_MAX = 2 * BACKLOG
WAITS_NS = (0, 0, 0, 1_000_000, 1_000_000_000, 61_000_000_000)


def any_payload(data: atheris.FuzzedDataProvider) -> tuple[int, Segment | Datagram | Echo | bytes]:
    """Return a protocol number and what it carries, right or any octets."""
    choice = data.ConsumeIntInRange(0, 5)
    port = PORTS[data.ConsumeIntInRange(0, 3)]
    if choice <= 1:
        return 6, Segment(
            data.ConsumeIntInRange(4000, 4008),
            port,
            data.ConsumeIntInRange(0, 0xFFFFFFFF),
            data.ConsumeIntInRange(0, 0xFFFFFFFF),
            data.ConsumeIntInRange(0, 255),
            data.ConsumeIntInRange(0, 0xFFFF),
            bytes(data.ConsumeIntInRange(0, 100)),
        )
    if choice == 2:
        return 17, Datagram(4000, port, bytes(data.ConsumeIntInRange(0, 100)))
    if choice == 3:
        return data.ConsumeIntInRange(0, 1) * 57 + 1, Echo(False, 1, 1, bytes(8))
    protocol = (1, 6, 17, 44, 58, 0, 43, 60)[data.ConsumeIntInRange(0, 7)]
    return protocol, data.ConsumeBytes(data.ConsumeIntInRange(0, 120))


def any_octets(data: atheris.FuzzedDataProvider, medium: Medium) -> bytes:
    """Return a packet or a frame: a right one, one with flipped octets, or anything at all."""
    if data.ConsumeIntInRange(0, 7) == 0:
        return data.ConsumeBytes(data.ConsumeIntInRange(0, 200))
    version = data.ConsumeIntInRange(0, 1)
    protocol, payload = any_payload(data)
    source = THEIRS[version][:-1] + bytes((data.ConsumeIntInRange(0, 20),))
    is_fragment = isinstance(payload, bytes) and data.ConsumeBool()
    packet = Packet(
        source,
        OURS[version],
        protocol,
        payload,
        identification=data.ConsumeIntInRange(0, 7) if is_fragment else 0,
        fragment_offset=data.ConsumeIntInRange(0, 40) * 8 if is_fragment else 0,
        more_fragments=is_fragment and data.ConsumeBool(),
    )
    octets = bytearray(encode_packet(packet))
    if data.ConsumeIntInRange(0, 3) == 0:
        octets[data.ConsumeIntInRange(0, len(octets) - 1)] ^= data.ConsumeIntInRange(0, 255)
    if medium is Medium.IP:
        return bytes(octets)
    return EthernetFrame(MAC, PEER_MAC, ETHERTYPES[version], bytes(octets)).encode()


def check_bounds(host: Host) -> None:
    reassembler = host.ip.reassembler
    assert len(reassembler) <= LIMITS.reassembly_datagrams_max
    assert reassembler.octets <= LIMITS.reassembly_octets_max
    assert len(host.tcp.connections) <= CONNECTIONS_MAX
    for interface in host.ip.interfaces:
        if interface.neighbors is not None:
            assert len(interface.neighbors._entries) <= LIMITS.neighbor_entries_max


def test_one_input(octets: bytes) -> None:
    data = atheris.FuzzedDataProvider(octets)
    medium = Medium.ETHERNET if data.ConsumeBool() else Medium.IP
    ours, theirs = wire_pair(medium)
    host = Host("host", entropy=RandomStream(1), limits=LIMITS, is_router=data.ConsumeBool())
    host.add_interface(ours, ["10.0.0.1/24", "fd00::1/64"], mac=MAC)
    host.listen(80, backlog=BACKLOG)
    host.open_udp(53)
    now_ns = 0
    for _ in range(100):
        if not data.remaining_bytes():
            break
        now_ns += WAITS_NS[data.ConsumeIntInRange(0, len(WAITS_NS) - 1)]
        theirs.send(any_octets(data, medium), now_ns)
        host.poll(now_ns)
        for unit in theirs.receive(now_ns):
            check_sent(unit)
        check_bounds(host)
    at_ns = host.poll_at()
    assert at_ns is None or at_ns > now_ns


def check_sent(unit: Packet | EthernetFrame | bytes) -> None:
    """What the host sends is what its own codecs read."""
    try:
        if isinstance(unit, EthernetFrame):
            EthernetFrame.parse(unit.encode())
        elif isinstance(unit, Packet):
            decode_packet(encode_packet(unit))
    except WireError as problem:
        raise AssertionError(f"{unit} does not read itself") from problem


atheris.Setup(sys.argv, test_one_input)
atheris.Fuzz()
