"""Loss recovery on the wire: slow start, fast retransmit, NewReno, SACK (RFC 5681, 6582, 6675)."""

from __future__ import annotations

import dataclasses

import pytest

from longwire.tcpip.reasons import Reason
from longwire.tcpip.tcp.congestion import make_congestion_control
from longwire.tcpip.tcp.profile import LINUX, RFC
from longwire.tcpip.tcp.recovery import make_recovery
from longwire.tcpip.tcp.scoreboard import Scoreboard
from tests.unit.tcpip.script import run_script

# Segments of 1,000 octets, 100 ms of round-trip time, a large window.
PLAIN = {"timestamps": False, "sack": False}
OPENED = """
0    listen
     < S 0:0 win 65535 <mss 1000,wscale 4>
     > S. 0:0 ack 1
0.1  < . 1:1 ack 1 win 65535
     accept
"""
SACKED = OPENED.replace("wscale 4", "wscale 4,sackOK")
WITH_SACK = {"timestamps": False}


def sent(first: int, last: int, *, push: bool = False) -> str:
    """Lines that expect the segments numbered ``first`` to ``last``, counted from 0."""
    lines = []
    for number in range(first, last + 1):
        flags = "P." if push and number == last else "."
        lines.append(f"> {flags} {number * 1000 + 1}:{number * 1000 + 1001} ack 1\n")
    return "".join(lines)


def acked(number: int, *blocks: tuple[int, int], at: str = "") -> str:
    """A line that acknowledges everything before segment ``number``, and sacks these."""
    sack = " ".join(f"{left * 1000 + 1}:{right * 1000 + 1}" for left, right in blocks)
    option = f" <sack {sack}>" if blocks else ""
    return f"{at} < . 1:1 ack {number * 1000 + 1} win 65535{option}\n"


def test_6928_2_ten_segments_leave_at_first() -> None:
    run_script(OPENED + "write 20000\n" + sent(0, 9) + "expect info snd_cwnd 10", **PLAIN)


def test_5681_3_1_slow_start_sends_two_segments_for_each_ack() -> None:
    run_script(
        OPENED
        + "write 60000\n"
        + sent(0, 9)
        + acked(1, at="+0.1")
        + sent(10, 11)
        + acked(2)
        + sent(12, 13)
        # One ACK for two segments opens the window by one: equation 2.
        + acked(4)
        + sent(14, 16)
        + "expect info snd_cwnd 13",
        **PLAIN,
    )
    run_script(
        OPENED + "write 60000\n" + sent(0, 9) + acked(2, at="+0.1") + sent(10, 13),
        **PLAIN,
        slow_start_segments=None,
    )


def test_3042_first_two_duplicates_send_one_new_segment_each() -> None:
    run_script(
        OPENED
        + "write 60000\n"
        + sent(0, 9)
        + acked(0, at="+0.1")
        + sent(10, 10)
        + acked(0)
        + sent(11, 11)
        + "expect info snd_cwnd 10\n expect info ca_state 1",
        **PLAIN,
    )


LOST_FIRST = (
    OPENED
    + "write 60000\n"
    + sent(0, 9)
    + acked(0, at="+0.1")
    + sent(10, 10)
    + acked(0)
    + sent(11, 11)
)


def test_5681_3_2_third_duplicate_retransmits_at_once_and_halves() -> None:
    run_script(
        LOST_FIRST
        + acked(0)
        + sent(0, 0)
        # Twelve segments were in flight; the two of limited transmit do not count.
        + "expect info snd_ssthresh 5\n expect info ca_state 3\n"
        + "expect reason tcp-fast-retransmit 1\n"
        # Window 5, inflated by 3 and one for each duplicate: new data flows from the fifth of
        # these on, when 12 - 3 - 5 = 4 are thought to be in the network.
        + acked(0)
        + acked(0)
        + acked(0)
        + acked(0)
        + acked(0)
        + sent(12, 12)
        + acked(0)
        + sent(13, 13)
        # Full acknowledgment.
        + acked(12, at="+0.1")
        + sent(14, 14)
        + "expect info ca_state 0\n expect info snd_cwnd 3\n",
        **PLAIN,
    )


@pytest.mark.parametrize(
    "lines",
    [
        # Text, and with the second a full-sized pair that is acknowledged.
        ["< . 1:11 ack 1 win 65535", "< . 11:21 ack 1 win 65535", "< . 21:31 ack 1 win 65535"],
        # A changed window.
        [f"< . 1:1 ack 1 win {window}" for window in (65534, 65533, 65532)],
        # An older ACK.
        ["< . 1:1 ack 0 win 65535"] * 3,
    ],
)
def test_5681_2_what_is_no_duplicate_does_not_count(lines: list[str]) -> None:
    script = OPENED + "write 10000\n" + sent(0, 9, push=True) + "\n".join(lines)
    host = run_script(script, **PLAIN)
    assert host.tcp.connections[0].tcb.recovery.duplicates == 0


def test_5681_2_duplicates_with_nothing_in_flight_do_not_count() -> None:
    host = run_script(
        OPENED + "write 1000\n" + sent(0, 0, push=True) + acked(1, at="+0.1") + acked(1) * 5,
        **PLAIN,
    )
    assert host.tcp.connections[0].tcb.recovery.duplicates == 0


def test_6582_3_2_partial_ack_retransmits_the_next_hole() -> None:
    run_script(
        LOST_FIRST
        + acked(0)
        + sent(0, 0)
        # Segments 0, 3 and 7 were lost: each round trip repairs one.
        + acked(3, at="+0.1")
        + sent(3, 3)
        + "expect info ca_state 3\n"
        + acked(7, at="+0.1")
        + sent(7, 7)
        + acked(12, at="+0.1")
        + sent(12, 13)
        + "expect info ca_state 0\n",
        **PLAIN,
    )


def test_6582_3_2_duplicates_of_what_was_recovered_do_not_start_another() -> None:
    host = run_script(
        OPENED
        + "write 10000\n"
        + sent(0, 9, push=True)
        + acked(0, at="+0.1")
        + acked(0)
        + acked(0)
        + sent(0, 0)
        + acked(10, at="+0.1")
        + "write 5000\n"
        + sent(10, 11)
        + acked(10)
        + sent(12, 12)
        + acked(10)
        + sent(13, 13)
        + acked(10) * 3
        + "expect info ca_state 1",
        **PLAIN,
    )
    assert host.notebook.count(Reason.TCP_FAST_RETRANSMIT) == 1


def test_6582_3_2_timeout_ends_recovery_and_goes_back() -> None:
    run_script(
        LOST_FIRST
        + acked(0)
        + sent(0, 0)
        + "+1 "
        + sent(0, 0)
        + "expect info ca_state 4\n expect info snd_cwnd 1\n expect info lost 12\n"
        + acked(2, at="+0.1")
        + sent(2, 3)
        + acked(4)
        + sent(4, 6)
        + acked(12, at="+0.1")
        + sent(12, 15)
        + "expect info ca_state 0\n",
        **PLAIN,
    )


# SACK


def test_6675_5_third_sack_retransmits_and_the_pipe_governs() -> None:
    run_script(
        SACKED
        + "write 60000\n"
        + sent(0, 9)
        + acked(0, (1, 2), at="+0.1")
        + sent(10, 10)
        + acked(0, (1, 3))
        + sent(11, 11)
        + acked(0, (1, 4))
        + sent(0, 0)
        + "expect info ca_state 3\n expect info snd_ssthresh 5\n expect info sacked 3\n"
        # 12 in flight, 3 sacked, 1 lost and sent again: the pipe is 9, the window 5.
        + acked(0, (1, 5))
        + acked(0, (1, 6))
        + acked(0, (1, 7))
        + acked(0, (1, 8))
        + acked(0, (1, 9))
        + sent(12, 12)
        + acked(0, (1, 10))
        + sent(13, 13)
        + acked(12, at="+0.1")
        + sent(14, 16)
        + "expect info ca_state 0\n expect info snd_cwnd 5",
        **WITH_SACK,
    )


def test_6675_5_loss_is_found_by_octets_without_three_duplicates() -> None:
    """One ACK that sacks more than two segments above a hole is enough (step 2, IsLost)."""
    run_script(
        SACKED + "write 10000\n" + sent(0, 9, push=True) + acked(0, (1, 4), at="+0.1") + sent(0, 0),
        **WITH_SACK,
    )
    run_script(
        SACKED + "write 10000\n" + sent(0, 9, push=True) + acked(0, (1, 3), at="+0.1"), **WITH_SACK
    )


def test_6675_4_nextseg_rule_1_repairs_every_hole_in_one_round_trip() -> None:
    run_script(
        SACKED
        + "write 10000\n"
        + sent(0, 9, push=True)
        # 0, 2 and 4 are missing.
        + acked(0, (1, 2), at="+0.1")
        + acked(0, (3, 4), (1, 2))
        + acked(0, (5, 6), (3, 4), (1, 2))
        + sent(0, 0)
        # Now 2 is lost too, but what is in the network fills the window of five.
        + acked(0, (5, 7), (3, 4), (1, 2))
        + acked(0, (5, 8), (3, 4), (1, 2))
        + sent(2, 2)
        + sent(4, 4)
        # All holes are on their way; there is room to rescue the end of the flight (rule 4).
        + acked(0, (5, 9), (3, 4), (1, 2))
        + sent(9, 9, push=True)
        + acked(0, (5, 10), (3, 4), (1, 2))
        + acked(10, at="+0.1")
        + "expect info ca_state 0\n expect info total_retrans 4",
        **WITH_SACK,
    )


def test_6675_4_nextseg_rule_2_new_data_before_what_may_not_be_lost() -> None:
    """Segment 8 is a hole, but only one above it is sacked: it is not known to be lost."""
    run_script(
        SACKED
        + "write 60000\n"
        + sent(0, 9)
        + acked(0, (9, 10), at="+0.1")
        + sent(10, 10)
        + acked(0, (1, 2), (9, 10))
        + sent(11, 11)
        + acked(0, (1, 3), (9, 10))
        + sent(0, 0)
        + acked(0, (1, 4), (9, 10))
        + acked(0, (1, 5), (9, 10))
        + acked(0, (1, 6), (9, 10))
        + acked(0, (1, 7), (9, 10))
        + acked(0, (1, 8), (9, 10))
        + sent(12, 12),
        **WITH_SACK,
    )


def test_6675_4_nextseg_rule_3_holes_when_there_is_nothing_new() -> None:
    run_script(
        SACKED
        + "write 10000\n"
        + sent(0, 9, push=True)
        + acked(0, (9, 10), at="+0.1")
        + acked(0, (1, 2), (9, 10))
        + acked(0, (1, 3), (9, 10))
        + sent(0, 0)
        + acked(0, (1, 4), (9, 10))
        + acked(0, (1, 5), (9, 10))
        + acked(0, (1, 6), (9, 10))
        + sent(6, 6),
        **WITH_SACK,
    )


def test_6675_4_nextseg_rule_4_rescues_the_end_of_the_flight_once() -> None:
    """The last segments were lost too; nothing above them can be sacked."""
    run_script(
        SACKED
        + "write 10000\n"
        + sent(0, 9, push=True)
        + acked(0, (1, 2), at="+0.1")
        + acked(0, (1, 3))
        + acked(0, (1, 4))
        + sent(0, 0)
        + acked(0, (1, 5))
        + acked(0, (1, 6))
        + acked(0, (1, 7))
        + sent(9, 9).replace("> .", "> P.")
        + acked(0, (1, 8))
        + acked(8, at="+0.1")
        + "expect info ca_state 3\n"
        # The rescue arrived, and its SACK shows the hole before it.
        + acked(8, (9, 10), at="+0.1")
        + sent(8, 8)
        + acked(10, at="+0.1")
        + "expect info ca_state 0",
        **WITH_SACK,
    )


def test_6675_5_1_timeout_forgets_what_was_sacked() -> None:
    run_script(
        SACKED
        + "write 4000\n"
        + sent(0, 3, push=True)
        + acked(0, (1, 2), at="+0.1")
        + "+0.9 "
        + sent(0, 0)
        + "expect info sacked 0\n expect info lost 4\n"
        + acked(1, (1, 2), at="+0.1").replace("<sack 1001:2001>", "")
        + sent(1, 2),
        **WITH_SACK,
    )


def test_linux_keeps_what_was_sacked_over_a_timeout() -> None:
    host = run_script(
        SACKED
        + "write 4000\n"
        + sent(0, 3, push=True)
        + acked(0, (1, 2), at="+0.1")
        + "+0.2 "
        + sent(0, 0)
        + "expect info sacked 1\n"
        + acked(2, at="+0.1")
        + sent(2, 3, push=True),
        profile=dataclasses.replace(LINUX, congestion="reno"),
        **WITH_SACK,
    )
    assert host.notebook.count(Reason.TCP_SACK_RENEGED) == 0


def test_2018_8_peer_that_reneges_gets_everything_again() -> None:
    """Segment 1 was sacked and is then asked for: the time-out sends it again all the same."""
    host = run_script(
        SACKED
        + "write 4000\n"
        + sent(0, 3, push=True)
        + acked(0, (1, 4), at="+0.1")
        + sent(0, 0)
        + acked(1, at="+0.1")
        + "+1 "
        + sent(1, 1)
        + acked(2, at="+0.1")
        + sent(2, 3, push=True)
        + acked(4, at="+0.1")
        + "expect info unacked 0",
        profile=dataclasses.replace(RFC, sack_kept_on_timeout=True),
        **WITH_SACK,
    )
    assert host.notebook.count(Reason.TCP_SACK_RENEGED) == 1


@pytest.mark.parametrize("block", ["1:1", "2001:1001", "50001:51001", "4294900000:4294910000"])
def test_sack_of_what_is_not_in_flight_is_ignored(block: str) -> None:
    run_script(
        SACKED
        + "write 4000\n"
        + sent(0, 3, push=True)
        + f"+0.1 < . 1:1 ack 1 win 65535 <sack {block}>\n" * 4
        + "expect info sacked 0\n expect info ca_state 0",
        **WITH_SACK,
    )


def test_5681_4_1_window_restarts_after_idling() -> None:
    grow = (
        OPENED
        + "write 10000\n"
        + sent(0, 9, push=True)
        + acked(10, at="+0.1")
        + "write 11000\n"
        + sent(10, 20, push=True)
        + acked(21, at="+0.1")
        + "expect info snd_cwnd 12\n"
    )
    again = "+1.5 write 30000\n"
    run_script(grow + again + sent(21, 30), **PLAIN)
    run_script(grow + again + sent(21, 32), **PLAIN, slow_start_after_idle=False)


def test_retransmission_carries_the_newest_ack_and_window() -> None:
    run_script(
        OPENED
        + """
        write 1000
        > P. 1:1001 ack 1
        < P. 1:101 ack 1 win 65535
        +0.2 > . 1001:1001 ack 101
        +0.8 > P. 1:1001 ack 101
        """,
        **PLAIN,
    )


@pytest.mark.parametrize("name", ["rack", "", "SACK"])
def test_unknown_recovery_is_refused(name: str) -> None:
    profile = dataclasses.replace(RFC, recovery=name)
    control = make_congestion_control(RFC, 1000)
    with pytest.raises(ValueError, match="one of sack, newreno"):
        make_recovery(profile, Scoreboard(), control, has_sack=True)
