"""Which segments are taken (RFC 9293 3.4, 3.10.7.4; RFC 5961; RFC 7323 section 5; ICMP)."""

from __future__ import annotations

import pytest

from longwire.tcpip.durations import DAY
from longwire.tcpip.reasons import Reason
from longwire.tcpip.tcp.profile import LINUX
from tests.unit.tcpip.script import run_script
from tests.unit.tcpip.tcp.handshakes import ACCEPTED, CONNECTED, PLAIN, in_state

STAMPED = """
0    listen
     < S 0:0 win 65535 <mss 1460,ts 1000 0>
     > S. 0:0 ack 1 <ts 0 1000>
     < . 1:1 ack 1 win 65535 <ts 1000 0>
     accept
"""

# A window of 1,000 octets that stays: the application does not read.
SMALL_WINDOW = {**PLAIN, "receive_buffer_octets": 1000}


@pytest.mark.parametrize(
    ("start", "end", "taken"),
    [
        (1, 101, 100),  # exactly next
        (1, 1001, 1000),  # fills the window
        (1, 1501, 1000),  # past the right edge: cut there
    ],
)
def test_9293_3_4_text_in_the_window_is_taken(start: int, end: int, taken: int) -> None:
    host = run_script(
        ACCEPTED
        + f"""
        < P. {start}:{end} ack 1 win 65535
        +{0.2 if taken < 500 else 0} > . 1:1 ack {taken + 1}
        expect readable {taken}
        """,
        **SMALL_WINDOW,
    )
    assert host.notebook.count(Reason.TCP_SEQUENCE_UNACCEPTABLE) == 0


def test_9293_3_4_text_left_of_the_window_is_cut_off() -> None:
    run_script(
        ACCEPTED
        + """
        < P. 1:101 ack 1 win 65535
        +0.1 < P. 51:151 ack 1 win 65535
        +0.1 > . 1:1 ack 151
        read 150
        """,
        **PLAIN,
    )


@pytest.mark.parametrize(("start", "end"), [(1001, 1101), (0, 1), (5000, 5000), (0, 0)])
def test_9293_3_4_what_is_outside_the_window_is_answered_and_dropped(start: int, end: int) -> None:
    run_script(
        ACCEPTED
        + f"""
        < . {start}:{end} ack 1 win 65535
        > . 1:1 ack 1 win 1000
        expect readable 0
        expect reason tcp-sequence-unacceptable 1
        """,
        **SMALL_WINDOW,
        peer_iss=100_000,
    )


FULL = (
    ACCEPTED
    + """
    < P. 1:1001 ack 1 win 65535
    > . 1:1 ack 1001 win 0
    """
)


def test_9293_3_4_nothing_fits_a_shut_window() -> None:
    run_script(FULL + "< P. 1001:1002 ack 1 win 65535\n > . 1:1 ack 1001 win 0", **SMALL_WINDOW)


def test_9293_must_66_ack_reset_and_urgent_are_processed_at_a_shut_window() -> None:
    run_script(
        FULL
        + """
        write 10
        > P. 1:11 ack 1001 win 0
        < . 1001:1001 ack 11 win 65535
        expect info unacked 0
        < U. 1001:1002 ack 11 win 65535 urg 5
        > . 11:11 ack 1001 win 0
        expect event URGENT
        < R 1001:1001
        expect error tcp-reset-received
        """,
        **SMALL_WINDOW,
    )


def test_9293_3_10_7_4_segment_without_ack_is_dropped() -> None:
    run_script(
        ACCEPTED + "< P 1:11 win 65535\n expect readable 0\n expect reason tcp-ack-missing 1",
        **PLAIN,
    )


def test_9293_3_10_7_4_ack_of_what_was_never_sent_is_answered() -> None:
    run_script(
        ACCEPTED
        + """
        < P. 1:11 ack 2 win 65535
        > . 1:1 ack 1
        expect readable 0
        expect reason tcp-ack-unsent 1
        """,
        **PLAIN,
    )


def test_5961_5_2_ack_older_than_any_window_is_challenged() -> None:
    opened = ACCEPTED.replace("65535", "1000")
    run_script(
        opened
        + """
        write 500
        > P. 1:501 ack 1
        < . 1:1 ack 501 win 1000
        write 700
        > P. 501:1201 ack 1
        < . 1:1 ack 1201 win 1000
        < P. 1:11 ack 201 win 1000
        expect readable 10
        < P. 11:21 ack 200 win 1000
        > . 1201:1201 ack 11
        expect readable 10
        expect reason tcp-ack-too-old 1
        """,
        **PLAIN,
    )


def test_5961_7_challenges_are_limited() -> None:
    run_script(
        ACCEPTED
        + "< R 100:100\n > . 1:1 ack 1\n" * 10
        + """
        < R 100:100
        < S 100:100 win 5
        expect reason tcp-challenge-limited 2
        +5 < R 100:100
        > . 1:1 ack 1
        """,
        **PLAIN,
    )
    run_script(
        ACCEPTED + "< R 100:100\n > . 1:1 ack 1\n < R 100:100\n +0.5 < R 100:100\n > . 1:1 ack 1",
        profile=LINUX,
        **PLAIN,
    )


def test_two_sides_do_not_answer_stray_acks_for_ever() -> None:
    host = run_script(
        ACCEPTED + "< . 0:0 ack 1 win 65535\n > . 1:1 ack 1\n" * 10 + "< . 0:0 ack 1 win 65535",
        **PLAIN,
    )
    assert host.notebook.count(Reason.TCP_CHALLENGE_LIMITED) == 1


# Timestamps


def test_7323_5_3_older_timestamp_is_not_acceptable() -> None:
    run_script(
        STAMPED
        + """
        < P. 1:11 ack 1 win 65535 <ts 999 0>
        > . 1:1 ack 1 <ts 0 1000>
        expect readable 0
        expect reason tcp-paws 1
        < P. 1:11 ack 1 win 65535 <ts 1000 0>
        expect readable 10
        < R 11:11
        expect error tcp-reset-received
        """
    )


def test_7323_5_2_timestamps_wrap() -> None:
    run_script(
        STAMPED.replace("1000", "4294967290")
        + """
        < P. 1:11 ack 1 win 65535 <ts 5 0>
        expect readable 10
        < P. 11:21 ack 1 win 65535 <ts 4294967295 0>
        > . 1:1 ack 11 <ts 0 5>
        expect reason tcp-paws 1
        """
    )


def test_7323_5_5_timestamp_of_24_days_ago_is_not_held_against_anybody() -> None:
    run_script(
        STAMPED
        + f"""
        +{24 * DAY // 10**9} < P. 1:11 ack 1 win 65535 <ts 999 0>
        > . 1:1 ack 1
        expect reason tcp-paws 1
        +1 < P. 1:11 ack 1 win 65535 <ts 999 0>
        expect readable 10
        +0.2 > . 1:1 ack 11
        """
    )


def test_7323_3_2_segment_without_the_agreed_timestamp_is_dropped_silently() -> None:
    run_script(
        STAMPED
        + """
        < P. 1:11 ack 1 win 65535
        expect readable 0
        expect reason tcp-timestamp-missing 1
        """
    )


def test_7323_4_3_echo_is_of_the_segment_that_the_last_ack_was_about() -> None:
    """Delayed ACKs echo the first of the segments they cover; holes echo what came before."""
    run_script(
        STAMPED
        + """
        < P. 1:11 ack 1 win 65535 <ts 1010 0>
        +0.1 < P. 11:21 ack 1 win 65535 <ts 1110 0>
        +0.1 > . 1:1 ack 21 <ts 200 1010>
        < P. 31:41 ack 1 win 65535 <ts 1210 0>
        > . 1:1 ack 21 <ts 200 1010>
        < P. 21:31 ack 1 win 65535 <ts 1220 0>
        > . 1:1 ack 41 <ts 200 1220>
        """,
        sack=False,
    )


def test_7323_3_2_every_segment_but_a_reset_has_the_timestamp() -> None:
    run_script(
        STAMPED
        + """
        < P. 1:11 ack 1 win 65535 <ts 1000 0>
        close
        > R. 1:1 ack 11 <>
        """
    )


# ICMP


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("kind", ["port-unreachable", "protocol-unreachable"])
def test_9293_shld_26_hard_icmp_error_ends_an_attempt(kind: str, family: int) -> None:
    run_script(
        f"0 connect\n > S 0:0\n < icmp {kind} seq 0\n expect error tcp-icmp-hard-error",
        family=family,
    )


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("kind", ["no-route", "host-unreachable", "hop-limit", "parameter-problem"])
def test_9293_must_56_soft_icmp_error_does_not(kind: str, family: int) -> None:
    run_script(
        f"""
        0 connect
          > S 0:0
          < icmp {kind} seq 0
          expect state SYN_SENT
          expect event SOFT_ERROR
        1 > S 0:0
        """,
        family=family,
    )


def test_linux_gives_an_attempt_up_when_the_host_is_unreachable() -> None:
    run_script(
        "0 connect\n > S 0:0\n < icmp host-unreachable seq 0\n expect state CLOSED", profile=LINUX
    )


def test_5927_6_no_icmp_error_ends_a_connection() -> None:
    run_script(
        CONNECTED
        + """
        write 100
        > P. 1:101 ack 1
        < icmp port-unreachable seq 1
        < icmp protocol-unreachable seq 50
        expect state ESTABLISHED
        expect event SOFT_ERROR
        < . 1:1 ack 101 win 65535
        """,
        **PLAIN,
    )


@pytest.mark.parametrize("seq", [0, 101, 5000, 4_000_000_000])
def test_5927_4_1_error_about_what_is_not_in_flight_is_disbelieved(seq: int) -> None:
    run_script(
        CONNECTED
        + f"""
        write 100
        > P. 1:101 ack 1
        < icmp too-big mtu 600 seq {seq}
        < icmp host-unreachable seq {seq}
        expect reason icmp-quote-invalid 2
        expect info pmtu 1500
        < . 1:1 ack 101 win 65535
        """.replace("too-big", "packet-too-big"),
        **PLAIN,
    )


@pytest.mark.parametrize(("family", "mtu", "mss"), [(4, 1000, 960), (6, 1300, 1240)])
def test_1191_and_8201_smaller_path_mtu_sends_again_in_smaller_pieces(
    family: int, mtu: int, mss: int
) -> None:
    whole = 1460 if family == 4 else 1440
    run_script(
        CONNECTED
        + f"""
        write {whole + 100}
        > . 1:{whole + 1} ack 1
        nodelay
        > P. {whole + 1}:{whole + 101} ack 1
        +0.1 < icmp packet-too-big mtu {mtu} seq 1
        > . 1:{mss + 1} ack 1
        > . {mss + 1}:{whole + 1} ack 1
        expect info snd_mss {mss}
        expect info pmtu {mtu}
        expect info snd_cwnd > 9
        +0.1 < . 1:1 ack {whole + 101} win 65535
        write 1460
        > . {whole + 101}:{whole + 101 + mss} ack 1
        > P. {whole + 101 + mss}:{whole + 1561} ack 1
        """,
        family=family,
        **PLAIN,
    )


@pytest.mark.parametrize("state", ["FIN_WAIT_1", "LAST_ACK", "CLOSING"])
def test_soft_error_while_closing_changes_nothing(state: str) -> None:
    run_script(in_state(state) + f"< icmp host-unreachable seq 1\n expect state {state}", **PLAIN)
