"""Retransmission (RFC 6298), giving up (R1, R2), keepalive, user timeout."""

from __future__ import annotations

import dataclasses

from longwire.tcpip.durations import MILLISECOND, SECOND
from longwire.tcpip.tcp.profile import LINUX, RFC
from longwire.tcpip.tcp.rtt import RttEstimator
from tests.packet_scripts.corpus import PLAIN
from tests.packet_scripts.stack import run_script
from tests.unit.tcpip.tcp.handshakes import ACCEPTED

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


# Keepalive


def test_9293_must_25_keepalive_is_off() -> None:
    run_script(ACCEPTED + "+1000000 expect state ESTABLISHED", **PLAIN)
    assert not RFC.keepalive
    assert not LINUX.keepalive
    assert min(RFC.keepalive_idle_ns, LINUX.keepalive_idle_ns) >= 7200 * SECOND
