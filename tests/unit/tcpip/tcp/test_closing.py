"""Closing: FIN both ways, half-close, TIME-WAIT, resets (RFC 9293 3.5.2, 3.5.3, 3.6, 3.10.4-5)."""

from __future__ import annotations

import pytest

from longwire.tcpip.reasons import Reason
from longwire.tcpip.tcp.profile import LINUX
from longwire.tcpip.tcp.state import STEPS, State
from tests.unit.tcpip.script import run_script
from tests.unit.tcpip.tcp.handshakes import ACCEPTED, CONNECTED, NEXT, PLAIN, TO_STATE, in_state
from tests.unit.tcpip.world import two_hosts

BOTH = pytest.mark.parametrize("family", [4, 6])
SYNCHRONIZED = pytest.mark.parametrize("state", TO_STATE)
WRAPS = pytest.mark.parametrize("peer_iss", [1_000_000, 0xFFFFFFFE, 0xFFFFFFFF])


@BOTH
@WRAPS
def test_9293_3_6_active_close_passes_through_time_wait(family: int, peer_iss: int) -> None:
    run_script(
        ACCEPTED
        + """
        close
        > F. 1:1 ack 1
        expect state FIN_WAIT_1
        +0.1 < . 1:1 ack 2 win 65535
        expect state FIN_WAIT_2
        +0.1 < F. 1:1 ack 2 win 65535
        > . 2:2 ack 2
        expect state TIME_WAIT
        +239.999 expect state TIME_WAIT
        +0.001 expect state CLOSED
        expect error none
        expect event CLOSED
        """,
        family=family,
        peer_iss=peer_iss,
        **PLAIN,
    )


@BOTH
@WRAPS
def test_9293_3_6_passive_close_waits_for_the_application(family: int, peer_iss: int) -> None:
    run_script(
        CONNECTED
        + """
        < F. 1:1 ack 1 win 65535
        > . 1:1 ack 2
        expect state CLOSE_WAIT
        expect end
        expect event PEER_CLOSED
        +5 close
        > F. 1:1 ack 2
        expect state LAST_ACK
        < . 2:2 ack 2 win 65535
        expect state CLOSED
        expect error none
        """,
        family=family,
        peer_iss=peer_iss,
        **PLAIN,
    )


@WRAPS
def test_9293_3_6_simultaneous_close_passes_through_closing(peer_iss: int) -> None:
    run_script(
        ACCEPTED
        + """
        close
        > F. 1:1 ack 1
        +0.1 < F. 1:1 ack 1 win 65535
        > . 2:2 ack 2
        expect state CLOSING
        +0.1 < . 2:2 ack 2 win 65535
        expect state TIME_WAIT
        +240 expect state CLOSED
        """,
        peer_iss=peer_iss,
        **PLAIN,
    )


def test_9293_3_6_fin_that_acknowledges_ours_leads_to_time_wait() -> None:
    run_script(in_state("TIME_WAIT") + "+240 expect state CLOSED", **PLAIN)


def test_9293_3_6_half_close_still_receives() -> None:
    run_script(
        ACCEPTED
        + """
        shutdown
        > F. 1:1 ack 1
        < . 1:1 ack 2 win 65535
        +10 < P. 1:101 ack 2 win 65535
        read 100
        +0.2 > . 2:2 ack 101
        +10 < FP. 101:151 ack 2 win 65535
        > . 2:2 ack 152
        expect state TIME_WAIT
        read 50
        expect end
        """,
        **PLAIN,
    )


def test_9293_3_6_peer_that_half_closed_still_gets_data() -> None:
    run_script(
        in_state("CLOSE_WAIT")
        + """
        write 500
        > P. 1:501 ack 2
        < . 2:2 ack 501 win 65535
        write 100
        > P. 501:601 ack 2
        close
        > F. 601:601 ack 2
        < . 2:2 ack 602 win 65535
        expect state CLOSED
        """,
        **PLAIN,
    )


def test_fin_rides_on_the_last_data() -> None:
    run_script(
        ACCEPTED.replace("win 65535\n     accept", "win 0\n     accept")
        + """
        write 100
        close
        +1 > . 1:2 ack 1
        < . 1:1 ack 2 win 65535
        > FP. 2:101 ack 1
        < F. 1:1 ack 102 win 65535
        > . 102:102 ack 2
        expect state TIME_WAIT
        """,
        **PLAIN,
    )


def test_data_and_fin_in_one_segment_are_taken_together() -> None:
    run_script(
        ACCEPTED
        + """
        < FP. 1:101 ack 1 win 65535
        > . 1:1 ack 102
        expect state CLOSE_WAIT
        read 100
        expect end
        """,
        **PLAIN,
    )


def test_fin_before_missing_data_waits_for_it() -> None:
    run_script(
        ACCEPTED
        + """
        < F. 101:101 ack 1 win 65535
        > . 1:1 ack 1
        expect state ESTABLISHED
        < P. 1:101 ack 1 win 65535
        > . 1:1 ack 102
        expect state CLOSE_WAIT
        read 100
        expect end
        """,
        **PLAIN,
    )


def test_data_behind_a_fin_is_not_taken() -> None:
    run_script(
        ACCEPTED
        + """
        < FP. 1:11 ack 1 win 65535
        > . 1:1 ack 12
        < P. 12:22 ack 1 win 65535
        > . 1:1 ack 12
        expect readable 10
        expect reason tcp-text-after-end 1
        """,
        **PLAIN,
    )


def test_fin_is_retransmitted() -> None:
    run_script(
        ACCEPTED
        + """
        close
        > F. 1:1 ack 1
        +1 > F. 1:1 ack 1
        +2 > F. 1:1 ack 1
        +0.5 < . 1:1 ack 2 win 65535
        expect state FIN_WAIT_2
        """,
        **PLAIN,
    )


def test_close_while_connecting_sends_nothing() -> None:
    run_script("0 connect\n > S 0:0\n close\n expect state CLOSED\n expect error none")


def test_9293_3_10_4_shutdown_while_connecting_waits_for_the_handshake() -> None:
    run_script(
        """
        0 connect
          > S 0:0
          write 10
          shutdown
          < S. 0:0 ack 1 win 65535 <mss 1460>
          > FP. 1:11 ack 1
          expect state FIN_WAIT_1
        """,
        **PLAIN,
    )


def test_9293_shld_3_close_with_unread_data_resets() -> None:
    run_script(
        ACCEPTED
        + """
        < P. 1:101 ack 1 win 65535
        close
        > R. 1:1 ack 101
        expect state CLOSED
        expect error none
        """,
        **PLAIN,
    )


def test_9293_shld_3_data_after_close_is_reset() -> None:
    run_script(
        ACCEPTED
        + """
        close
        > F. 1:1 ack 1
        < . 1:1 ack 2 win 65535
        < P. 1:11 ack 2 win 65535
        > R. 2:2 ack 1
        expect error tcp-data-lost
        """,
        **PLAIN,
    )


# TIME-WAIT


def test_9293_3_10_7_4_repeated_fin_restarts_time_wait() -> None:
    run_script(
        in_state("TIME_WAIT")
        + """
        +200 < F. 1:1 ack 2 win 65535
        > . 2:2 ack 2
        +200 expect state TIME_WAIT
        +40 expect state CLOSED
        """,
        **PLAIN,
    )


def test_9293_may_2_newer_syn_ends_time_wait() -> None:
    run_script(
        in_state("TIME_WAIT")
        + """
        +1 < S 70000:70000 win 65535 <mss 1460>
        > S. 0:0 ack 70001
        expect reason tcp-time-wait-reused 1
        """,
        **PLAIN,
    )


def test_9293_may_2_next_life_begins_above_the_last() -> None:
    world, a, b, _, _ = two_hosts()
    listener = b.listen(80)
    first = a.connect("10.0.0.2", 80, 0, local_port=5000)
    world.run()
    accepted = listener.accept()
    assert accepted is not None
    # What was sent has overtaken the clock that initial numbers follow.
    accepted.tcb.snd_una = accepted.tcb.snd_nxt = accepted.tcb.snd_max = accepted.tcb.iss + 10**6
    accepted.tcb.send_buffer.start = accepted.tcb.send_buffer.end = accepted.tcb.snd_nxt
    first.tcb.rcv_nxt = first.tcb.rcv_adv = accepted.tcb.snd_nxt
    first.tcb.rcv_adv += 65_535
    before = accepted.tcb.snd_max
    accepted.close(world.now_ns)
    world.sleep(1)
    first.close(world.now_ns)
    world.sleep(1)
    assert accepted.state is State.TIME_WAIT
    a.connect("10.0.0.2", 80, world.now_ns, local_port=5000)
    world.sleep(1)
    second = listener.accept()
    assert second is not None
    assert (second.tcb.iss - before) & 0xFFFFFFFF < 1 << 31


def test_older_syn_in_time_wait_is_challenged() -> None:
    run_script(
        in_state("TIME_WAIT")
        + """
        +1 < S 1:1 win 65535 <mss 1460>
        > . 2:2 ack 2
        expect state TIME_WAIT
        """,
        **PLAIN,
    )


def test_6191_timestamp_decides_whether_time_wait_ends() -> None:
    opened = """
        0 listen
          < S 0:0 win 65535 <mss 1460,ts 1000 0>
          > S. 0:0 ack 1 <ts 0 1000>
          < . 1:1 ack 1 win 65535 <ts 1000 0>
          accept
          close
          > F. 1:1 ack 1
          < F. 1:1 ack 2 win 65535 <ts 1001 0>
          > . 2:2 ack 2
          expect state TIME_WAIT
    """
    run_script(opened + "+1 < S 1:1 win 65535 <ts 1002 0>\n > S. 0:0 ack 2")
    older = "+1 < S 99999:99999 win 65535 <ts 1000 0>\n > . 2:2 ack 2\n expect state TIME_WAIT"
    run_script(opened + older)


def test_syn_in_time_wait_without_a_listener_is_challenged() -> None:
    opened = CONNECTED + TO_STATE["TIME_WAIT"]
    run_script(opened + "< S 70000:70000 win 65535\n > . 2:2 ack 2", **PLAIN)


def test_1337_reset_ends_time_wait_unless_it_is_ignored() -> None:
    run_script(in_state("TIME_WAIT") + "< R 2:2\n expect state CLOSED\n expect error none", **PLAIN)
    run_script(
        in_state("TIME_WAIT") + "< R 2:2\n expect state TIME_WAIT\n"
        "expect reason tcp-reset-ignored 1",
        time_wait_ignores_reset=True,
        **PLAIN,
    )


def test_linux_time_wait_is_a_minute_and_fin_wait_2_too() -> None:
    profile = LINUX
    run_script(
        in_state("TIME_WAIT") + "+59.9 expect state TIME_WAIT\n +0.1 expect state CLOSED",
        profile=profile,
        **PLAIN,
    )
    closed = ACCEPTED + "close\n > F. 1:1 ack 1\n < . 1:1 ack 2 win 65535\n"
    run_script(
        closed + "+59.9 expect state FIN_WAIT_2\n +0.1 expect state CLOSED",
        profile=profile,
        **PLAIN,
    )
    run_script(closed + "+7200 expect state FIN_WAIT_2", **PLAIN)
    # A half-closed side may listen for ever.
    run_script(in_state("FIN_WAIT_2") + "+7200 expect state FIN_WAIT_2", profile=profile, **PLAIN)


# Resets


@SYNCHRONIZED
def test_9293_3_5_3_exact_reset_ends_every_state(state: str) -> None:
    error = "tcp-reset-received"
    if state in ("CLOSING", "LAST_ACK", "TIME_WAIT"):
        error = "none"
    at = NEXT[state][1]
    run_script(
        in_state(state) + f"< R {at}:{at}\n expect state CLOSED\n expect error {error}", **PLAIN
    )


@SYNCHRONIZED
def test_5961_3_2_reset_inside_the_window_is_challenged(state: str) -> None:
    ours, at = NEXT[state]
    run_script(
        in_state(state)
        + f"""
        < R {at + 100}:{at + 100}
        > . {ours}:{ours} ack {at}
        expect state {state}
        expect reason tcp-reset-blind 1
        """,
        **PLAIN,
    )


@SYNCHRONIZED
def test_5961_3_2_reset_outside_the_window_is_dropped_silently(state: str) -> None:
    at = NEXT[state][1]
    run_script(
        in_state(state) + f"< R {at + 70000}:{at + 70000}\n < R {at - 1}:{at - 1}\n"
        f"expect state {state}",
        **PLAIN,
    )


@SYNCHRONIZED
def test_5961_4_2_syn_is_challenged_whatever_its_number(state: str) -> None:
    ours, at = NEXT[state]
    opened = CONNECTED + TO_STATE[state] if state == "TIME_WAIT" else in_state(state)
    run_script(
        opened
        + f"""
        < S {at + 10}:{at + 10} win 1000
        > . {ours}:{ours} ack {at}
        < S {at + 90000}:{at + 90000} win 1000
        > . {ours}:{ours} ack {at}
        expect state {state}
        """,
        **PLAIN,
    )


@pytest.mark.parametrize("state", ["ESTABLISHED", "CLOSE_WAIT", "FIN_WAIT_1", "FIN_WAIT_2"])
def test_9293_3_10_5_abort_resets_the_peer(state: str) -> None:
    ours, at = NEXT[state]
    run_script(
        in_state(state)
        + f"""
        abort
        > R. {ours}:{ours} ack {at}
        expect state CLOSED
        expect error tcp-aborted
        """,
        **PLAIN,
    )


@pytest.mark.parametrize("state", ["CLOSING", "LAST_ACK", "TIME_WAIT"])
def test_9293_3_10_5_abort_of_what_is_closing_is_silent(state: str) -> None:
    run_script(in_state(state) + "abort\n expect state CLOSED", **PLAIN)


def test_9293_3_5_1_half_open_connection_is_found_by_the_reset() -> None:
    """A host that has forgotten answers with a reset, and the other side is told (MUST-12)."""
    world, a, b, _, _ = two_hosts()
    listener = b.listen(80)
    connection = a.connect("10.0.0.2", 80, 0)
    world.run()
    forgotten = listener.accept()
    assert forgotten is not None
    b.tcp._remove(forgotten)
    connection.write(b"are you there?", world.now_ns)
    world.sleep(1)
    assert connection.error is Reason.TCP_RESET_RECEIVED
    assert b.notebook.count(Reason.TCP_PORT_CLOSED) == 0
    assert b.notebook.count(Reason.TCP_LISTENER_WITHOUT_SYN) == 1


def test_every_step_leads_to_a_state_that_has_steps() -> None:
    reached = {State.CLOSED}
    frontier = [State.CLOSED]
    while frontier:
        for following in STEPS[frontier.pop()]:
            if following not in reached:
                reached.add(following)
                frontier.append(following)
    assert reached == set(State) - {State.LISTEN}
