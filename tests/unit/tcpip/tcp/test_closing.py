"""Closing: FIN both ways, half-close, TIME-WAIT, resets (RFC 9293 3.5.2, 3.5.3, 3.6, 3.10.4-5)."""

from __future__ import annotations

import pytest

from longwire.tcpip.reasons import Reason
from longwire.tcpip.tcp.state import STEPS, State
from tests.packet_scripts.corpus import PLAIN
from tests.packet_scripts.stack import run_script
from tests.unit.tcpip.tcp.handshakes import NEXT, TO_STATE, in_state
from tests.unit.tcpip.world import two_hosts

BOTH = pytest.mark.parametrize("family", [4, 6])
SYNCHRONIZED = pytest.mark.parametrize("state", TO_STATE)
WRAPS = pytest.mark.parametrize("peer_iss", [1_000_000, 0xFFFFFFFE, 0xFFFFFFFF])


# TIME-WAIT


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
