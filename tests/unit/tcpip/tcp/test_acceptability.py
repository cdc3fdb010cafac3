"""Which segments are taken (RFC 9293 3.4, 3.10.7.4; RFC 5961; RFC 7323 section 5; ICMP)."""

from __future__ import annotations

import pytest

from longwire.tcpip.reasons import Reason
from tests.packet_scripts.corpus import PLAIN
from tests.packet_scripts.stack import run_script
from tests.unit.tcpip.tcp.handshakes import ACCEPTED

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


FULL = (
    ACCEPTED
    + """
    < P. 1:1001 ack 1 win 65535
    > . 1:1 ack 1001 win 0
    """
)


def test_two_sides_do_not_answer_stray_acks_for_ever() -> None:
    host = run_script(
        ACCEPTED + "< . 0:0 ack 1 win 65535\n > . 1:1 ack 1\n" * 10 + "< . 0:0 ack 1 win 65535",
        **PLAIN,
    )
    assert host.notebook.count(Reason.TCP_CHALLENGE_LIMITED) == 1


# Timestamps


# ICMP
