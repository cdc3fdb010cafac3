"""Congestion control by itself: Reno, CUBIC, fixed windows (RFC 5681, 6928, 9438)."""

from __future__ import annotations

import dataclasses

import pytest

from longwire.tcpip.durations import MILLISECOND, SECOND
from longwire.tcpip.tcp.congestion import AckSample, initial_window, make_congestion_control
from longwire.tcpip.tcp.congestion.base import THRESHOLD_UNSET
from longwire.tcpip.tcp.congestion.cubic import Cubic, cube_root
from longwire.tcpip.tcp.congestion.reno import Reno
from longwire.tcpip.tcp.profile import RFC

MSS = 1000


def ack(
    acked: int, *, now_ns: int = 0, rtt_ns: int | None = None, is_used: bool = True
) -> AckSample:
    return AckSample(now_ns, acked, 10 * MSS, rtt_ns, is_used)


@pytest.mark.parametrize(
    ("mss", "window"),
    [(1460, 14_600), (1448, 14_480), (536, 5_360), (4000, 14_600), (9000, 18_000)],
)
def test_6928_2_initial_window(mss: int, window: int) -> None:
    assert initial_window(mss, 10) == window


def test_5681_3_1_slow_start_grows_by_what_is_acknowledged_up_to_a_segment() -> None:
    reno = Reno(MSS, 10 * MSS, 1)
    reno.on_ack(ack(2 * MSS))
    assert reno.window == 11 * MSS
    reno.on_ack(ack(300))
    assert reno.window == 11 * MSS + 300
    generous = Reno(MSS, 10 * MSS, None)
    generous.on_ack(ack(2 * MSS))
    assert generous.window == 12 * MSS


def test_5681_3_1_congestion_avoidance_adds_a_segment_each_round_trip() -> None:
    reno = Reno(MSS, 10 * MSS, 1)
    reno.threshold = 10 * MSS
    for _ in range(9):
        reno.on_ack(ack(MSS))
    assert reno.window == 10 * MSS
    reno.on_ack(ack(MSS))
    assert reno.window == 11 * MSS


def test_7661_window_that_is_not_used_does_not_grow() -> None:
    for control in (Reno(MSS, 10 * MSS, 1), Cubic(MSS, 10 * MSS, 1)):
        control.on_ack(ack(MSS, is_used=False))
        assert control.window == 10 * MSS


def test_5681_equation_4_threshold_is_half_of_what_is_in_flight() -> None:
    reno = Reno(MSS, 40 * MSS, 1)
    reno.on_congestion(20 * MSS, 0)
    assert (reno.threshold, reno.window) == (10 * MSS, 10 * MSS)
    reno.on_congestion(3 * MSS, 0)
    assert reno.threshold == 2 * MSS


def test_5681_3_1_timeout_leaves_one_segment_and_halves_once() -> None:
    for control in (Reno(MSS, 40 * MSS, 1), Cubic(MSS, 40 * MSS, 1)):
        control.on_timeout(20 * MSS, 0, is_first=True)
        assert control.window == MSS
        threshold = control.threshold
        control.on_timeout(MSS, 0, is_first=False)
        assert control.threshold == threshold


def test_5681_4_1_idling_restarts_from_the_initial_window() -> None:
    for control in (Reno(MSS, 40 * MSS, 1), Cubic(MSS, 40 * MSS, 1)):
        control.on_idle(10 * MSS, 0)
        assert control.window == 10 * MSS
        control.on_idle(20 * MSS, 0)
        assert control.window == 10 * MSS


def test_6582_3_2_window_after_recovery_does_not_burst() -> None:
    reno = Reno(MSS, 40 * MSS, 1)
    reno.on_congestion(40 * MSS, 0)
    reno.on_recovered(3 * MSS)
    assert reno.window == 4 * MSS
    reno.on_recovered(60 * MSS)
    assert reno.window == 20 * MSS


@pytest.mark.parametrize("number", [0, 1, 7, 8, 9, 26, 27, 28, 10**9, 10**18 - 1, 10**18, 3**99])
def test_cube_root_is_exact(number: int) -> None:
    root = cube_root(number)
    assert root**3 <= number < (root + 1) ** 3


def in_avoidance(window: int, w_max: int) -> Cubic:
    """A CUBIC that has just lost at ``w_max`` segments and has ``window``."""
    cubic = Cubic(MSS, w_max * MSS, 1)
    cubic.on_congestion(w_max * MSS, 0)
    cubic.window = window * MSS
    cubic.threshold = window * MSS
    return cubic


def test_9438_4_6_multiplicative_decrease_is_to_seven_tenths() -> None:
    cubic = Cubic(MSS, 100 * MSS, 1)
    cubic.on_congestion(100 * MSS, 0)
    assert (cubic.window, cubic.threshold) == (70 * MSS, 70 * MSS)
    cubic.on_congestion(MSS, 0)
    assert cubic.threshold == 2 * MSS


def test_9438_4_2_curve_follows_the_formula() -> None:
    """W(t) = 0.4 (t - K)^3 + W_max, K = cbrt((W_max - cwnd_epoch) / 0.4)."""
    cubic = in_avoidance(70, 100)
    cubic.on_ack(ack(MSS, now_ns=0, rtt_ns=100 * MILLISECOND))
    k_s = (30 / 0.4) ** (1 / 3)
    for tenth in range(100):
        t_s = tenth / 10
        wanted = 0.4 * (t_s - k_s) ** 3 + 100
        assert abs(cubic.curve(tenth * 100) / MSS - wanted) < 0.1


def test_9438_4_2_window_follows_the_curve() -> None:
    cubic = in_avoidance(700, 1000)
    rtt_ns = 100 * MILLISECOND
    now_ns = 0
    for _ in range(100):
        segments = cubic.window // MSS
        for number in range(segments):
            cubic.on_ack(ack(MSS, now_ns=now_ns + rtt_ns * number // segments, rtt_ns=rtt_ns))
        now_ns += rtt_ns
    wanted = cubic.curve(now_ns // MILLISECOND)
    assert abs(cubic.window - wanted) < wanted // 50


def test_9438_4_3_small_windows_grow_at_least_like_reno() -> None:
    cubic = in_avoidance(7, 10)
    rtt_ns = 10 * MILLISECOND
    now_ns = 0
    rounds = 100
    for _ in range(rounds):
        for _ in range(cubic.window // MSS):
            cubic.on_ack(ack(MSS, now_ns=now_ns, rtt_ns=rtt_ns))
        now_ns += rtt_ns
    # alpha is 9/17 up to the former window of 10, and 1 after it: about 6 rounds, then 94.
    assert 0.8 * (rounds - 6) < cubic.window / MSS - 10 < 1.1 * rounds


def test_linux_reduces_the_window_though_less_is_in_flight() -> None:
    for control, wanted in (
        (Reno(MSS, 40 * MSS, 1, does_reduce_window=True), 20 * MSS),
        (Cubic(MSS, 40 * MSS, 1, does_reduce_window=True), 28 * MSS),
    ):
        control.on_congestion(10 * MSS, 0)
        assert (control.threshold, control.window) == (wanted, wanted)


def test_linux_keeps_the_alpha_of_small_windows() -> None:
    cubic = Cubic(MSS, 10 * MSS, 1, does_alpha_rise=False)
    cubic.on_congestion(10 * MSS, 0)
    rounds = 100
    for number in range(rounds):
        for _ in range(cubic.window // MSS):
            cubic.on_ack(ack(MSS, now_ns=number * MILLISECOND, rtt_ns=MILLISECOND))
    assert 0.8 < (cubic.window / MSS - 7) / (rounds * 9 / 17) < 1.1


def test_9438_4_7_fast_convergence_leaves_room() -> None:
    cubic = Cubic(MSS, 100 * MSS, 1)
    cubic.on_congestion(100 * MSS, 0)
    cubic.on_congestion(70 * MSS, 0)
    # W_max = cwnd (1 + beta) / 2.
    assert cubic._w_max == 70 * MSS * 17 // 20


def test_9438_4_2_target_is_at_most_half_as_much_again() -> None:
    cubic = in_avoidance(10, 11)
    cubic.on_ack(ack(MSS, now_ns=0, rtt_ns=100 * MILLISECOND))
    before = cubic.window
    # After a minute the curve is far away; one window's worth of ACKs adds half a window.
    for _ in range(10):
        cubic.on_ack(ack(MSS, now_ns=60 * SECOND, rtt_ns=100 * MILLISECOND))
    assert before < cubic.window <= before * 1.65


def test_9438_5_8_time_without_use_does_not_count() -> None:
    used, unused = in_avoidance(70, 100), in_avoidance(70, 100)
    for control in (used, unused):
        control.on_ack(ack(MSS, now_ns=1, rtt_ns=100 * MILLISECOND))
    for second in range(1, 11):
        unused.on_ack(ack(MSS, now_ns=second * SECOND, is_used=False))
    unused.on_ack(ack(MSS, now_ns=10 * SECOND + MILLISECOND))
    used.on_ack(ack(MSS, now_ns=10 * SECOND + MILLISECOND))
    assert unused.window < used.window


def test_fixed_window_never_changes() -> None:
    fixed = make_congestion_control(dataclasses.replace(RFC, congestion="fixed:7"), MSS)
    fixed.on_ack(ack(MSS))
    fixed.on_congestion(7 * MSS, 0)
    fixed.on_timeout(7 * MSS, 0, is_first=True)
    fixed.on_idle(MSS, 0)
    fixed.on_recovered(MSS)
    fixed.window = 5
    assert (fixed.window, fixed.threshold) == (7 * MSS, THRESHOLD_UNSET)
    fixed.mss = 100
    assert fixed.window == 700


@pytest.mark.parametrize("name", ["bbr", "fixed", "fixed:0", "fixed:x", "reno:1", ""])
def test_unknown_congestion_control_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="one of reno, cubic, fixed:N"):
        make_congestion_control(dataclasses.replace(RFC, congestion=name), MSS)
