"""How scripts begin: handshakes, and the way to each state."""

from __future__ import annotations

from tests.packet_scripts.corpus import beginning

ACCEPTED = beginning("accepted")
CONNECTED = beginning("connected")
ACCEPTED_100MS = beginning("accepted_100ms")

# From the end of a handshake to each of the synchronized states; both sides have sent nothing.
TO_STATE = {"ESTABLISHED": ""} | {
    name: beginning(name.lower())
    for name in ("CLOSE_WAIT", "LAST_ACK", "FIN_WAIT_1", "FIN_WAIT_2", "CLOSING", "TIME_WAIT")
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
