"""One TCP connection under any segments, calls and waits: no exception, invariants hold."""

import sys
from pathlib import Path

import atheris

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

with atheris.instrument_imports(include=["longwire"]):
    from longwire.tcpip.reasons import Notebook
    from longwire.tcpip.sockets import SocketError
    from longwire.tcpip.tcp.connection import TcpConnection
    from longwire.tcpip.tcp.control import ControlBlock
    from longwire.tcpip.tcp.profile import LINUX, RFC
    from longwire.tcpip.tcp.sequence import on_wire
    from longwire.tcpip.wire.icmp import ErrorKind
    from longwire.tcpip.wire.tcp import SYN, Segment

from tests.unit.tcpip.invariants import check_invariants

LOCAL, REMOTE = (b"\x0a\0\0\x01", 80), (b"\x0a\0\0\x02", 4000)
KINDS = list(ErrorKind)
CALLS = (TcpConnection.shutdown, TcpConnection.close, TcpConnection.abort)
WAITS_NS = (0, 0, 0, 1_000_000, 200_000_000, 1_000_000_000, 61_000_000_000)


def offset(data: atheris.FuzzedDataProvider) -> int:
    if data.ConsumeBool():
        return 0
    return data.ConsumeIntInRange(-70_000, 70_000)


def any_segment(connection: TcpConnection, data: atheris.FuzzedDataProvider) -> Segment:
    tcb = connection.tcb
    near = tcb.snd_nxt if data.ConsumeBool() else tcb.snd_una
    is_rich = data.ConsumeBool()
    blocks = tuple(
        (on_wire(near + offset(data)), on_wire(near + offset(data)))
        for _ in range(data.ConsumeIntInRange(0, 3))
    )
    return Segment(
        REMOTE[1],
        LOCAL[1],
        on_wire(tcb.rcv_nxt + offset(data)),
        on_wire(near + offset(data)),
        data.ConsumeIntInRange(0, 255),
        data.ConsumeIntInRange(0, 0xFFFF),
        bytes(data.ConsumeIntInRange(0, 3000)),
        urgent=data.ConsumeIntInRange(0, 0xFFFF),
        mss=data.ConsumeIntInRange(0, 0xFFFF) if is_rich else None,
        window_scale=data.ConsumeIntInRange(0, 255) if is_rich else None,
        sack_permitted=is_rich,
        sack=blocks,
        timestamp=on_wire(tcb.ts_recent + data.ConsumeIntInRange(-9, 99)) if is_rich else None,
        timestamp_echo=data.ConsumeIntInRange(0, 0xFFFFFFFF) if is_rich else 0,
    )


def step(connection: TcpConnection, data: atheris.FuzzedDataProvider, now_ns: int) -> None:
    choice = data.ConsumeIntInRange(0, 9)
    if choice <= 5:
        connection.on_segment(any_segment(connection, data), now_ns)
    elif choice == 6:
        connection.write(bytes(data.ConsumeIntInRange(0, 20_000)), now_ns)
    elif choice == 7:
        connection.read(data.ConsumeIntInRange(0, 20_000), now_ns)
    elif choice == 8:
        connection.on_icmp(KINDS[data.ConsumeIntInRange(0, len(KINDS) - 1)], now_ns)
        connection.on_path_mtu(data.ConsumeIntInRange(0, 9000), now_ns)
    else:
        CALLS[data.ConsumeIntInRange(0, 2)](connection, now_ns)


def test_one_input(octets: bytes) -> None:
    data = atheris.FuzzedDataProvider(octets)
    is_passive = data.ConsumeBool()
    now_ns = 10**12
    tcb = ControlBlock(
        LINUX if data.ConsumeBool() else RFC,
        Notebook(),
        LOCAL,
        REMOTE,
        iss=data.ConsumeIntInRange(0, 0xFFFFFFFF),
        ts_offset=7,
        path_mtu=1500,
        now_ns=now_ns,
        is_passive=is_passive,
    )
    connection = TcpConnection(tcb, lambda _: None)
    if is_passive:
        connection.open_passive(Segment(4000, 80, 0xFFFFFFF0, 0, SYN, 5000), now_ns)
    else:
        connection.open_active(now_ns)
    connection.poll(now_ns)
    for _ in range(200):
        if not data.remaining_bytes():
            break
        now_ns += WAITS_NS[data.ConsumeIntInRange(0, len(WAITS_NS) - 1)]
        connection.on_timer(now_ns)
        connection.poll(now_ns)
        try:
            step(connection, data, now_ns)
        except SocketError:
            pass
        for segment in connection.poll(now_ns):
            assert len(segment.encode(LOCAL[0], REMOTE[0])) == segment.length
        check_invariants(connection)


atheris.Setup(sys.argv, test_one_input)
atheris.Fuzz()
