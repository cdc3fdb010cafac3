"""Hosts: neighbours, echo, UDP, fragments, routers, path MTU, ICMP errors."""

from __future__ import annotations

import pytest

from longwire.tcpip.addresses import Prefix, parse_address
from longwire.tcpip.device import DeviceWrapper, Medium, Unit
from longwire.tcpip.devices.wire_pair import wire_pair
from longwire.tcpip.durations import SECOND
from longwire.tcpip.host import Host
from longwire.tcpip.reasons import Reason
from longwire.tcpip.sockets import AddressInUse, Readiness, SocketError
from longwire.tcpip.wire.ethernet import EthernetFrame
from longwire.tcpip.wire.icmp import Echo, ErrorKind, IcmpError
from longwire.tcpip.wire.ip import encode_packet
from longwire.tcpip.wire.ndp import NeighborSolicitation
from longwire.tcpip.wire.packet import Packet
from longwire.tcpip.wire.tcp import Segment
from longwire.tcpip.wire.udp import Datagram
from tests.unit.tcpip.world import Spy, World, two_hosts

A4, B4 = parse_address("10.0.0.1"), parse_address("10.0.0.2")
A6, B6 = parse_address("fd00::1"), parse_address("fd00::2")
ADDRESSES = pytest.mark.parametrize("target", ["10.0.0.2", "fd00::2"])
MEDIA = pytest.mark.parametrize("medium", list(Medium))


@MEDIA
@ADDRESSES
def test_host_answers_ping(medium: Medium, target: str) -> None:
    world, a, _, _, _ = two_hosts(medium)
    ping = a.open_ping()
    ping.send(parse_address(target), 7, b"payload", 0)
    world.run()
    answer = ping.receive()
    assert answer is not None
    assert (answer.address, answer.sequence, answer.data) == (parse_address(target), 7, b"payload")
    assert answer.error is None
    assert a.take_ready() == [ping]
    assert ping.receive() is None


def test_host_talks_to_itself() -> None:
    world, a, _, first, _ = two_hosts()
    ping = a.open_ping()
    for target in (A4, A6, parse_address("127.0.0.1"), parse_address("::1")):
        ping.send(target, 1, b"", 0)
    world.run()
    answers = [ping.receive() for _ in range(4)]
    assert [answer.address for answer in answers if answer] == [
        A4,
        A6,
        parse_address("127.0.0.1"),
        parse_address("::1"),
    ]
    assert first.sent == []


@MEDIA
@ADDRESSES
def test_udp_datagram_arrives_with_its_addresses(medium: Medium, target: str) -> None:
    world, a, b, _, _ = two_hosts(medium)
    server, client = b.open_udp(53), a.open_udp()
    client.send(b"question", 0, parse_address(target), 53)
    world.run()
    assert b.take_ready() == [server]
    assert server.readiness == Readiness.READABLE | Readiness.WRITABLE
    received = server.receive()
    assert received is not None
    assert (received.data, received.port) == (b"question", client.local_port)
    assert received.local_address == parse_address(target)
    server.send(b"answer", world.now_ns, received.address, received.port)
    world.run()
    answer = client.receive()
    assert answer is not None
    assert answer.data == b"answer"


@ADDRESSES
def test_1122_4_1_3_1_closed_udp_port_is_reported_to_a_connected_socket(target: str) -> None:
    world, a, b, _, _ = two_hosts()
    client = a.open_udp()
    client.connect(parse_address(target), 9)
    client.send(b"hello", 0)
    world.run()
    assert b.notebook.count(Reason.UDP_PORT_CLOSED) == 1
    assert client.readiness & Readiness.FAILED
    error = client.take_error()
    assert error is not None
    assert error.kind is ErrorKind.PORT_UNREACHABLE
    assert client.take_error() is None


def test_connected_udp_socket_takes_datagrams_of_its_peer_only() -> None:
    world, a, b, _, _ = two_hosts()
    server, other, client = b.open_udp(53), b.open_udp(54), a.open_udp()
    client.connect(B4, 53)
    other.send(b"forged", 0, A4, client.local_port)
    server.send(b"real", 0, A4, client.local_port)
    world.run()
    received = client.receive()
    assert received is not None
    assert received.data == b"real"
    assert client.receive() is None


def test_udp_port_is_given_once_and_given_back() -> None:
    _, a, _, _, _ = two_hosts()
    first = a.open_udp(53)
    with pytest.raises(AddressInUse):
        a.open_udp(53)
    bound = a.open_udp(53, address="10.0.0.1")
    first.close()
    bound.close()
    with pytest.raises(SocketError):
        first.send(b"", 0, B4, 1)
    a.open_udp(53)


def test_udp_socket_bound_to_an_address_goes_before_one_for_any() -> None:
    world, a, b, _, _ = two_hosts()
    anywhere, bound = b.open_udp(53), b.open_udp(53, address="10.0.0.2")
    client = a.open_udp()
    client.send(b"four", 0, B4, 53)
    client.send(b"six", 0, B6, 53)
    world.run()
    four, six = bound.receive(), anywhere.receive()
    assert four is not None
    assert six is not None
    assert (four.data, six.data) == (b"four", b"six")


def test_udp_queue_is_bounded() -> None:
    world, a, b, _, _ = two_hosts()
    server, client = b.open_udp(53), a.open_udp()
    for _ in range(200):
        client.send(bytes(1400), 0, B4, 53)
    world.run()
    assert server.queued_octets <= 256 * 1024
    assert b.notebook.count(Reason.SOCKET_QUEUE_FULL) == 200 - 256 * 1024 // 1400


@pytest.mark.parametrize(("target", "pieces"), [("10.0.0.2", 7), ("fd00::2", 8)])
def test_large_datagram_is_fragmented_and_reassembled(target: str, pieces: int) -> None:
    world, a, b, first, _ = two_hosts()
    server, client = b.open_udp(53), a.open_udp()
    data = bytes(range(256)) * 40
    client.send(data, 0, parse_address(target), 53)
    world.run()
    assert len(first.sent) == pieces
    assert all(packet.length <= 1500 for packet in first.packets)
    received = server.receive()
    assert received is not None
    assert received.data == data


def test_datagram_that_is_too_long_is_refused() -> None:
    _, a, _, _, _ = two_hosts()
    client = a.open_udp()
    with pytest.raises(SocketError) as caught:
        client.send(bytes(65_508), 0, B4, 53)
    assert caught.value.reason is Reason.PACKET_TOO_BIG
    with pytest.raises(SocketError) as caught:
        client.send(b"", 0)
    assert caught.value.reason is Reason.SOCKET_NOT_CONNECTED


@pytest.mark.parametrize("target", ["192.0.2.1", "2001:db8::1"])
def test_no_route_is_told_at_once(target: str) -> None:
    _, a, _, _, _ = two_hosts()
    with pytest.raises(SocketError) as caught:
        a.open_udp().send(b"", 0, parse_address(target), 53)
    assert caught.value.reason is Reason.NO_ROUTE


@pytest.mark.parametrize("target", ["10.0.0.77", "fd00::77"])
def test_4861_7_2_2_silent_neighbor_makes_the_host_unreachable(target: str) -> None:
    world, a, _, first, _ = two_hosts(Medium.ETHERNET)
    ping = a.open_ping()
    ping.send(parse_address(target), 1, b"", 0)
    world.run()
    answer = ping.receive()
    assert answer is not None
    assert answer.error is not None
    assert answer.error.kind is ErrorKind.HOST_UNREACHABLE
    assert world.now_ns == 3 * SECOND
    assert len(first.sent) == 3


def test_neighbor_is_asked_once_for_many_packets_and_again_when_old() -> None:
    world, a, b, first, _ = two_hosts(Medium.ETHERNET)
    server, client = b.open_udp(53), a.open_udp()
    for number in range(10):
        client.send(bytes([number]), 0, B4, 53)
    world.run()
    # Eight wait for the answer, which is the bound; the first question was enough.
    assert [received.data[0] for _ in range(8) if (received := server.receive())] == [*range(8)]
    assert a.notebook.count(Reason.NEIGHBOR_QUEUE_FULL) == 2
    questions = [unit for unit in first.sent if _is_arp(unit)]
    assert len(questions) == 1
    world.sleep(31)
    client.send(b"later", world.now_ns, B4, 53)
    world.run()
    received = server.receive()
    assert received is not None
    questions = [unit for unit in first.sent if _is_arp(unit)]
    assert len(questions) == 2
    # A known station is asked by name, not by broadcast (RFC 1122 2.3.2.1).
    assert isinstance(questions[1], EthernetFrame)
    assert not questions[1].destination[0] & 1


def _is_arp(unit: object) -> bool:
    return isinstance(unit, EthernetFrame) and unit.ethertype == 0x0806


def test_neighbor_that_went_away_is_forgotten() -> None:
    world, a, _, first, _ = two_hosts(Medium.ETHERNET)
    ping = a.open_ping()
    ping.send(B4, 1, b"", 0)
    world.run()
    assert ping.receive() is not None
    first.swallow = lambda unit: True
    world.sleep(31)
    ping.send(B4, 2, b"", world.now_ns)
    world.sleep(4)
    ping.send(B4, 3, b"", world.now_ns)
    world.run()
    answer = ping.receive()
    assert answer is not None
    assert answer.sequence == 3
    assert answer.error is not None


def routed(medium: Medium = Medium.IP, *, far_mtu: int = 1500) -> tuple[World, Host, Host, Host]:
    """a - router - b, the second link taking packets of ``far_mtu``."""
    world = World()
    a, router, b = world.host("a"), world.host("r", is_router=True), world.host("b")
    near, far = wire_pair(medium), wire_pair(medium, far_mtu)
    a.add_interface(near[0], ["10.0.1.1/24", "fd01::1/64"])
    router.add_interface(near[1], ["10.0.1.254/24", "fd01::fe/64"])
    router.add_interface(far[0], ["10.0.2.254/24", "fd02::fe/64"])
    b.add_interface(far[1], ["10.0.2.1/24", "fd02::1/64"])
    a.add_route("default", gateway="10.0.1.254")
    a.add_route("default", gateway="fd01::fe")
    b.add_route("default", gateway="10.0.2.254")
    b.add_route("default", gateway="fd02::fe")
    return world, a, router, b


FAR = pytest.mark.parametrize("target", ["10.0.2.1", "fd02::1"])


@MEDIA
@FAR
def test_router_forwards_and_counts_down_the_hop_limit(medium: Medium, target: str) -> None:
    world, a, _, _ = routed(medium)
    ping = a.open_ping()
    ping.send(parse_address(target), 1, b"", 0)
    world.run()
    answer = ping.receive()
    assert answer is not None
    assert answer.hop_limit == 63


@FAR
def test_1812_5_3_1_router_reports_that_the_hop_limit_ran_out(target: str) -> None:
    world, a, router, _ = routed()
    ping = a.open_ping()
    ping.send(parse_address(target), 1, b"", 0, hop_limit=1)
    world.run()
    answer = ping.receive()
    assert answer is not None
    assert answer.error is not None
    assert answer.error.kind is ErrorKind.HOP_LIMIT
    assert router.notebook.count(Reason.HOP_LIMIT_REACHED) == 1


@pytest.mark.parametrize("target", ["192.0.2.1", "2001:db8::1"])
def test_router_reports_that_it_has_no_route(target: str) -> None:
    world, a, _, _ = routed()
    ping = a.open_ping()
    ping.send(parse_address(target), 1, b"", 0)
    world.run()
    answer = ping.receive()
    assert answer is not None
    assert answer.error is not None
    assert answer.error.kind is ErrorKind.NO_ROUTE


def test_host_that_is_no_router_does_not_forward() -> None:
    world, a, router, _ = routed()
    router.ip.is_router = False
    ping = a.open_ping()
    ping.send(parse_address("10.0.2.1"), 1, b"", 0)
    world.run()
    assert ping.receive() is None
    assert router.notebook.count(Reason.DESTINATION_NOT_OURS) == 1


def test_791_router_fragments_ipv4_that_may_be() -> None:
    world, a, _, b = routed(far_mtu=600)
    server, client = b.open_udp(53), a.open_udp()
    client.send(bytes(1400), 0, parse_address("10.0.2.1"), 53)
    world.run()
    received = server.receive()
    assert received is not None
    assert received.data == bytes(1400)


@FAR
def test_1191_and_8201_path_mtu_is_learnt_and_used(target: str) -> None:
    world, a, _, b = routed(far_mtu=1300)
    server, client = b.open_udp(53), a.open_udp()
    client.dont_fragment = True
    client.send(bytes(1400), 0, parse_address(target), 53)
    world.run()
    assert server.receive() is None
    assert a.ip.mtu_toward(parse_address(target), world.now_ns) == 1300
    if target.startswith("fd"):
        # IPv6 fragments at the source from now on.
        client.send(bytes(1400), world.now_ns, parse_address(target), 53)
        world.run()
        received = server.receive()
        assert received is not None
    else:
        with pytest.raises(SocketError) as caught:
            client.send(bytes(1400), world.now_ns, parse_address(target), 53)
        assert caught.value.reason is Reason.PACKET_TOO_BIG
    # RFC 8201 5.3: after ten minutes a larger one is tried again.
    assert a.ip.mtu_toward(parse_address(target), world.now_ns + 601 * SECOND) == 1500


def inject(world: World, end: Spy, packet: Packet) -> None:
    """Put a packet on the wire as if the host at ``end`` had sent it, in octets."""
    end.inner.send(encode_packet(packet), world.now_ns)
    world.run()


@pytest.mark.parametrize("mtu", [0, 68, 600])
def test_5927_forged_too_big_without_our_packet_is_disbelieved(mtu: int) -> None:
    world, a, _, _, second = two_hosts()
    a.open_udp(5000)
    quoted = encode_packet(Packet(A4, B4, 17, Datagram(5001, 53, bytes(100))))
    error = IcmpError.make(ErrorKind.PACKET_TOO_BIG, 4, quoted, mtu=mtu)
    inject(world, second, Packet(B4, A4, 1, error))
    assert a.notebook.count(Reason.ICMP_QUOTE_INVALID) == 1
    assert a.ip.mtu_toward(B4, 0) == 1500


@pytest.mark.parametrize(
    ("reported", "believed"), [(0, 1006), (68, 552), (1000, 1000), (1492, 1500), (9000, 1500)]
)
def test_1191_7_1_reported_mtu_is_checked(reported: int, believed: int) -> None:
    world, a, _, _, second = two_hosts()
    a.open_udp(5000)
    quoted = encode_packet(Packet(A4, B4, 17, Datagram(5000, 53, bytes(1400))))
    error = IcmpError.make(ErrorKind.PACKET_TOO_BIG, 4, quoted, mtu=reported)
    inject(world, second, Packet(B4, A4, 1, error))
    assert a.ip.mtu_toward(B4, 0) == believed


def test_8201_4_mtu_below_1280_is_disbelieved() -> None:
    world, a, _, _, second = two_hosts()
    a.open_udp(5000)
    quoted = encode_packet(Packet(A6, B6, 17, Datagram(5000, 53, bytes(1400))))
    error = IcmpError.make(ErrorKind.PACKET_TOO_BIG, 16, quoted, mtu=1279)
    inject(world, second, Packet(B6, A6, 58, error))
    assert a.ip.mtu_toward(B6, 0) == 1500


def no_answer(packet: Packet) -> None:
    """Nothing comes back for this packet."""
    world, _, b, first, second = two_hosts()
    b.open_udp(53)
    inject(world, first, packet)
    assert second.sent == []


CLOSED = Datagram(1000, 9, b"")


def test_1122_3_2_2_no_icmp_error_about_what_must_not_have_one() -> None:
    broadcast = parse_address("10.0.0.255")
    no_answer(Packet(A4, broadcast, 17, CLOSED))
    no_answer(Packet(A4, parse_address("255.255.255.255"), 17, CLOSED))
    no_answer(Packet(A4, parse_address("224.0.0.1"), 17, CLOSED))
    no_answer(Packet(parse_address("0.0.0.0"), B4, 17, CLOSED))
    no_answer(Packet(parse_address("224.1.1.1"), B4, 17, CLOSED))
    no_answer(Packet(A4, B4, 1, IcmpError.make(ErrorKind.HOP_LIMIT, 4, bytes(28))))
    no_answer(Packet(A4, broadcast, 1, Echo(False, 1, 1, b"")))
    no_answer(Packet(A6, parse_address("ff02::1"), 17, CLOSED))
    no_answer(Packet(A6, B6, 58, IcmpError(1, 99, 0, bytes(48), 16)))
    no_answer(Packet(parse_address("127.0.0.1"), B4, 1, Echo(False, 1, 1, b"")))


@pytest.mark.parametrize(("source", "target"), [(A4, B4), (A6, B6)])
def test_unknown_protocol_is_reported(source: bytes, target: bytes) -> None:
    world, _, _, first, second = two_hosts()
    inject(world, first, Packet(source, target, 99, b"payload"))
    (answer,) = second.packets
    assert isinstance(answer.payload, IcmpError)
    assert answer.payload.kind is ErrorKind.PROTOCOL_UNREACHABLE
    quoted = encode_packet(Packet(source, target, 99, b"payload"))
    assert answer.payload.quote == quoted


def test_4443_2_4_icmp_errors_are_limited() -> None:
    world, _, b, first, second = two_hosts()
    for number in range(200):
        first.inner.send(Packet(A4, B4, 17, Datagram(1000 + number, 9, b"")), 0)
    world.run()
    assert len(second.sent) == 50
    assert b.notebook.count(Reason.ICMP_RATE_LIMITED) == 150
    world.sleep(0.01)
    for number in range(200):
        first.inner.send(Packet(A4, B4, 17, Datagram(1000 + number, 9, b"")), world.now_ns)
    world.run()
    assert len(second.sent) == 60


def test_1122_3_2_2_error_quote_is_bounded() -> None:
    world, _, _, first, second = two_hosts()
    inject(world, first, Packet(A4, B4, 17, Datagram(1000, 9, bytes(1400))))
    inject(world, first, Packet(A6, B6, 17, Datagram(1000, 9, bytes(1400))))
    assert [packet.length for packet in second.packets] == [576, 1280]


GROUP = parse_address("ff02::1")


@MEDIA
@pytest.mark.parametrize(
    ("kind", "body", "target", "answer"),
    [
        # An option that asks for an error, with and without a group as destination.
        (0, b"\x11\0\x81\x04\0\0\0\0", B6, (4, 2, 42)),
        (0, b"\x11\0\xc1\x04\0\0\0\0", B6, (4, 2, 42)),
        (0, b"\x11\0\x81\x04\0\0\0\0", GROUP, (4, 2, 42)),
        (0, b"\x11\0\xc1\x04\0\0\0\0", GROUP, None),
        # One that asks to be dropped in silence.
        (0, b"\x11\0\x41\x04\0\0\0\0", B6, None),
        # A routing header with segments left, and a fragment of odd length.
        (43, b"\x11\0\0\x01\0\0\0\0", B6, (4, 0, 42)),
        (44, b"\x11\0\0\x01\0\0\0\x01" + bytes(9), B6, (4, 0, 4)),
    ],
)
def test_8200_4_sender_is_told_which_octet_is_wrong(
    medium: Medium, kind: int, body: bytes, target: bytes, answer: tuple[int, int, int] | None
) -> None:
    world, _, b, first, second = two_hosts(medium)
    octets = b"\x60\0\0\0\0" + bytes([len(body), kind, 64]) + A6 + target + body
    if medium is Medium.ETHERNET:
        octets = b.ip.interfaces[0].mac + b"\x02" + bytes(5) + b"\x86\xdd" + octets
    first.inner.send(octets, 0)
    world.run()
    packets = [unit.payload if isinstance(unit, EthernetFrame) else unit for unit in second.sent]
    errors = [
        packet.payload
        for packet in packets
        if isinstance(packet, Packet) and isinstance(packet.payload, IcmpError)
    ]
    found = [(error.type, error.code, error.word) for error in errors]
    assert found == ([] if answer is None else [answer])


def test_1122_3_2_2_5_sender_is_told_of_a_wrong_ipv4_option() -> None:
    world, _, _, first, second = two_hosts()
    inject(world, first, Packet(A4, B4, 17, bytes(8), options=b"\x44\x00\x00\x00"))
    (answer,) = second.packets
    assert isinstance(answer.payload, IcmpError)
    assert (answer.payload.type, answer.payload.word >> 24) == (12, 21)


def test_redirect_and_source_quench_change_nothing() -> None:
    world, a, _, _, second = two_hosts()
    a.open_udp(5000)
    quoted = encode_packet(Packet(A4, B4, 17, Datagram(5000, 53, b"")))
    for kind in (ErrorKind.REDIRECT, ErrorKind.SOURCE_QUENCH):
        inject(world, second, Packet(B4, A4, 1, IcmpError.make(kind, 4, quoted)))
    assert a.notebook.count(Reason.ICMP_TYPE_UNKNOWN) == 2


def test_4861_7_1_neighbor_discovery_from_beyond_the_link_is_dropped() -> None:
    world, _, b, first, second = two_hosts(Medium.ETHERNET)
    message = NeighborSolicitation(B6, b"\x02" + bytes(5))
    packet = Packet(A6, B6, 58, message, hop_limit=254)
    mac = b.ip.interfaces[0].mac
    first.inner.send(EthernetFrame(mac, b"\x02" + bytes(5), 0x86DD, packet), 0)
    world.run()
    assert second.sent == []
    assert b.notebook.count(Reason.NDP_HOP_LIMIT) == 1


def test_frame_for_another_station_is_dropped() -> None:
    world, _, b, first, _ = two_hosts(Medium.ETHERNET)
    packet = Packet(A4, B4, 17, CLOSED)
    first.inner.send(EthernetFrame(b"\x02\x99" + bytes(4), bytes(6), 0x0800, packet), 0)
    world.run()
    assert b.notebook.count(Reason.ETHERNET_NOT_FOR_US) == 1


def test_interface_that_is_down_passes_nothing() -> None:
    world, _, b, first, _ = two_hosts()
    b.ip.interfaces[0].is_up = False
    first.inner.send(Packet(A4, B4, 17, CLOSED), 0)
    world.run()
    assert b.notebook.count(Reason.INTERFACE_DOWN) == 1
    with pytest.raises(SocketError):
        b.open_udp().send(b"", 0, A4, 53)


def test_addresses_are_written_with_their_prefix() -> None:
    world = World()
    host = world.host("a")
    with pytest.raises(ValueError, match="lacks its prefix length"):
        host.add_interface(wire_pair()[0], ["10.0.0.1"])
    with pytest.raises(ValueError, match="needs an interface"):
        host.add_route("default", gateway="10.9.9.9")


def test_ports_run_out_with_an_error() -> None:
    _, a, _, _, _ = two_hosts()
    taken = {a.open_udp().local_port for _ in range(60_999 - 32_768 + 1)}
    assert len(taken) == 60_999 - 32_768 + 1
    with pytest.raises(AddressInUse):
        a.open_udp()


def test_route_over_an_interface_that_is_up_is_taken_and_left_again() -> None:
    world = World()
    host = world.host("a")
    fast = host.add_interface(wire_pair()[0], ["10.0.1.1/24"], name="fast")
    slow = host.add_interface(wire_pair()[0], ["10.0.2.1/24"], name="slow")
    host.add_route("192.0.2.0/24", gateway="10.0.1.254")
    host.add_route("192.0.0.0/16", gateway="10.0.2.254")
    target = parse_address("192.0.2.7")

    def chosen() -> str:
        route = host.ip.routes.find(target)
        assert route is not None
        return str(route)

    assert chosen() == "192.0.2.0/24 via 10.0.1.254 dev fast"
    fast.is_up = False
    assert chosen() == "192.0.0.0/16 via 10.0.2.254 dev slow"
    assert chosen() == "192.0.0.0/16 via 10.0.2.254 dev slow"
    fast.is_up = True
    assert chosen() == "192.0.2.0/24 via 10.0.1.254 dev fast"
    host.ip.routes.remove(Prefix.parse("192.0.2.0/24"))
    assert chosen() == "192.0.0.0/16 via 10.0.2.254 dev slow"
    slow.is_up = False
    assert host.ip.routes.find(target) is None
    assert next(str(route) for route in host.ip.routes).startswith("10.0.1.0/24 dev fast")


class OneAtATime(DeviceWrapper):
    """Gives one packet at each call, as a TUN device gives 64."""

    def __init__(self, inner: Spy) -> None:
        super().__init__(inner)
        self._waiting: list[Unit] = []

    def receive(self, now_ns: int) -> list[Unit]:
        self._waiting += super().receive(now_ns)
        return [self._waiting.pop(0)] if self._waiting else []

    def poll_at(self) -> int | None:
        return 0 if self._waiting else super().poll_at()


@pytest.mark.parametrize(("queued", "repetitions"), [(15, 0), (40, 1)])
def test_timers_wait_a_while_for_what_lies_in_the_device(queued: int, repetitions: int) -> None:
    """A host that did not run for two seconds, while the last ACK of a handshake had come."""
    world = World()
    first, second = (Spy(end) for end in wire_pair(Medium.IP, 1500))
    a, b = world.host("a"), world.host("b")
    a.add_interface(first, ["10.0.0.1/24"])
    b.add_interface(OneAtATime(second), ["10.0.0.2/24"])
    listener = b.listen(80)
    a.connect("10.0.0.2", 80, 0)
    noise = a.open_udp()
    a.poll(0)
    b.poll(0)
    for _ in range(queued):
        noise.send(b"noise", 0, B4, 9)
    a.poll(0)
    for _ in range(queued + 1):
        b.poll(2 * SECOND)
    assert listener.waiting == 1
    answers = [packet for packet in second.packets if isinstance(packet.payload, Segment)]
    assert len(answers) == 1 + repetitions
