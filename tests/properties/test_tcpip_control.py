"""Any segment in any state: nothing raises, nothing grows without bound, invariants hold."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from longwire.tcpip.addresses import parse_address
from longwire.tcpip.device import Medium
from longwire.tcpip.devices.wire_pair import wire_pair
from longwire.tcpip.durations import MILLISECOND, SECOND
from longwire.tcpip.host import Host
from longwire.tcpip.randomness import RandomStream
from longwire.tcpip.reasons import Notebook
from longwire.tcpip.sockets import SocketError
from longwire.tcpip.tcp.connection import TcpConnection
from longwire.tcpip.tcp.control import ControlBlock
from longwire.tcpip.tcp.profile import LINUX, RFC, TcpProfile
from longwire.tcpip.tcp.sequence import on_wire
from longwire.tcpip.wire.icmp import ErrorKind
from longwire.tcpip.wire.ip import encode_packet
from longwire.tcpip.wire.packet import Packet
from longwire.tcpip.wire.tcp import ACK, SYN, Segment
from tests.unit.tcpip.invariants import check_invariants

LOCAL, REMOTE = (parse_address("10.0.0.1"), 80), (parse_address("10.0.0.2"), 4000)

Step = Callable[[TcpConnection, int], None]

profiles = st.builds(
    lambda base, **changes: dataclasses.replace(base, **changes),
    st.sampled_from([RFC, LINUX]),
    congestion=st.sampled_from(["reno", "cubic", "fixed:3"]),
    recovery=st.sampled_from(["sack", "newreno"]),
    timestamps=st.booleans(),
    sack=st.booleans(),
    window_scaling=st.booleans(),
    nagle=st.booleans(),
    keepalive=st.booleans(),
    receive_buffer_octets=st.sampled_from([100, 3000, 300_000]),
    send_buffer_octets=st.sampled_from([100, 20_000]),
    out_of_order_pieces_max=st.sampled_from([2, 1024]),
    user_timeout_ns=st.sampled_from([None, 3 * SECOND]),
    icmp_aborts_handshake=st.booleans(),
)
# Numbers that are right, nearly right, or anything.
offsets = st.one_of(
    st.integers(-3, 3),
    st.integers(-70_000, 70_000),
    st.sampled_from([-(1 << 31), (1 << 31) - 1, 1 << 31]),
)


@st.composite
def segment_steps(draw: st.DrawFn) -> Step:
    """A segment around what the connection expects."""
    flags = draw(st.one_of(st.just(ACK), st.integers(0, 255)))
    sequence_offset = draw(st.one_of(st.just(0), offsets))
    ack_offset = draw(st.one_of(st.just(0), offsets))
    acks_all = draw(st.booleans())
    text = bytes(draw(st.sampled_from([0, 0, 1, 10, 536, 1460, 5000])))
    window = draw(st.sampled_from([0, 1, 100, 5000, 65_535]))
    urgent = draw(st.sampled_from([0, 1, 500, 65_535]))
    stamp_offset = draw(st.one_of(st.none(), st.integers(-5, 50)))
    blocks = draw(st.lists(st.tuples(offsets, offsets), max_size=3))
    is_rich = draw(st.booleans())
    scale = draw(st.integers(0, 255))

    def step(connection: TcpConnection, now_ns: int) -> None:
        tcb = connection.tcb
        ack_from = tcb.snd_nxt if acks_all else tcb.snd_una
        segment = Segment(
            REMOTE[1],
            LOCAL[1],
            on_wire(tcb.rcv_nxt + sequence_offset),
            on_wire(ack_from + ack_offset),
            flags,
            window,
            text,
            urgent=urgent,
            mss=draw_mss if is_rich else None,
            window_scale=scale if is_rich else None,
            sack_permitted=is_rich,
            sack=tuple((on_wire(ack_from + a), on_wire(ack_from + b)) for a, b in blocks),
            timestamp=None if stamp_offset is None else on_wire(tcb.ts_recent + stamp_offset),
            timestamp_echo=tcb.timestamp(now_ns) if is_rich else 0,
        )
        connection.on_segment(segment, now_ns)

    draw_mss = draw(st.sampled_from([0, 1, 64, 536, 1460, 65_535]))
    return step


def _write(count: int) -> Step:
    def step(connection: TcpConnection, now_ns: int) -> None:
        try:
            connection.write(bytes(count), now_ns, is_urgent=count % 2 == 1)
        except SocketError:
            pass

    return step


def _read(count: int) -> Step:
    def step(connection: TcpConnection, now_ns: int) -> None:
        try:
            connection.read(count, now_ns)
        except SocketError:
            pass

    return step


def _icmp(kind: ErrorKind) -> Step:
    return lambda connection, now_ns: connection.on_icmp(kind, now_ns)


def _path_mtu(mtu: int) -> Step:
    return lambda connection, now_ns: connection.on_path_mtu(mtu, now_ns)


steps = st.one_of(
    segment_steps(),
    segment_steps(),
    st.builds(_write, st.sampled_from([1, 100, 1460, 30_000])),
    st.builds(_read, st.sampled_from([1, 1000, 1 << 20])),
    st.builds(_icmp, st.sampled_from(ErrorKind)),
    st.builds(_path_mtu, st.sampled_from([0, 68, 552, 1280, 9000])),
    st.sampled_from([TcpConnection.shutdown, TcpConnection.close, TcpConnection.abort]),
)
waits = st.sampled_from([0, 0, 0, 1, MILLISECOND, 200 * MILLISECOND, SECOND, 300 * SECOND, None])


def begin(profile: TcpProfile, iss: int, *, is_passive: bool, now_ns: int) -> TcpConnection:
    tcb = ControlBlock(
        profile,
        Notebook(),
        LOCAL,
        REMOTE,
        iss=iss,
        ts_offset=0xFFFFFF00,
        path_mtu=1500,
        now_ns=now_ns,
        is_passive=is_passive,
    )
    connection = TcpConnection(tcb, lambda _: None)
    if is_passive:
        syn = Segment(
            REMOTE[1], LOCAL[1], 0xFFFFFFF0, 0, SYN, 5000, mss=1460, window_scale=3,
            sack_permitted=True, timestamp=0xFFFFFFF0,
        )  # fmt: skip
        connection.open_passive(syn, now_ns)
    else:
        connection.open_active(now_ns)
    connection.poll(now_ns)
    return connection


def answer_syn(connection: TcpConnection, now_ns: int, *, is_passive: bool) -> None:
    """Complete the handshake."""
    tcb = connection.tcb
    sequence = tcb.rcv_nxt if is_passive else 0xFFFFFFF0
    has_stamp = tcb.profile.timestamps
    connection.on_segment(
        Segment(
            REMOTE[1],
            LOCAL[1],
            on_wire(sequence),
            on_wire(tcb.snd_nxt),
            ACK if is_passive else SYN | ACK,
            5000,
            mss=None if is_passive else 1460,
            window_scale=None if is_passive else 3,
            sack_permitted=not is_passive,
            timestamp=0xFFFFFFF1 if has_stamp else None,
        ),
        now_ns,
    )
    connection.poll(now_ns)


def play(
    connection: TcpConnection, step: Step, wait_ns: int | None, now_ns: int
) -> tuple[int, str]:
    """Wait, with the timers that are due meanwhile; take the step; return what was sent."""
    sent = []
    if wait_ns is None:
        # Exactly until the next timer.
        wait_ns = max(0, (connection.poll_at() or now_ns) - now_ns)
    until_ns = now_ns + wait_ns
    for _ in range(1000):
        at = connection.poll_at()
        if at is None or at > until_ns:
            break
        now_ns = max(now_ns, at)
        connection.on_timer(now_ns)
        sent += connection.poll(now_ns)
        check_invariants(connection)
    else:
        raise AssertionError("timers never come to rest")
    step(connection, until_ns)
    sent += connection.poll(until_ns)
    check_invariants(connection)
    for segment in sent:
        assert len(segment.encode(LOCAL[0], REMOTE[0])) == segment.length
        assert segment.length <= max(1480, connection.tcb.path_mtu)
    return until_ns, repr(sent)


@given(
    profile=profiles,
    iss=st.sampled_from([0, 5, 0x7FFFFFFF, 0xFFFFFFFF, 0xFFFFF000]),
    is_passive=st.booleans(),
    is_established=st.booleans(),
    script=st.lists(st.tuples(steps, waits), max_size=30),
    copied_at=st.integers(0, 30),
)
def test_any_segment_in_any_state_keeps_the_invariants(
    profile: TcpProfile,
    iss: int,
    is_passive: bool,
    is_established: bool,
    script: list[tuple[Step, int | None]],
    copied_at: int,
) -> None:
    """And a copy of the connection goes on exactly as the original does."""
    now_ns = 10**12
    connection = begin(profile, iss, is_passive=is_passive, now_ns=now_ns)
    if is_established:
        answer_syn(connection, now_ns, is_passive=is_passive)
    other: TcpConnection | None = None
    for number, (step, wait_ns) in enumerate(script):
        if number == copied_at:
            other = TcpConnection(copy.deepcopy(connection.tcb), lambda _: None)
        started_ns = now_ns
        now_ns, sent = play(connection, step, wait_ns, started_ns)
        if other is not None:
            assert play(other, step, wait_ns, started_ns) == (now_ns, sent)
    if other is not None:
        assert repr(other.info(now_ns)) == repr(connection.info(now_ns))


@given(
    medium=st.sampled_from(Medium),
    units=st.lists(st.tuples(st.binary(max_size=120), st.integers(0, 70 * SECOND)), max_size=20),
    is_router=st.booleans(),
)
def test_any_octets_raise_nothing_in_a_host(
    medium: Medium, units: list[tuple[bytes, int]], is_router: bool
) -> None:
    ours, theirs = wire_pair(medium)
    host = Host("host", entropy=RandomStream(1), is_router=is_router)
    host.add_interface(ours, ["10.0.0.1/24", "fd00::1/64"], mac=b"\x02" + bytes(5))
    host.listen(80)
    host.open_udp(53)
    now_ns = 0
    for octets, wait_ns in units:
        now_ns += wait_ns
        theirs.send(octets, now_ns)
        # The same behind a header that is right reaches deeper.
        for protocol in (1, 6, 17, 58, 44):
            for source, target in (
                (REMOTE[0], LOCAL[0]),
                (b"\xfd" + bytes(15), b"\xfd" + bytes(14) + b"\x01"),
            ):
                packet = encode_packet(Packet(source, target, protocol, octets))
                if medium is Medium.ETHERNET:
                    kind = b"\x08\x00" if len(source) == 4 else b"\x86\xdd"
                    packet = b"\x02" + bytes(5) + b"\x02" + bytes(4) + b"\x01" + kind + packet
                theirs.send(packet, now_ns)
        host.poll(now_ns)
        theirs.receive(now_ns)
    at = host.poll_at()
    assert at is None or at > now_ns
