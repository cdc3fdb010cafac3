"""What holds for every connection whenever its host has been polled."""

from __future__ import annotations

from longwire.tcpip.tcp.connection import TcpConnection
from longwire.tcpip.tcp.recovery import Phase
from longwire.tcpip.tcp.state import State

# What a shift of 14 may round a window up by.
ROUNDING = 1 << 14


def check_invariants(connection: TcpConnection) -> None:
    tcb = connection.tcb
    assert tcb.snd_una <= tcb.snd_nxt <= tcb.snd_max
    assert tcb.snd_max <= tcb.send_buffer.end + 1
    assert tcb.rcv_nxt <= tcb.rcv_adv or tcb.state is State.SYN_SENT
    assert tcb.congestion.window >= tcb.mss
    # What is acknowledged to the peer is what arrived, and never more.
    assert tcb.last_ack_sent <= tcb.rcv_nxt
    # Everything that is to be sent has been handed over.
    assert not tcb.outbox
    if tcb.state is State.CLOSED:
        assert connection.poll_at() is None
        return
    records = list(tcb.board)
    octets = [record.end - record.start for record in records]
    assert all(count > 0 for count in octets)
    if tcb.state.is_synchronized:
        # The records cover what is in flight without a gap.
        edges = [tcb.snd_una, *(record.end for record in records)]
        assert [record.start for record in records] == edges[:-1]
        assert edges[-1] == tcb.snd_nxt
    assert tcb.board.pipe == sum(
        record.weight * count for record, count in zip(records, octets, strict=True)
    )
    lost = [(record, n) for record, n in zip(records, octets, strict=True) if record.is_lost]
    assert tcb.board.lost_octets == sum(count for _, count in lost)
    assert tcb.board.waiting_octets == sum(n for record, n in lost if not record.is_resent)
    assert tcb.board.sacked.total == sum(
        count for record, count in zip(records, octets, strict=True) if record.is_sacked
    )
    assert tcb.receive_buffer.early.total <= tcb.profile.receive_buffer_octets + ROUNDING
    assert tcb.receive_buffer.readable <= tcb.profile.receive_buffer_octets + ROUNDING
    if tcb.recovery.phase is Phase.OPEN and tcb.board.waiting_octets:
        assert tcb.recovery.must_resend or tcb.snd_wnd == 0 or tcb.board.pipe
    # Something is due while anything is unacknowledged.
    if tcb.state.is_synchronized and (records or tcb.has_unsent):
        assert connection.poll_at() is not None
