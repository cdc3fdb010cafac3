"""Opening connections (RFC 9293 3.5, 3.10.7.1 to 3.10.7.3), options, backlog."""

from __future__ import annotations

import pytest

from longwire.tcpip.addresses import parse_address
from longwire.tcpip.reasons import Reason
from longwire.tcpip.sockets import AddressInUse, SocketError
from longwire.tcpip.tcp.profile import LINUX
from longwire.tcpip.wire.ip import encode_packet
from longwire.tcpip.wire.packet import Packet
from longwire.tcpip.wire.tcp import SYN, Segment
from tests.unit.tcpip.script import ScriptError, run_script
from tests.unit.tcpip.tcp.handshakes import ACCEPTED, CONNECTED, PLAIN
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


@BOTH
@WRAPS
def test_9293_3_5_passive_open_takes_three_segments(family: int, peer_iss: int) -> None:
    run_script(ACCEPTED + "expect state ESTABLISHED", family=family, peer_iss=peer_iss, **PLAIN)


@BOTH
@WRAPS
def test_9293_3_5_active_open_takes_three_segments(family: int, peer_iss: int) -> None:
    script = CONNECTED + "expect state ESTABLISHED\n expect event CONNECTED"
    run_script(script, family=family, peer_iss=peer_iss, **PLAIN)


@pytest.mark.parametrize(("family", "mss"), [(4, 1460), (6, 1440)])
def test_9293_must_14_syn_announces_what_the_interface_takes(family: int, mss: int) -> None:
    script = f"0 connect\n > S 0:0 <mss {mss},wscale 3,sackOK,ts 0 0>"
    run_script(script, family=family)
    run_script(f"0 connect\n > S 0:0 <mss {mss - 500}>", family=family, mtu=1000)


@pytest.mark.parametrize(("family", "mss"), [(4, 536), (6, 1220)])
def test_9293_must_15_peer_without_the_option_gets_default_segments(family: int, mss: int) -> None:
    run_script(
        f"""
        0 connect
          > S 0:0
          < S. 0:0 ack 1 win 65535
          > . 1:1 ack 1
          write {2 * mss}
          > . 1:{mss + 1} ack 1
          > P. {mss + 1}:{2 * mss + 1} ack 1
        """,
        family=family,
        **PLAIN,
    )


def test_9293_must_16_timestamps_make_segments_smaller() -> None:
    run_script(
        """
        0 connect
          > S 0:0 <ts 0 0>
          < S. 0:0 ack 1 win 65535 <mss 1460,ts 500 0>
          > . 1:1 ack 1 <ts 0 500>
          write 1449
          > . 1:1449 ack 1 <ts 0 500>
        1 > . 1:1449 ack 1 <ts 1000 500>
        """
    )


def test_9293_must_65_only_syns_carry_the_segment_size() -> None:
    run_script(ACCEPTED + "write 100\n > P. 1:101 ack 1 <>", **PLAIN)


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
def test_9293_must_10_simultaneous_open_makes_one_connection(family: int) -> None:
    run_script(
        """
        0    connect
             > S 0:0
        +0.1 < S 0:0 win 1000 <mss 1460>
             > S. 0:0 ack 1
             expect state SYN_RECEIVED
        +0.1 < S. 0:0 ack 1 win 1000 <mss 1460>
             expect state ESTABLISHED
        """,
        family=family,
        **PLAIN,
    )


def test_9293_must_10_simultaneous_open_ends_with_a_plain_ack_too() -> None:
    run_script(
        """
        0    connect
             > S 0:0
             < S 0:0 win 1000 <mss 1460>
             > S. 0:0 ack 1
             < . 1:1 ack 1 win 1000
             expect state ESTABLISHED
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


@pytest.mark.parametrize("ack", [0, 2, 1000])
def test_9293_3_10_7_3_unacceptable_ack_in_syn_sent_is_reset(ack: int) -> None:
    run_script(
        f"""
        0 connect
          > S 0:0
          < . 0:0 ack {ack} win 1000
          > R {ack}:{ack}
          < S. 0:0 ack {ack} win 1000
          > R {ack}:{ack}
          < R. 0:0 ack {ack}
          expect state SYN_SENT
        """
    )


def test_9293_3_10_7_3_reset_that_acknowledges_the_syn_refuses() -> None:
    run_script(
        """
        0 connect
          > S 0:0
          < R 0:0
          expect state SYN_SENT
          < R. 0:0 ack 1
          expect state CLOSED
          expect error tcp-refused
          expect event CLOSED
        """
    )


def test_9293_3_10_7_3_segment_without_syn_or_reset_is_dropped() -> None:
    run_script(
        """
        0 connect
          > S 0:0
          < . 0:0 ack 1 win 1000
          < F 0:0 win 1000
          expect state SYN_SENT
          expect reason tcp-handshake-incomplete 2
        """
    )


def test_9293_3_5_text_on_a_syn_is_kept_until_the_handshake_is_done() -> None:
    run_script(
        """
        0 listen
          < S 0:5 win 1000 <mss 1460>
          > S. 0:0 ack 6
          < . 6:6 ack 1 win 1000
          accept
          read 5
        """,
        peer_iss=0,
        **PLAIN,
    )
    run_script(
        """
        0 connect
          > S 0:0
          < S. 0:5 ack 1 win 1000 <mss 1460>
          > . 1:1 ack 6
          read 5
        """,
        **PLAIN,
    )


def test_9293_3_10_7_2_ack_to_a_listener_is_reset() -> None:
    host = run_script("0 listen\n < . 1:1 ack 500 win 1000\n > R 500:500")
    assert host.notebook.count(Reason.TCP_LISTENER_WITHOUT_SYN) == 1


def test_9293_3_10_7_2_other_segments_to_a_listener_are_dropped() -> None:
    run_script(
        "0 listen\n < R 1:1\n < R. 1:1 ack 5\n < P 1:10\n < F 1:1\n expect nothing to accept"
    )


@BOTH
def test_9293_3_10_7_1_closed_port_answers_with_an_acceptable_reset(family: int) -> None:
    host = run_script(
        """
        0 < S 0:0 win 1000
          > R. 0:0 ack 1
          < P 1:11
          > R. 0:0 ack 11
          < F. 1:11 ack 77
          > R 77:77
          < R 1:1
          < R. 1:1 ack 5
        """,
        family=family,
    )
    assert host.notebook.count(Reason.TCP_PORT_CLOSED) == 5


def test_9293_must_11_reset_in_syn_received_goes_back_to_the_listener() -> None:
    run_script(
        """
        0 listen
          < S 0:0 win 1000
          > S. 0:0 ack 1
          < R 1:1
          expect nothing to accept
          < . 1:1 ack 1 win 1000
          > R 1:1
        """
    )


def test_9293_must_11_reset_after_simultaneous_open_is_told_to_the_application() -> None:
    run_script(
        """
        0 connect
          > S 0:0
          < S 0:0 win 1000
          > S. 0:0 ack 1
          < R 1:1
          expect error tcp-refused
        """
    )


def test_9293_3_10_7_4_bad_ack_in_syn_received_is_reset() -> None:
    run_script(
        """
        0 listen
          < S 0:0 win 1000
          > S. 0:0 ack 1
          < . 1:1 ack 2 win 1000
          > R 2:2
          < . 1:1 ack 1 win 1000
          accept
        """
    )


def test_repeated_syn_gets_the_answer_again() -> None:
    run_script(
        """
        0   listen
            < S 0:0 win 1000
            > S. 0:0 ack 1
        0.5 < S 0:0 win 1000
            > S. 0:0 ack 1
        1   > S. 0:0 ack 1
        """
    )


def test_9293_3_10_7_4_new_syn_in_syn_received_returns_to_listen() -> None:
    run_script(
        """
        0 listen
          < S 0:0 win 1000
          > S. 0:0 ack 1
          < S 5:5 win 1000
          < S 9:9 win 1000
          > S. 0:0 ack 10
        """
    )


def test_9293_must_22_and_23_syn_is_repeated_and_given_up_after_three_minutes() -> None:
    times = [0, 1, 3, 7, 15, 31, 63, 123, 183]
    lines = "".join(f"{at} > S 0:0\n" for at in times[:-1])
    run_script(
        "0 connect\n" + lines + "183 expect error tcp-retransmission-limit\n expect event SLOW"
    )


def test_linux_repeats_four_syns_without_backing_off() -> None:
    times = [0, 1, 2, 3, 4, 5, 7, 11, 19, 35, 67]
    lines = "".join(f"{at} > S 0:0\n" for at in times)
    run_script("0 connect\n" + lines + "131 expect state CLOSED", profile=LINUX)


def test_passive_open_gives_up_quietly() -> None:
    run_script(
        """
        0   listen
            < S 0:0 win 1000
            > S. 0:0 ack 1
        1   > S. 0:0 ack 1
        3   > S. 0:0 ack 1
        7   > S. 0:0 ack 1
        12  expect nothing to accept
        """,
        syn_give_up_ns=8_000_000_000,
    )


def test_6298_5_7_lost_syn_makes_the_first_timeout_three_seconds() -> None:
    run_script(
        """
        0   connect
            > S 0:0
        1   > S 0:0
        1.1 < S. 0:0 ack 1 win 65535 <mss 1460>
            > . 1:1 ack 1
            write 100
            > P. 1:101 ack 1
        4.1 > P. 1:101 ack 1
        """,
        **PLAIN,
    )


def test_5681_3_1_lost_syn_makes_the_initial_window_one_segment() -> None:
    run_script(
        """
        0   connect
            > S 0:0
        1   > S 0:0
        1.1 < S. 0:0 ack 1 win 65535 <mss 1000>
            > . 1:1 ack 1
            write 5000
            > . 1:1001 ack 1
        """,
        **PLAIN,
    )


def test_backlog_bounds_handshakes_and_what_waits() -> None:
    run_script(
        """
        0 listen backlog 2
          < S 0:0 win 1000
          > S. 0:0 ack 1
          #2 < S 0:0 win 1000
          #2 > S. 0:0 ack 1
          #3 < S 0:0 win 1000
          expect reason tcp-backlog-full 1
          < . 1:1 ack 1 win 1000
          #2 < . 1:1 ack 1 win 1000
          #3 < S 0:0 win 1000
          expect reason tcp-backlog-full 2
          accept
          #3 < S 0:0 win 1000
          #3 > S. 0:0 ack 1
        """
    )


def test_full_accept_queue_lets_the_last_ack_wait() -> None:
    run_script(
        """
        0 listen backlog 1
          < S 0:0 win 1000
          > S. 0:0 ack 1
          < . 1:1 ack 1 win 1000
          accept
          #2 < S 0:0 win 1000
          #2 > S. 0:0 ack 1
          #2 < . 1:1 ack 1 win 1000
          #3 < S 0:0 win 1000
          expect reason tcp-backlog-full 1
          #2 accept
          #3 < S 0:0 win 1000
          #3 > S. 0:0 ack 1
        """
    )


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
