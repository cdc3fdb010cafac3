"""How scripts begin: handshakes, and the way to each state."""

from __future__ import annotations

# No options but the segment size, so that scripts are short; windows up to 65,535.
PLAIN = {"timestamps": False, "sack": False, "window_scaling": False}

ACCEPTED = """
0    listen
     < S 0:0 win 65535 <mss 1460>
     > S. 0:0 ack 1
     < . 1:1 ack 1 win 65535
     accept
"""

CONNECTED = """
0    connect
     > S 0:0
     < S. 0:0 ack 1 win 65535 <mss 1460>
     > . 1:1 ack 1
"""

# 100 ms of round-trip time, measured in the handshake.
ACCEPTED_100MS = """
0    listen
     < S 0:0 win 65535 <mss 1000>
     > S. 0:0 ack 1
0.1  < . 1:1 ack 1 win 65535
     accept
"""

# From the end of a handshake to each of the synchronized states; both sides have sent nothing.
TO_STATE = {
    "ESTABLISHED": "",
    "CLOSE_WAIT": """
        < F. 1:1 ack 1 win 65535
        > . 1:1 ack 2
    """,
    "LAST_ACK": """
        < F. 1:1 ack 1 win 65535
        > . 1:1 ack 2
        close
        > F. 1:1 ack 2
    """,
    "FIN_WAIT_1": """
        shutdown
        > F. 1:1 ack 1
    """,
    "FIN_WAIT_2": """
        shutdown
        > F. 1:1 ack 1
        < . 1:1 ack 2 win 65535
    """,
    "CLOSING": """
        shutdown
        > F. 1:1 ack 1
        < F. 1:1 ack 1 win 65535
        > . 2:2 ack 2
    """,
    "TIME_WAIT": """
        shutdown
        > F. 1:1 ack 1
        < F. 1:1 ack 2 win 65535
        > . 2:2 ack 2
    """,
}

# SND.NXT and RCV.NXT, relative, in each of them.
NEXT = {
    "ESTABLISHED": (1, 1),
    "CLOSE_WAIT": (1, 2),
    "LAST_ACK": (2, 2),
    "FIN_WAIT_1": (2, 1),
    "FIN_WAIT_2": (2, 1),
    "CLOSING": (2, 2),
    "TIME_WAIT": (2, 2),
}


def in_state(state: str) -> str:
    """A script that ends in ``state``."""
    return f"{ACCEPTED}{TO_STATE[state]}\nexpect state {state}\n"
