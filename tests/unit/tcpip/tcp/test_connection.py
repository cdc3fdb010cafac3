"""A connection from the outside: info, readiness, events, settings, and the layer around it."""

from __future__ import annotations

import dataclasses

import pytest

from longwire.tcpip.addresses import parse_address
from longwire.tcpip.devices.link import Link, PathSettings
from longwire.tcpip.durations import MILLISECOND, SECOND
from longwire.tcpip.host import Host
from longwire.tcpip.randomness import RandomStream
from longwire.tcpip.reasons import Note, Notebook, Reason
from longwire.tcpip.sockets import Readiness, SocketError
from longwire.tcpip.tcp.control import TcpEvent
from longwire.tcpip.tcp.profile import LINUX, RFC
from longwire.tcpip.tcp.state import State
from longwire.tcpip.wire.icmp import IcmpError
from longwire.tcpip.wire.packet import Packet
from tests.unit.tcpip.world import World, two_hosts


def test_info_tells_what_was_agreed_on() -> None:
    world, a, b, _, _ = two_hosts(profile=LINUX)
    b.listen(80)
    connection = a.connect("10.0.0.2", 80, 0)
    world.run()
    info = connection.info(0)
    assert info.options == 1 | 2 | 4
    assert (info.snd_wscale, info.rcv_wscale) == (7, 7)
    assert info.snd_mss == 1448
    assert info.rcv_ssthresh == LINUX.receive_buffer_octets


def test_readiness_follows_the_life_of_a_connection() -> None:
    world, a, b, _, _ = two_hosts()
    listener = b.listen(80)
    assert listener.readiness == Readiness(0)
    connection = a.connect("10.0.0.2", 80, 0)
    assert connection.readiness == Readiness(0)
    world.run()
    assert connection.readiness == Readiness.WRITABLE
    assert connection.take_events() == TcpEvent.CONNECTED | TcpEvent.WRITABLE
    assert connection.take_events() == TcpEvent(0)
    assert listener.readiness == Readiness.READABLE
    accepted = listener.accept()
    assert accepted is not None
    accepted.write(b"hello", 0)
    world.run()
    assert connection.readiness == Readiness.WRITABLE | Readiness.READABLE
    accepted.close(0)
    world.sleep(1)
    assert connection.take_events() & TcpEvent.PEER_CLOSED
    assert connection.read(10, world.now_ns) == b"hello"
    assert connection.at_end
    assert connection.readiness & Readiness.READABLE
    assert connection.read(10, world.now_ns) == b""
    connection.close(world.now_ns)
    world.sleep(1)
    assert connection.readiness == Readiness.READABLE | Readiness.CLOSED
    listener.close(world.now_ns)
    listener.close(world.now_ns)
    assert listener.readiness == Readiness.CLOSED


def test_endpoints_are_told() -> None:
    world, a, b, _, _ = two_hosts()
    b.listen(80)
    connection = a.connect("fd00::2", 80, 0, local_port=5000)
    world.run()
    assert connection.local_address == parse_address("fd00::1")
    assert connection.remote_address == parse_address("fd00::2")
    assert (connection.local_port, connection.remote_port) == (5000, 80)
    assert repr(connection) == "<TcpConnection [fd00::1]:5000 [fd00::2]:80 ESTABLISHED>"
    assert a.tcp.connections == [connection]


def test_9293_must_21_user_timeout_is_set_on_a_connection() -> None:
    world, a, b, first, _ = two_hosts()
    b.listen(80)
    connection = a.connect("10.0.0.2", 80, 0)
    world.run()
    first.swallow = lambda unit: True
    connection.set_user_timeout(2 * SECOND)
    connection.write(b"x", world.now_ns)
    world.run()
    assert world.now_ns == 2 * SECOND
    assert connection.error is Reason.TCP_USER_TIMEOUT
    with pytest.raises(SocketError):
        connection.write(b"x", world.now_ns)


def test_keepalive_is_set_and_ended_on_a_connection() -> None:
    world, a, b, first, _ = two_hosts()
    b.listen(80)
    connection = a.connect("10.0.0.2", 80, 0)
    world.run()
    connection.set_keepalive(5 * SECOND, world.now_ns)
    count = len(first.sent)
    world.sleep(16)
    assert len(first.sent) == count + 3
    connection.set_keepalive(None, world.now_ns)
    world.run()
    assert connection.state is State.ESTABLISHED


def test_9293_must_48_and_49_profile_sets_hop_limit_and_traffic_class() -> None:
    profile = dataclasses.replace(RFC, hop_limit=7, traffic_class=0x20)
    _, a, _, first, _ = two_hosts(profile=profile)
    a.connect("10.0.0.2", 80, 0)
    a.poll(0)
    (packet,) = first.packets
    assert (packet.hop_limit, packet.traffic_class, packet.dont_fragment) == (7, 0x20, True)


def test_host_wakes_its_driver_when_a_socket_is_used() -> None:
    world, a, b, _, _ = two_hosts()
    woken: list[str] = []
    a.wake = lambda: woken.append("a")
    b.listen(80)
    connection = a.connect("10.0.0.2", 80, 0)
    assert woken == ["a"]
    assert a.poll_at() == 0
    world.run()
    woken.clear()
    connection.write(b"x", 0)
    connection.write(b"y", 0)
    assert woken == ["a"]


def test_two_of_ours_open_at_once_over_a_link() -> None:
    world = World()
    link = Link(PathSettings(delay_ns=10 * MILLISECOND), stream=RandomStream(1))
    a, b = world.host("a"), world.host("b")
    a.add_interface(link.a, ["10.0.0.1/24"])
    b.add_interface(link.b, ["10.0.0.2/24"])
    one = a.connect("10.0.0.2", 2000, 0, local_port=1000)
    other = b.connect("10.0.0.1", 1000, 0, local_port=2000)
    world.sleep(1)
    assert (one.state, other.state) == (State.ESTABLISHED, State.ESTABLISHED)
    assert [each.info(0).segs_out for each in (one, other)] == [2, 2]
    assert a.notebook.count(Reason.TCP_SIMULTANEOUS_OPEN) == 1


def test_path_mtu_known_from_before_is_used_at_once() -> None:
    world, a, b, first, _ = two_hosts()
    b.listen(80)
    target = parse_address("10.0.0.2")
    assert a.ip.path_mtus.learn(target, 1000, 1500, 0) == 1000
    connection = a.connect("10.0.0.2", 80, 0)
    world.run()
    connection.write(bytes(5000), 0)
    world.run()
    assert max(packet.length for packet in first.packets) == 1000


def test_mtu_that_another_socket_learnt_is_taken_over() -> None:
    """The Internet layer refuses what no longer fits; the connection lowers its segment size."""
    world, a, b, _, _ = two_hosts()
    listener = b.listen(80)
    connection = a.connect("10.0.0.2", 80, 0)
    world.run()
    a.ip.path_mtus.learn(parse_address("10.0.0.2"), 1000, 1500, 0)
    connection.write(bytes(5000), 0)
    world.sleep(1)
    accepted = listener.accept()
    assert accepted is not None
    assert accepted.readable_bytes == 5000
    assert connection.info(0).pmtu == 1000


def test_notes_are_counted_and_told() -> None:
    notes: list[Note] = []
    notebook = Notebook(notes.append)
    notebook.write(5, Reason.TCP_PAWS, "detail")
    notebook.write(6, Reason.TCP_PAWS)
    assert notebook.count(Reason.TCP_PAWS) == 2
    assert [str(note) for note in notes] == ["tcp-paws: detail", "tcp-paws"]
    assert notebook.count(Reason.NO_ROUTE) == 0


def test_every_reason_has_a_sentence_and_a_name_of_its_own() -> None:
    sentences = [reason.value for reason in Reason]
    assert len(set(sentences)) == len(sentences)
    assert all(reason.code == reason.code.lower() for reason in Reason)


def test_8200_4_2_packet_with_an_unknown_option_is_dropped() -> None:
    _, a, _, _, second = two_hosts()
    header = b"\x60\0\0\0\0\x08\0\x40" + parse_address("fd00::2") + parse_address("fd00::1")
    second.inner.send(header + b"\x11\0\xc1\x04\0\0\0\0", 0)
    a.poll(0)
    assert a.notebook.count(Reason.IPV6_OPTION_UNKNOWN) == 1


def test_host_without_an_interface_has_nowhere_to_go() -> None:
    host = Host("alone", entropy=RandomStream(1))
    with pytest.raises(SocketError):
        host.connect("10.0.0.1", 80, 0)
    host.poll(0)
    assert host.poll_at() is None


def test_8200_4_misplaced_hop_by_hop_options_are_told_as_an_unknown_next_header() -> None:
    _, a, _, _, second = two_hosts()
    padding = b"\0\x01\x04\0\0\0\0"
    chain = b"\0" + padding + b"\x3b" + padding  # destination options, then hop-by-hop ones
    source, destination = parse_address("fd00::2"), parse_address("fd00::1")
    second.inner.send(b"\x60\0\0\0\0\x10\x3c\x40" + source + destination + chain, 0)
    a.poll(0)
    (told,) = second.inner.receive(0)
    assert isinstance(told, Packet)
    error = told.payload
    assert isinstance(error, IcmpError)
    assert (error.type, error.code, error.word) == (4, 1, 40)
