"""Opening connections (RFC 9293 3.5, 3.10.7.1 to 3.10.7.3), options, backlog."""

from __future__ import annotations

import pytest

from longwire.tcpip.addresses import parse_address
from longwire.tcpip.reasons import Reason
from longwire.tcpip.sockets import AddressInUse, SocketError
from longwire.tcpip.wire.ip import encode_packet
from longwire.tcpip.wire.packet import Packet
from longwire.tcpip.wire.tcp import SYN, Segment
from tests.packet_scripts.stack import run_script
from tests.packet_scripts.target import ScriptError
from tests.unit.tcpip.world import two_hosts

BOTH = pytest.mark.parametrize("family", [4, 6])
WRAPS = pytest.mark.parametrize("peer_iss", [0, 1_000_000, 0x7FFFFFFF, 0xFFFFFFFF])


def test_script_fails_on_what_is_not_said() -> None:
    with pytest.raises(ScriptError, match="win is 65535, not 5"):
        run_script("0 connect\n > S 0:0 win 5")
    with pytest.raises(ScriptError, match="nothing more was expected"):
        run_script("0 connect\n1 expect state SYN_SENT")
    with pytest.raises(ScriptError, match=r"it was sent at 0\.0"):
        run_script("0 connect\n0.5 > S 0:0")
    with pytest.raises(ScriptError, match="more was sent"):
        run_script("0 connect")
    with pytest.raises(ScriptError, match="nothing was sent"):
        run_script("0 listen\n > S 0:0")
    with pytest.raises(ScriptError, match="state is SYN_SENT, not CLOSED"):
        run_script("0 connect\n > S 0:0\n expect state CLOSED")


def test_7323_2_2_options_that_were_not_offered_are_not_answered() -> None:
    run_script("0 listen\n < S 0:0 win 100\n > S. 0:0 ack 1 win 65535 <mss 1460>")
    host = run_script(
        "0 listen\n < S 0:0 win 100 <wscale 2,sackOK,ts 1 0>\n > S. 0:0 ack 1 <ts 0 1>"
    )
    tcb = host.tcp.connections[0].tcb
    assert (tcb.snd_scale, tcb.rcv_scale, tcb.has_sack, tcb.has_timestamps) == (2, 3, True, True)


def test_7323_2_3_shift_above_14_is_taken_for_14() -> None:
    host = run_script("0 listen\n < S 0:0 win 100 <wscale 15>\n > S. 0:0 ack 1 <wscale 3>")
    assert host.tcp.connections[0].tcb.snd_scale == 14


def test_7323_2_2_window_of_a_syn_is_not_scaled() -> None:
    host = run_script("0 listen\n < S 0:0 win 100 <wscale 7>\n > S. 0:0 ack 1 win 65535")
    assert host.tcp.connections[0].tcb.snd_wnd == 100
    run_script(
        """
        0 connect
          > S 0:0 win 65535
          < S. 0:0 ack 1 win 100 <wscale 7>
          > . 1:1 ack 1 win 32768
          write 100
          > P. 1:101 ack 1
          < . 1:1 ack 101 win 100
          expect info snd_wnd 12800
        """
    )


@BOTH
def test_9293_must_10_two_of_ours_open_at_once(family: int) -> None:
    world, a, b, _, _ = two_hosts()
    near, far = ("10.0.0.1", "10.0.0.2") if family == 4 else ("fd00::1", "fd00::2")
    one = a.connect(far, 2000, 0, local_port=1000)
    other = b.connect(near, 1000, 0, local_port=2000)
    world.sleep(1)
    assert (one.state.name, other.state.name) == ("ESTABLISHED", "ESTABLISHED")
    one.write(b"hello", world.now_ns)
    world.sleep(1)
    assert other.read(10, world.now_ns) == b"hello"


def test_closed_listener_resets_what_waits() -> None:
    world, a, b, _, _ = two_hosts()
    listener = b.listen(80)
    waiting = a.connect("10.0.0.2", 80, 0)
    world.run()
    listener.close(world.now_ns)
    world.run()
    assert waiting.error is Reason.TCP_RESET_RECEIVED
    refused = a.connect("10.0.0.2", 80, world.now_ns)
    world.run()
    assert refused.error is Reason.TCP_REFUSED


def test_9293_must_46_nobody_connects_to_many() -> None:
    _, a, _, _, _ = two_hosts()
    for target in ("224.0.0.1", "255.255.255.255", "0.0.0.0", "ff02::1", "::"):
        with pytest.raises(SocketError) as caught:
            a.connect(target, 80, 0)
        assert caught.value.reason is Reason.TCP_TO_MANY
    with pytest.raises(SocketError) as caught:
        a.connect("192.0.2.1", 80, 0)
    assert caught.value.reason is Reason.NO_ROUTE


@pytest.mark.parametrize("target", ["10.0.0.255", "255.255.255.255", "224.0.0.1"])
def test_9293_must_57_syn_to_many_is_dropped_silently(target: str) -> None:
    world, _, b, first, second = two_hosts()
    b.listen(80)
    syn = Segment(1000, 80, 5, flags=SYN, window=1000)
    source = parse_address("10.0.0.1")
    first.inner.send(encode_packet(Packet(source, parse_address(target), 6, syn)), 0)
    first.inner.send(encode_packet(Packet(parse_address(target), source, 6, syn)), 0)
    world.run()
    assert second.sent == []


def test_9293_must_42_listeners_of_one_port_are_told_apart_by_address() -> None:
    world, a, b, _, _ = two_hosts()
    anywhere = b.listen(80)
    bound = b.listen(80, address="10.0.0.2")
    with pytest.raises(AddressInUse):
        b.listen(80)
    with pytest.raises(AddressInUse):
        b.listen(80, address="10.0.0.2")
    a.connect("10.0.0.2", 80, 0)
    a.connect("fd00::2", 80, 0)
    world.run()
    assert (bound.waiting, anywhere.waiting) == (1, 1)
    assert set(b.take_ready()) >= {bound, anywhere}


def test_local_port_may_be_chosen_once() -> None:
    _, a, _, _, _ = two_hosts()
    a.connect("10.0.0.2", 80, 0, local_port=5000)
    with pytest.raises(AddressInUse):
        a.connect("10.0.0.2", 80, 0, local_port=5000)
    a.connect("10.0.0.2", 81, 0, local_port=5000)


def test_9293_must_8_initial_numbers_follow_the_clock_and_the_name() -> None:
    def first_of(port: int, now_ns: int) -> int:
        _, a, _, _, _ = two_hosts()
        return a.connect("10.0.0.2", port, now_ns, local_port=5000).tcb.iss

    assert first_of(80, 0) == first_of(80, 0)
    assert first_of(80, 0) != first_of(81, 0)
    assert (first_of(80, 4_000_000) - first_of(80, 0)) & 0xFFFFFFFF == 1000
