"""Packet codecs: octets are read or refused with WireError; what was read writes itself again."""

import sys

import atheris

with atheris.instrument_imports(include=["longwire"]):
    from longwire.tcpip.wire.arp import ArpPacket
    from longwire.tcpip.wire.errors import WireError
    from longwire.tcpip.wire.ethernet import EthernetFrame
    from longwire.tcpip.wire.icmp import IcmpError, IcmpView
    from longwire.tcpip.wire.ip import decode_packet, encode_packet
    from longwire.tcpip.wire.quote import Quote
    from longwire.tcpip.wire.tcp import Segment
    from longwire.tcpip.wire.udp import Datagram


def read_transport(protocol: int, data: bytes, source: bytes, destination: bytes) -> None:
    if protocol == 6:
        segment = Segment.parse(data, source, destination)
        assert Segment.parse(segment.encode(source, destination), source, destination) == segment
    elif protocol == 17:
        datagram = Datagram.parse(data, source, destination)
        assert Datagram.parse(datagram.encode(source, destination), source, destination) == datagram
    elif protocol in (1, 58):
        message = IcmpView(data, source, destination).message()
        again = message.encode(source, destination)
        assert IcmpView(again, source, destination).message() == message
        if isinstance(message, IcmpError):
            Quote.parse(message.quote)


def test_one_input(data: bytes) -> None:
    for read in (EthernetFrame.parse, ArpPacket.parse, Quote.parse):
        try:
            read(data)
        except WireError:
            pass
    try:
        packet = decode_packet(data)
        octets = encode_packet(packet)
        assert decode_packet(octets) == packet, packet
        assert len(octets) == packet.length
        if not packet.is_fragment:
            read_transport(
                packet.protocol, packet.payload_octets(), packet.source, packet.destination
            )
    except WireError:
        pass


atheris.Setup(sys.argv, test_one_input)
atheris.Fuzz()
