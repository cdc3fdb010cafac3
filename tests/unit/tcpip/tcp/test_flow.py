"""Windows, acknowledgments, Nagle, silly windows, probes, urgent data (RFC 9293 3.7, 3.8.5-6)."""

from __future__ import annotations

import pytest

from longwire.tcpip.durations import SECOND
from longwire.tcpip.reasons import Reason
from longwire.tcpip.sockets import Readiness, SocketError
from longwire.tcpip.tcp.profile import LINUX, RFC
from tests.unit.tcpip.script import run_script
from tests.unit.tcpip.tcp.handshakes import ACCEPTED, CONNECTED, PLAIN
from tests.unit.tcpip.world import two_hosts


def accepted_with_window(octets: int) -> str:
    """The peer's window in the handshake is this many octets."""
    return ACCEPTED.replace("65535", str(octets))


# Acknowledging


def test_9293_must_40_a_lone_segment_is_acknowledged_within_half_a_second() -> None:
    assert RFC.delayed_ack_ns < SECOND // 2
    assert LINUX.delayed_ack_ns < SECOND // 2
    run_script(ACCEPTED + "< P. 1:11 ack 1 win 65535\n +0.2 > . 1:1 ack 11", **PLAIN)


def test_9293_shld_19_every_second_full_segment_is_acknowledged_at_once() -> None:
    run_script(
        ACCEPTED
        + """
        < . 1:1461 ack 1 win 65535
        +0.1 < . 1461:2921 ack 1 win 65535
        > . 1:1 ack 2921
        < . 2921:4381 ack 1 win 65535
        < P. 4381:5841 ack 1 win 65535
        > . 1:1 ack 5841
        < P. 5841:5941 ack 1 win 65535
        +0.2 > . 1:1 ack 5941
        """,
        **PLAIN,
    )


def test_linux_acknowledges_the_first_segments_at_once() -> None:
    first = "".join(
        f"< P. {at}:{at + 10} ack 1 win 65535\n > . 1:1 ack {at + 10}\n" for at in range(1, 161, 10)
    )
    run_script(
        ACCEPTED + first + "< P. 161:171 ack 1 win 65535\n +0.04 > . 1:1 ack 171",
        profile=LINUX,
        **PLAIN,
    )


def test_5681_4_2_out_of_order_and_gap_filling_segments_are_acknowledged_at_once() -> None:
    run_script(
        ACCEPTED
        + """
        < . 101:201 ack 1 win 65535
        > . 1:1 ack 1
        < . 301:401 ack 1 win 65535
        > . 1:1 ack 1
        < . 1:101 ack 1 win 65535
        > . 1:1 ack 201
        < . 201:301 ack 1 win 65535
        > . 1:1 ack 401
        read 400
        """,
        **PLAIN,
    )


def test_9293_shld_31_overlapping_pieces_are_put_together() -> None:
    run_script(
        ACCEPTED
        + """
        < . 101:201 ack 1 win 65535
        > . 1:1 ack 1
        < . 151:301 ack 1 win 65535
        > . 1:1 ack 1
        < . 51:401 ack 1 win 65535
        > . 1:1 ack 1
        < . 1:61 ack 1 win 65535
        > . 1:1 ack 401
        read 400
        """,
        **PLAIN,
    )


def test_segment_that_came_before_is_acknowledged_at_once() -> None:
    run_script(
        ACCEPTED
        + """
        < . 1:101 ack 1 win 65535
        < . 1:101 ack 1 win 65535
        > . 1:1 ack 101
        expect readable 100
        """,
        **PLAIN,
    )


def test_9293_must_58_data_carries_the_acknowledgment() -> None:
    run_script(
        ACCEPTED
        + """
        < P. 1:101 ack 1 win 65535
        write 50
        > P. 1:51 ack 101
        +0.5 < . 101:101 ack 51 win 65535
        """,
        **PLAIN,
    )


def test_9293_must_59_all_that_came_together_is_acknowledged_together() -> None:
    world, a, b, first, second = two_hosts()
    listener = b.listen(80)
    sender = a.connect("10.0.0.2", 80, 0)
    world.run()
    assert listener.accept() is not None
    second.sent.clear()
    sender.write(bytes(14_480), 0)
    a.poll(0)
    assert len(first.sent) == 2 + 10
    b.poll(0)
    assert len(second.sent) == 1


def test_2018_4_newest_block_is_first() -> None:
    run_script(
        """
        0 listen
          < S 0:0 win 65535 <mss 1460,sackOK>
          > S. 0:0 ack 1 <sackOK>
          < . 1:1 ack 1 win 65535
          accept
          < . 101:201 ack 1 win 65535
          > . 1:1 ack 1 <sack 101:201>
          < . 301:401 ack 1 win 65535
          > . 1:1 ack 1 <sack 301:401 101:201>
          < . 501:601 ack 1 win 65535
          > . 1:1 ack 1 <sack 501:601 301:401 101:201>
          < . 701:801 ack 1 win 65535
          > . 1:1 ack 1 <sack 701:801 501:601 301:401 101:201>
          < . 901:1001 ack 1 win 65535
          > . 1:1 ack 1 <sack 901:1001 701:801 501:601 301:401>
          < . 201:301 ack 1 win 65535
          > . 1:1 ack 1 <sack 101:401 901:1001 701:801 501:601>
          < . 1:101 ack 1 win 65535
          > . 1:1 ack 401 <sack 901:1001 701:801 501:601>
          < . 601:701 ack 1 win 65535
          > . 1:1 ack 401 <sack 501:801 901:1001>
          < . 401:501 ack 1 win 65535
          > . 1:1 ack 801 <sack 901:1001>
          < . 801:901 ack 1 win 65535
          > . 1:1 ack 1001 <>
        """
    )


def test_2018_3_three_blocks_fit_beside_timestamps() -> None:
    holes = "".join(
        f"< . {at}:{at + 10} ack 1 win 65535 <ts 1 0>\n > . 1:1 ack 1 {sack}\n"
        for at, sack in (
            (11, "<sack 11:21>"),
            (31, "<sack 31:41 11:21>"),
            (51, "<sack 51:61 31:41 11:21>"),
            (71, "<sack 71:81 51:61 31:41>"),
        )
    )
    run_script(
        """
        0 listen
          < S 0:0 win 65535 <mss 1460,sackOK,ts 1 0>
          > S. 0:0 ack 1
          < . 1:1 ack 1 win 65535 <ts 1 0>
          accept
        """
        + holes
    )


def test_9293_must_16_sack_blocks_make_room_in_data_segments() -> None:
    run_script(
        """
        0 listen
          < S 0:0 win 65535 <mss 1460,sackOK>
          > S. 0:0 ack 1
          < . 1:1 ack 1 win 65535
          accept
          < . 101:201 ack 1 win 65535
          > . 1:1 ack 1 <sack 101:201>
          write 1460
          > . 1:1449 ack 1 <sack 101:201>
          < . 201:201 ack 1449 win 65535
          > P. 1449:1461 ack 1 <sack 101:201>
        """
    )


def test_pieces_that_wait_are_bounded() -> None:
    holes = "".join(
        f"< . {at}:{at + 1} ack 1 win 65535\n > . 1:1 ack 1\n" for at in range(3, 13, 2)
    )
    host = run_script(ACCEPTED + holes, out_of_order_pieces_max=4, **PLAIN)
    assert host.notebook.count(Reason.TCP_OUT_OF_ORDER_FULL) == 1


# The window that we grant


def test_9293_must_39_window_opens_in_steps_that_are_worth_it() -> None:
    run_script(
        ACCEPTED
        + """
        < . 1:1461 ack 1 win 65535
        < P. 1461:2921 ack 1 win 65535
        > . 1:1 ack 2921 win 1080
        < P. 2921:4001 ack 1 win 65535
        > . 1:1 ack 4001 win 0
        read 100
        read 1000
        read 359
        read 1
        > . 1:1 ack 4001 win 1460
        read 2540
        > . 1:1 ack 4001 win 4000
        """,
        receive_buffer_octets=4000,
        **PLAIN,
    )


def test_9293_shld_14_right_edge_never_moves_left() -> None:
    run_script(
        ACCEPTED
        + """
        < P. 1:101 ack 1 win 65535
        +0.2 > . 1:1 ack 101 win 1900
        < P. 101:201 ack 1 win 65535
        +0.2 > . 1:1 ack 201 win 1800
        """,
        receive_buffer_octets=2000,
        **PLAIN,
    )


def test_7323_2_4_rounding_does_not_move_the_edge_left() -> None:
    """A shift of 3 announces eights; 1,001 octets that were promised stay promised."""
    run_script(
        """
        0 listen
          < S 0:0 win 65535 <mss 1460,wscale 0>
          > S. 0:0 ack 1 win 65535 <wscale 3>
          < . 1:1 ack 1 win 65535
          accept
          < P. 1:101 ack 1 win 65535
          +0.2 > . 1:1 ack 101 win 32756
          < P. 101:104 ack 1 win 65535
          +0.2 > . 1:1 ack 104 win 32756
          """
    )


# The window that the peer grants


def _segments(start: int, end: int, *, ack: int = 1, size: int = 1460, push: bool = False) -> str:
    """Lines that expect full segments from ``start`` to ``end``."""
    lines = []
    while start < end:
        stop = min(start + size, end)
        flags = "P." if push and stop == end else "."
        lines.append(f"> {flags} {start}:{stop} ack {ack}\n")
        start = stop
    return "".join(lines)


def test_sender_keeps_within_the_window() -> None:
    run_script(
        accepted_with_window(4000)
        + "write 8760\n"
        + _segments(1, 2921)
        + """
        +0.1 < . 1:1 ack 2921 win 4000
        """
        + _segments(2921, 5841)
        + "+0.1 < . 1:1 ack 5841 win 4000\n"
        + _segments(5841, 8761, push=True),
        **PLAIN,
    )


def test_9293_must_38_sender_does_not_fill_small_gaps() -> None:
    """A window that opens by little is not used until it is half of the largest, or time passes."""
    run_script(
        accepted_with_window(2920)
        + "write 6000\n"
        + _segments(1, 2921)
        + """
        +0.1 < . 1:1 ack 2921 win 100
        +0.4 < . 1:1 ack 2921 win 1459
        +0.099 < . 1:1 ack 2921 win 1459
        +0.001 > . 2921:4380 ack 1
        """,
        **PLAIN,
    )
    run_script(
        accepted_with_window(2000)
        + """
        write 6000
        > . 1:1461 ack 1
        < . 1:1 ack 1461 win 1000
        > . 1461:2461 ack 1
        """,
        **PLAIN,
    )


def test_9293_must_34_shrunken_window_is_survived() -> None:
    run_script(
        accepted_with_window(2920)
        + "write 4380\n"
        + _segments(1, 2921)
        + """
        +0.1 < . 1:1 ack 1461 win 100
        +1 > . 1461:1561 ack 1
        < . 1:1 ack 1561 win 5000
        > . 1561:2921 ack 1
        < . 1:1 ack 2921 win 5000
        > P. 2921:4381 ack 1
        """,
        **PLAIN,
    )


def test_9293_must_34_window_taken_back_entirely_is_probed() -> None:
    run_script(
        accepted_with_window(2920)
        + "write 2920\n"
        + _segments(1, 2921, push=True)
        + """
        +0.1 < . 1:1 ack 1461 win 0
        +1 > . 1461:1462 ack 1
        < . 1:1 ack 1461 win 0
        +2 > . 1461:1462 ack 1
        < . 1:1 ack 1461 win 2920
        > P. 1461:2921 ack 1
        < . 1:1 ack 2921 win 2920
        expect info unacked 0
        """,
        **PLAIN,
    )


# Nagle


def test_9293_shld_7_nagle_holds_small_segments_back() -> None:
    run_script(
        ACCEPTED
        + """
        write 10
        > P. 1:11 ack 1
        write 10
        write 10
        +0.1 < . 1:1 ack 11 win 65535
        > P. 11:31 ack 1
        write 1460
        > P. 31:1491 ack 1
        write 5
        < . 1:1 ack 31 win 65535
        < . 1:1 ack 1491 win 65535
        > P. 1491:1496 ack 1
        """,
        **PLAIN,
    )


def test_9293_must_17_nagle_can_be_switched_off() -> None:
    run_script(
        ACCEPTED
        + """
        write 10
        > P. 1:11 ack 1
        write 10
        nodelay
        > P. 11:21 ack 1
        write 10
        > P. 21:31 ack 1
        """,
        **PLAIN,
    )


def test_linux_nagle_minds_small_segments_only() -> None:
    run_script(
        ACCEPTED
        + """
        write 1470
        > . 1:1461 ack 1
        > P. 1461:1471 ack 1
        write 10
        < . 1:1 ack 1461 win 65535
        < . 1:1 ack 1471 win 65535
        > P. 1471:1481 ack 1
        """,
        profile=LINUX,
        **PLAIN,
    )


def test_fin_is_not_held_back_by_nagle() -> None:
    run_script(
        ACCEPTED + "write 10\n > P. 1:11 ack 1\n write 10\n close\n > FP. 11:21 ack 1", **PLAIN
    )


def test_9293_must_61_the_last_segment_is_pushed() -> None:
    run_script(
        ACCEPTED + "write 3000\n" + _segments(1, 2921) + "nodelay\n > P. 2921:3001 ack 1", **PLAIN
    )


# Window probes


def test_9293_must_35_shut_window_is_probed_ever_more_slowly() -> None:
    run_script(
        accepted_with_window(0)
        + """
        write 100
        +1 > . 1:2 ack 1
        < . 1:1 ack 1 win 0
        +2 > . 1:2 ack 1
        < . 1:1 ack 1 win 0
        +4 > . 1:2 ack 1
        < . 1:1 ack 1 win 0
        +8 > . 1:2 ack 1
        expect info probes 4
        < . 1:1 ack 2 win 0
        +16 > . 2:3 ack 1
        +0.5 < . 1:1 ack 2 win 1000
        > P. 2:101 ack 1
        """,
        **PLAIN,
    )


def test_9293_must_37_answered_probes_keep_the_connection_for_ever() -> None:
    waits = [1, 2, 4, 8, 16, 32] + [60] * 30
    lines = "".join(f"+{wait} > . 1:2 ack 1\n < . 1:1 ack 1 win 0\n" for wait in waits)
    run_script(
        accepted_with_window(0) + "write 100\n" + lines + "expect state ESTABLISHED", **PLAIN
    )


def test_unanswered_probes_end_the_connection() -> None:
    run_script(
        accepted_with_window(0)
        + """
        write 100
        +1 > . 1:2 ack 1
        +2 > . 1:2 ack 1
        +4 > . 1:2 ack 1
        +8 > . 1:2 ack 1
        +16 > . 1:2 ack 1
        +32 > . 1:2 ack 1
        +60 expect error tcp-retransmission-limit
        """,
        **PLAIN,
    )


def test_window_that_opens_lets_everything_go() -> None:
    run_script(
        accepted_with_window(0)
        + """
        write 2000
        +0.5 < . 1:1 ack 1 win 65535
        > . 1:1461 ack 1
        < . 1:1 ack 1461 win 65535
        > P. 1461:2001 ack 1
        """,
        **PLAIN,
    )


def test_shut_window_holds_the_fin_back_and_a_probe_carries_it() -> None:
    run_script(
        accepted_with_window(0)
        + """
        close
        +1 > F. 1:1 ack 1
        < . 1:1 ack 2 win 0
        expect state FIN_WAIT_2
        """,
        **PLAIN,
    )


# Urgent data


def test_9293_must_31_and_62_urgent_pointer_is_the_first_octet_that_is_not_urgent() -> None:
    run_script(
        ACCEPTED
        + """
        write 100 urgent
        > UP. 1:101 ack 1 urg 100
        < . 1:1 ack 101 win 65535
        write 2000
        > . 101:1561 ack 1
        """,
        **PLAIN,
    )


def test_9293_must_32_application_is_told_of_urgent_data() -> None:
    host = run_script(
        ACCEPTED
        + """
        < UP. 1:11 ack 1 win 65535 urg 20
        expect event URGENT
        < UP. 11:21 ack 1 win 65535 urg 10
        +0.2 > . 1:1 ack 21
        read 20
        """,
        **PLAIN,
    )
    tcb = host.tcp.connections[0].tcb
    assert tcb.rcv_up == tcb.irs + 21


# The application's side


def test_write_takes_what_there_is_room_for_and_says_when_there_is_more() -> None:
    world, a, b, _, _ = two_hosts()
    b.listen(80)
    connection = a.connect("10.0.0.2", 80, 0)
    assert connection.write(bytes(10), 0) == 10
    assert not connection.readiness & Readiness.WRITABLE
    world.run()
    connection.take_events()
    size = RFC.send_buffer_octets
    assert connection.write(bytes(2 * size), 0) == size
    assert connection.writable_bytes == 0
    assert connection.write(b"more", 0) == 0
    world.sleep(1)
    assert connection.writable_bytes > 0
    assert connection.readiness & Readiness.WRITABLE


def test_write_after_the_end_is_refused() -> None:
    world, a, b, _, _ = two_hosts()
    b.listen(80)
    connection = a.connect("10.0.0.2", 80, 0)
    world.run()
    connection.shutdown(0)
    with pytest.raises(SocketError) as caught:
        connection.write(b"more", 0)
    assert caught.value.reason is Reason.SOCKET_CLOSED
    connection.abort(0)
    with pytest.raises(SocketError) as caught:
        connection.write(b"more", 0)
    assert caught.value.reason is Reason.TCP_ABORTED


def test_read_gives_what_came_before_a_failure_and_then_the_failure() -> None:
    world, a, b, _, _ = two_hosts()
    listener = b.listen(80)
    connection = a.connect("10.0.0.2", 80, 0)
    connection.write(b"last words", 0)
    world.run()
    accepted = listener.accept()
    assert accepted is not None
    connection.abort(world.now_ns)
    world.run()
    assert accepted.readiness & Readiness.FAILED
    assert accepted.read(100, 0) == b"last words"
    with pytest.raises(SocketError) as caught:
        accepted.read(100, 0)
    assert caught.value.reason is Reason.TCP_RESET_RECEIVED
    assert not accepted.at_end


def test_7323_2_window_above_64_kib_is_used() -> None:
    host = run_script(
        """
        0 connect
          > S 0:0 <wscale 3>
          < S. 0:0 ack 1 win 1000 <mss 1460,wscale 14>
          > . 1:1 ack 1
          write 10
          > P. 1:11 ack 1
          < . 1:1 ack 11 win 65535
        """
    )
    assert host.tcp.connections[0].tcb.snd_wnd == 65_535 << 14


def test_connected_prelude_is_what_other_tests_take_it_for() -> None:
    run_script(CONNECTED + "expect info snd_mss 1460\n expect info snd_wnd 65535", **PLAIN)
