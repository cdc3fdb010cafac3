"""Retransmission (RFC 6298), giving up (R1, R2), keepalive, user timeout."""

from __future__ import annotations

import dataclasses

import pytest

from longwire.tcpip.durations import MILLISECOND, SECOND
from longwire.tcpip.tcp.profile import LINUX, RFC
from longwire.tcpip.tcp.rtt import RttEstimator
from tests.unit.tcpip.script import run_script
from tests.unit.tcpip.tcp.handshakes import ACCEPTED, ACCEPTED_100MS, PLAIN, TO_STATE

FAST = dataclasses.replace(RFC, rto_min_ns=0)


def test_6298_2_1_first_timeout_is_one_second() -> None:
    assert RttEstimator(RFC).rto_ns == SECOND


def test_6298_2_2_first_measurement() -> None:
    rtt = RttEstimator(FAST)
    rtt.sample(400 * MILLISECOND)
    assert (rtt.smoothed_ns, rtt.variance_ns) == (400 * MILLISECOND, 200 * MILLISECOND)
    assert rtt.rto_ns == 1200 * MILLISECOND


def test_6298_2_3_later_measurements() -> None:
    rtt = RttEstimator(FAST)
    rtt.sample(400 * MILLISECOND)
    rtt.sample(800 * MILLISECOND)
    # RTTVAR = 3/4 * 200 + 1/4 * 400, SRTT = 7/8 * 400 + 1/8 * 800.
    assert (rtt.smoothed_ns, rtt.variance_ns) == (450 * MILLISECOND, 250 * MILLISECOND)
    assert rtt.rto_ns == 1450 * MILLISECOND


def test_6298_2_3_granularity_is_the_least_margin() -> None:
    rtt = RttEstimator(FAST)
    for _ in range(200):
        rtt.sample(100 * MILLISECOND)
    assert rtt.variance_ns < MILLISECOND // 4
    assert rtt.rto_ns == 101 * MILLISECOND


def test_6298_2_4_timeout_is_at_least_one_second() -> None:
    rtt = RttEstimator(RFC)
    rtt.sample(MILLISECOND)
    assert rtt.rto_ns == SECOND


def test_linux_minimum_is_for_the_variance() -> None:
    rtt = RttEstimator(LINUX)
    for _ in range(100):
        rtt.sample(50 * MILLISECOND)
    assert 250 * MILLISECOND <= rtt.rto_ns <= 251 * MILLISECOND


def test_6298_2_5_timeout_has_a_maximum_of_at_least_a_minute() -> None:
    rtt = RttEstimator(RFC)
    for _ in range(100):
        rtt.back_off()
    assert rtt.rto_ns == RFC.rto_max_ns >= 60 * SECOND
    rtt.sample(500 * SECOND)
    assert rtt.rto_ns == RFC.rto_max_ns


def test_7323_4_3_many_samples_weigh_less_each() -> None:
    one, many = RttEstimator(FAST), RttEstimator(FAST)
    one.sample(100 * MILLISECOND)
    many.sample(100 * MILLISECOND)
    one.sample(200 * MILLISECOND)
    for _ in range(10):
        many.sample(200 * MILLISECOND, 10)
    assert one.smoothed_ns is not None
    assert many.smoothed_ns is not None
    assert abs(one.smoothed_ns - many.smoothed_ns) < MILLISECOND


def test_6298_5_1_and_5_2_timer_runs_while_something_is_in_flight() -> None:
    run_script(
        ACCEPTED
        + """
        write 100
        > P. 1:101 ack 1
        +0.9 < . 1:1 ack 101 win 65535
        +10 expect info unacked 0
        """,
        **PLAIN,
    )


def test_6298_5_3_ack_of_new_data_restarts_the_timer() -> None:
    run_script(
        ACCEPTED
        + """
        nodelay
        write 100
        > P. 1:101 ack 1
        +0.5 write 100
        > P. 101:201 ack 1
        +0.1 < . 1:1 ack 101 win 65535
        +1 > P. 101:201 ack 1
        """,
        **PLAIN,
    )


def test_6298_5_4_to_5_6_oldest_segment_is_sent_again_and_the_timer_backs_off() -> None:
    run_script(
        ACCEPTED
        + """
        write 2920
        > . 1:1461 ack 1
        > P. 1461:2921 ack 1
        +1 > . 1:1461 ack 1
        expect info snd_cwnd 1
        expect info backoff 1
        +2 > . 1:1461 ack 1
        +4 > . 1:1461 ack 1
        +0.1 < . 1:1 ack 1461 win 65535
        > P. 1461:2921 ack 1
        """,
        **PLAIN,
    )


def test_9293_must_18_karn_retransmitted_segments_are_not_measured() -> None:
    run_script(
        ACCEPTED
        + """
        write 100
        > P. 1:101 ack 1
        +1 > P. 1:101 ack 1
        +0.5 < . 1:1 ack 101 win 65535
        expect info rtt 0
        write 100
        > P. 101:201 ack 1
        +2 > P. 101:201 ack 1
        """,
        **PLAIN,
    )


def test_7323_4_timestamps_measure_retransmitted_segments() -> None:
    run_script(
        """
        0 listen
          < S 0:0 win 65535 <mss 1460,ts 1 0>
          > S. 0:0 ack 1 <ts 0 1>
          < . 1:1 ack 1 win 65535 <ts 1 0>
          accept
          write 100
          > P. 1:101 ack 1 <ts 0 1>
        1 > P. 1:101 ack 1 <ts 1000 1>
        1.3 < . 1:1 ack 101 win 65535 <ts 2 1000>
          expect info rtt 37500
          write 100
          > P. 101:201 ack 1
        2.3 > P. 101:201 ack 1
        """,
    )


def test_9293_must_20_r2_ends_the_connection_by_time() -> None:
    times = [1, 2, 4, 8, 16, 32]
    lines = "".join(f"+{wait} > P. 1:101 ack 1\n" for wait in times)
    run_script(
        ACCEPTED
        + "write 100\n > P. 1:101 ack 1\n"
        + lines
        + """
        expect event SLOW
        +59 expect state ESTABLISHED
        +1 expect error tcp-retransmission-limit
        """,
        **PLAIN,
    )


def test_9293_must_20_r2_may_be_a_number_of_retransmissions() -> None:
    run_script(
        ACCEPTED
        + """
        write 100
        > P. 1:101 ack 1
        +1 > P. 1:101 ack 1
        +2 > P. 1:101 ack 1
        +4 expect state CLOSED
        """,
        **PLAIN,
        retries_max=2,
    )


def test_linux_gives_up_after_fifteen_minutes() -> None:
    first = 0.2
    waits = [min(first * 2**n, 120) for n in range(16)]
    lines = "".join(f"+{wait} > P. 1:101 ack 1\n" for wait in waits[:-1])
    run_script(
        ACCEPTED
        + "write 100\n > P. 1:101 ack 1\n"
        + lines
        + f"+{waits[-1]} expect error tcp-retransmission-limit",
        profile=LINUX,
        **PLAIN,
    )
    assert 924 < sum(waits) < 925


def test_9293_3_8_3_user_timeout_ends_the_connection_to_the_second() -> None:
    run_script(
        ACCEPTED
        + """
        write 100
        > P. 1:101 ack 1
        +1 > P. 1:101 ack 1
        +2 > P. 1:101 ack 1
        +2 expect error tcp-user-timeout
        """,
        **PLAIN,
        user_timeout_ns=5 * SECOND,
    )


def test_5482_progress_moves_the_user_timeout() -> None:
    run_script(
        ACCEPTED
        + """
        nodelay
        write 100
        > P. 1:101 ack 1
        +0.9 write 100
        > P. 101:201 ack 1
        < . 1:1 ack 101 win 65535
        +1.0125 > P. 101:201 ack 1
        +0.4 expect state ESTABLISHED
        +0.0875 expect state CLOSED
        """,
        **PLAIN,
        user_timeout_ns=3 * SECOND // 2,
    )


def test_user_timeout_counts_while_the_window_is_shut() -> None:
    run_script(
        ACCEPTED.replace("65535", "0")
        + """
        write 100
        +1 > . 1:2 ack 1
        < . 1:1 ack 1 win 0
        +1.5 expect error tcp-user-timeout
        """,
        **PLAIN,
        user_timeout_ns=5 * SECOND // 2,
    )


# Keepalive


def test_9293_must_25_keepalive_is_off() -> None:
    run_script(ACCEPTED + "+1000000 expect state ESTABLISHED", **PLAIN)
    assert not RFC.keepalive
    assert not LINUX.keepalive
    assert min(RFC.keepalive_idle_ns, LINUX.keepalive_idle_ns) >= 7200 * SECOND


@pytest.mark.parametrize("state", ["ESTABLISHED", "CLOSE_WAIT"])
def test_9293_3_8_4_answered_keepalive_keeps_the_connection(state: str) -> None:
    at = 1 if state == "ESTABLISHED" else 2
    run_script(
        ACCEPTED
        + TO_STATE[state]
        + f"""
        keepalive 100 10
        +100 > . 0:0 ack {at} <>
        +1 < . {at}:{at} ack 1 win 65535
        +100 > . 0:0 ack {at} <>
        < . {at}:{at} ack 1 win 65535
        +50 expect state {state}
        """,
        **PLAIN,
    )


def test_9293_must_29_silent_peer_is_given_up_after_several_probes() -> None:
    probes = "+10 > . 0:0 ack 1\n" * 8
    run_script(
        ACCEPTED
        + "keepalive 100 10\n +100 > . 0:0 ack 1\n"
        + probes
        + "expect info probes 9\n +10 expect error tcp-keepalive-limit",
        **PLAIN,
    )


def test_9293_must_26_keepalive_waits_until_the_connection_is_idle() -> None:
    run_script(
        ACCEPTED
        + """
        keepalive 100 10
        +60 < P. 1:11 ack 1 win 65535
        +0.2 > . 1:1 ack 11
        +99.8 > . 0:0 ack 11
        """,
        **PLAIN,
    )


def test_keepalive_leaves_data_in_flight_to_the_retransmission_timer() -> None:
    run_script(
        ACCEPTED
        + """
        keepalive 2 1
        +1.5 write 10
        > P. 1:11 ack 1
        +1 > P. 1:11 ack 1
        +2 > P. 1:11 ack 1
        < . 1:1 ack 11 win 65535
        +2 > . 10:10 ack 1
        """,
        **PLAIN,
    )


def test_keepalive_of_the_profile_begins_after_two_hours() -> None:
    run_script(
        ACCEPTED + "+7200 > . 0:0 ack 1\n +75 > . 0:0 ack 1\n < R 1:1", keepalive=True, **PLAIN
    )


def test_9293_may_6_keepalive_may_carry_an_octet_of_garbage() -> None:
    run_script(
        ACCEPTED + "keepalive 100 10\n +100 > . 0:1 ack 1\n < R 1:1",
        keepalive_octet=True,
        **PLAIN,
    )


def test_keepalive_from_the_peer_is_answered() -> None:
    run_script(ACCEPTED + "< . 0:0 ack 1 win 65535\n > . 1:1 ack 1", **PLAIN)
    run_script(ACCEPTED + "< . 0:1 ack 1 win 65535\n > . 1:1 ack 1", **PLAIN)


def test_rto_after_a_measured_handshake() -> None:
    run_script(
        ACCEPTED_100MS
        + """
        expect info rtt 100000
        expect info rttvar 50000
        expect info rto 300000
        write 10
        > P. 1:11 ack 1
        +0.3 > P. 1:11 ack 1
        """,
        **PLAIN,
        rto_min_ns=0,
    )
