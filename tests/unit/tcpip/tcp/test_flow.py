"""Windows, acknowledgments, Nagle, silly windows, probes, urgent data (RFC 9293 3.7, 3.8.5-6)."""

from __future__ import annotations

import pytest

from longwire.tcpip.durations import SECOND
from longwire.tcpip.reasons import Reason
from longwire.tcpip.sockets import Readiness, SocketError
from longwire.tcpip.tcp.profile import LINUX, RFC
from tests.packet_scripts.corpus import PLAIN
from tests.packet_scripts.stack import run_script
from tests.unit.tcpip.tcp.handshakes import ACCEPTED
from tests.unit.tcpip.world import two_hosts


def accepted_with_window(octets: int) -> str:
    """The peer's window in the handshake is this many octets."""
    return ACCEPTED.replace("65535", str(octets))


# Acknowledging


def test_9293_must_40_a_lone_segment_is_acknowledged_within_half_a_second() -> None:
    assert RFC.delayed_ack_ns < SECOND // 2
    assert LINUX.delayed_ack_ns < SECOND // 2
    run_script(ACCEPTED + "< P. 1:11 ack 1 win 65535\n +0.2 > . 1:1 ack 11", **PLAIN)


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


def test_pieces_that_wait_are_bounded() -> None:
    holes = "".join(
        f"< . {at}:{at + 1} ack 1 win 65535\n > . 1:1 ack 1\n" for at in range(3, 13, 2)
    )
    host = run_script(ACCEPTED + holes, out_of_order_pieces_max=4, **PLAIN)
    assert host.notebook.count(Reason.TCP_OUT_OF_ORDER_FULL) == 1


# The window that we grant


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


# Nagle


# Window probes


# Urgent data


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
