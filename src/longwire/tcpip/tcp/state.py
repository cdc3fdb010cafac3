"""The states of RFC 9293 section 3.3.2, and every step between them that there is.

``STEPS`` is the whole state machine as data; a step that is not in it is a bug of ours, and
``ControlBlock.enter`` says so. LISTEN is absent from it because a listener is an object of its own:
a control block begins when a SYN comes to it.
"""

from __future__ import annotations

from enum import Enum

__all__ = ["STEPS", "State"]


class State(Enum):
    """Values are the kernel's numbers, as ``tcpi_state`` has them."""

    ESTABLISHED = 1
    SYN_SENT = 2
    SYN_RECEIVED = 3
    FIN_WAIT_1 = 4
    FIN_WAIT_2 = 5
    TIME_WAIT = 6
    CLOSED = 7
    CLOSE_WAIT = 8
    LAST_ACK = 9
    LISTEN = 10
    CLOSING = 11

    def __init__(self, _: int) -> None:
        self.is_synchronized = False
        """Both sides have acknowledged each other's SYN."""
        self.can_send = False
        """The application may still write."""
        self.can_receive = False
        """The peer may still send."""


for _state in State:
    _state.is_synchronized = _state not in (
        State.CLOSED,
        State.LISTEN,
        State.SYN_SENT,
        State.SYN_RECEIVED,
    )
    _state.can_send = _state in (
        State.SYN_SENT,
        State.SYN_RECEIVED,
        State.ESTABLISHED,
        State.CLOSE_WAIT,
    )
    _state.can_receive = _state in (
        State.SYN_SENT,
        State.SYN_RECEIVED,
        State.ESTABLISHED,
        State.FIN_WAIT_1,
        State.FIN_WAIT_2,
    )

# Reset, abort and time-out lead from everywhere to CLOSED; they are not listed.
STEPS: dict[State, tuple[State, ...]] = {
    State.CLOSED: (State.SYN_SENT, State.SYN_RECEIVED),
    State.SYN_SENT: (State.ESTABLISHED, State.SYN_RECEIVED),
    State.SYN_RECEIVED: (State.ESTABLISHED,),
    State.ESTABLISHED: (State.FIN_WAIT_1, State.CLOSE_WAIT),
    State.FIN_WAIT_1: (State.FIN_WAIT_2, State.CLOSING),
    State.FIN_WAIT_2: (State.TIME_WAIT,),
    State.CLOSE_WAIT: (State.LAST_ACK,),
    State.CLOSING: (State.TIME_WAIT,),
    State.LAST_ACK: (),
    State.TIME_WAIT: (),
    State.LISTEN: (),
}
