"""Filters, strippers and translators: what the hosts at both ends see of them."""

from __future__ import annotations

import pytest

from longwire.tcpip.addresses import Prefix, parse_address
from longwire.tcpip.device import Device, Medium
from longwire.tcpip.devices.middleboxes import AddressTranslator, OptionStripper, SynFilter
from longwire.tcpip.devices.wire_check import WireCheck
from longwire.tcpip.devices.wire_pair import wire_pair
from longwire.tcpip.durations import SECOND
from longwire.tcpip.host import Host
from longwire.tcpip.reasons import Reason
from longwire.tcpip.tcp.listener import Listener
from longwire.tcpip.tcp.profile import LINUX
from longwire.tcpip.tcp.state import State
from tests.unit.tcpip.world import World

MEDIA = pytest.mark.parametrize("medium", list(Medium))
CHECKED = pytest.mark.parametrize("is_checked", [False, True], ids=["objects", "octets"])


def hosts_around(
    box: type, medium: Medium, *, is_checked: bool, **settings: object
) -> tuple[World, Host, Host, Device]:
    world = World()
    near, far = wire_pair(medium)
    outer: Device = WireCheck(far) if is_checked else far
    wrapped: Device = box(WireCheck(near) if is_checked else near, **settings)
    a, b = world.host("a"), world.host("b")
    a.add_interface(wrapped, ["10.0.0.1/24"])
    b.add_interface(outer, ["10.0.0.2/24"])
    return world, a, b, wrapped


@MEDIA
@CHECKED
def test_filtered_syn_is_repeated_until_the_attempt_is_given_up(
    medium: Medium, is_checked: bool
) -> None:
    world, a, b, box = hosts_around(SynFilter, medium, is_checked=is_checked, ports=frozenset([80]))
    b.listen(80)
    b.listen(81)
    filtered, open_one = a.connect("10.0.0.2", 80, 0), a.connect("10.0.0.2", 81, 0)
    world.sleep(200)
    assert open_one.state is State.ESTABLISHED
    assert filtered.error is Reason.TCP_RETRANSMISSION_LIMIT
    assert isinstance(box, SynFilter)
    assert box.notebook.count(Reason.FILTERED) == 8


def test_filter_without_ports_drops_every_attempt_from_either_side() -> None:
    world, a, b, _ = hosts_around(SynFilter, Medium.IP, is_checked=False)
    a.listen(80)
    b.listen(80)
    one, other = a.connect("10.0.0.2", 80, 0), b.connect("10.0.0.1", 80, 0)
    socket, peer = a.open_udp(), b.open_udp(53)
    socket.send(b"passes", 0, parse_address("10.0.0.2"), 53)
    world.sleep(10)
    assert {one.state, other.state} == {State.SYN_SENT}
    assert peer.receive() is not None


@MEDIA
@CHECKED
def test_stripped_options_are_not_agreed_on_and_data_flows(
    medium: Medium, is_checked: bool
) -> None:
    world, a, b, _ = hosts_around(OptionStripper, medium, is_checked=is_checked)
    listener = b.listen(80)
    connection = a.connect("10.0.0.2", 80, 0)
    connection.write(bytes(5000), 0)
    world.sleep(5)
    accepted = listener.accept()
    assert accepted is not None
    assert accepted.read(6000, world.now_ns) == bytes(5000)
    info = connection.info(world.now_ns)
    assert (info.options, info.snd_mss) == (0, 536)


def test_only_the_named_options_are_stripped() -> None:
    names = frozenset(["window_scale", "timestamp"])
    world, a, b, _ = hosts_around(OptionStripper, Medium.IP, is_checked=False, names=names)
    b.listen(80)
    connection = a.connect("10.0.0.2", 80, 0)
    world.run()
    info = connection.info(0)
    assert (info.options, info.snd_mss) == (2, 1460)
    with pytest.raises(ValueError, match="'wscale' is unknown"):
        OptionStripper(wire_pair()[0], frozenset(["wscale"]))


def behind_nat(
    medium: Medium = Medium.IP, *, idle_s: int = 60, mappings_max: int = 1024
) -> tuple[World, Host, Host, Listener, AddressTranslator]:
    """a (inside) - router with a translator - b (outside), which listens on port 80."""
    world = World()
    a, router, b = world.host("a", profile=LINUX), world.host("r", is_router=True), world.host("b")
    inner, outer = wire_pair(medium), wire_pair(medium)
    a.add_interface(inner[0], ["192.168.0.2/24"])
    a.add_route("default", gateway="192.168.0.1")
    router.add_interface(inner[1], ["192.168.0.1/24"])
    translator = AddressTranslator(
        outer[0],
        inside=Prefix.parse("192.168.0.0/24"),
        outside=parse_address("198.51.100.1"),
        idle_ns=idle_s * SECOND,
        mappings_max=mappings_max,
    )
    router.add_interface(translator, ["198.51.100.1/24"])
    b.add_interface(outer[1], ["198.51.100.2/24"])
    return world, a, b, b.listen(80), translator


@MEDIA
def test_translator_gives_inside_flows_the_outside_address(medium: Medium) -> None:
    world, a, b, listener, translator = behind_nat(medium)
    first, second = (a.connect("198.51.100.2", 80, 0) for _ in range(2))
    socket, server = a.open_udp(), b.open_udp(53)
    socket.send(b"question", 0, parse_address("198.51.100.2"), 53)
    world.sleep(1)
    assert (first.state, second.state) == (State.ESTABLISHED, State.ESTABLISHED)
    accepted = [listener.accept(), listener.accept()]
    question = server.receive()
    assert question is not None
    seen = {(each.remote_address, each.remote_port) for each in accepted if each}
    seen.add((question.address, question.port))
    assert seen == {(parse_address("198.51.100.1"), 20_000 + number) for number in range(3)}
    server.send(b"answer", world.now_ns, question.address, question.port)
    world.sleep(1)
    answer = socket.receive()
    assert answer is not None
    assert answer.data == b"answer"
    assert len(translator) == 3


def test_translator_lets_nobody_in() -> None:
    world, a, b, _, translator = behind_nat()
    a.listen(80)
    attempt = b.connect("198.51.100.1", 80, 0)
    world.sleep(5)
    assert attempt.state is State.SYN_SENT
    assert translator.notebook.count(Reason.NAT_NO_MAPPING) > 0


def test_translator_forgets_an_idle_flow_and_the_next_write_is_reset() -> None:
    """Inside writes after a quiet spell: it comes from another port, and outside knows no such
    flow. Outside writes: nobody answers."""
    world, a, _, listener, translator = behind_nat(idle_s=60)
    connection = a.connect("198.51.100.2", 80, 0)
    world.sleep(1)
    accepted = listener.accept()
    assert accepted is not None
    world.sleep(50)
    connection.write(b"still there", world.now_ns)
    world.sleep(50)
    accepted.write(b"yes", world.now_ns)
    world.sleep(61)
    accepted.write(b"anybody?", world.now_ns)
    world.sleep(1)
    assert translator.notebook.count(Reason.NAT_NO_MAPPING) > 0
    assert accepted.info(world.now_ns).unacked == 1
    connection.write(b"hello?", world.now_ns)
    world.sleep(1)
    assert connection.error is Reason.TCP_RESET_RECEIVED


def test_translator_that_restarts_and_one_that_is_full() -> None:
    world, a, _, listener, translator = behind_nat(mappings_max=1)
    first = a.connect("198.51.100.2", 80, 0)
    world.sleep(1)
    second = a.connect("198.51.100.2", 80, world.now_ns)
    world.sleep(1)
    assert (first.state, second.state) == (State.ESTABLISHED, State.SYN_SENT)
    assert translator.notebook.count(Reason.NAT_FULL) >= 1
    translator.forget_all()
    assert len(translator) == 0
    assert listener.waiting == 1


def test_translator_ports_come_round_again() -> None:
    world, a, _, listener, translator = behind_nat(idle_s=1)
    translator._next_port = 65_535
    for _ in range(3):
        a.connect("198.51.100.2", 80, world.now_ns)
        world.sleep(2)
    ports = [each.remote_port for _ in range(3) if (each := listener.accept())]
    assert ports == [65_535, 20_000, 20_001]
    with pytest.raises(ValueError, match="more ports than there are"):
        AddressTranslator(
            wire_pair()[0],
            inside=Prefix.parse("10.0.0.0/8"),
            outside=parse_address("198.51.100.1"),
            idle_ns=1,
            mappings_max=50_000,
        )
