"""Loss recovery on the wire: slow start, fast retransmit, NewReno, SACK (RFC 5681, 6582, 6675)."""

from __future__ import annotations

import dataclasses

import pytest

from longwire.tcpip.reasons import Reason
from longwire.tcpip.tcp.congestion import make_congestion_control
from longwire.tcpip.tcp.profile import LINUX, RFC
from longwire.tcpip.tcp.recovery import make_recovery
from longwire.tcpip.tcp.scoreboard import Scoreboard
from tests.packet_scripts.stack import run_script

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


LOST_FIRST = (
    OPENED
    + "write 60000\n"
    + sent(0, 9)
    + acked(0, at="+0.1")
    + sent(10, 10)
    + acked(0)
    + sent(11, 11)
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


# SACK


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


@pytest.mark.parametrize("name", ["rack", "", "SACK"])
def test_unknown_recovery_is_refused(name: str) -> None:
    profile = dataclasses.replace(RFC, recovery=name)
    control = make_congestion_control(RFC, 1000)
    with pytest.raises(ValueError, match="one of sack, newreno"):
        make_recovery(profile, Scoreboard(), control, has_sack=True)
