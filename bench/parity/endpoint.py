"""Either end of a run of Linux: a program of its own, with nothing but the standard library.

endpoint.py receive PORT WINDOW_OCTETS SECONDS      prints how many octets it has read
endpoint.py send ADDRESS PORT ALGORITHM SECONDS     prints segments sent again, and time-outs
"""

from __future__ import annotations

import select
import socket
import struct
import sys
import time

SO_RCVBUFFORCE = 33
READ_OCTETS = 1 << 18
# struct tcp_info (linux/tcp.h): 8 octets, 24 words, then what is skipped.
TOTAL_RETRANS_AT = 8 + 23 * 4
RTO_COUNT_AT = 244  # tcpi_total_rto, since Linux 6.7


def receive(port: int, window_octets: int, duration_s: float) -> None:
    """Accept one connection and read it until its time is over."""
    with socket.create_server(("", port)) as listening:
        # Linux takes twice as much, and offers about half of that, up to two thirds.
        listening.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, window_octets)
        print("listening", flush=True)
        connection, _ = listening.accept()
    deadline_s = time.monotonic() + duration_s
    octets = 0
    buffer = bytearray(READ_OCTETS)
    while (left_s := deadline_s - time.monotonic()) > 0:
        readable, _, _ = select.select([connection], [], [], left_s)
        if readable:
            octets += connection.recv_into(buffer)
    print(octets, flush=True)


def send(address: str, port: int, algorithm: str, duration_s: float) -> None:
    """Connect and write until the time is over, and a little longer for the other end."""
    connection = socket.socket()
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, algorithm.encode())
    connection.connect((address, port))
    connection.setblocking(False)
    deadline_s = time.monotonic() + duration_s
    block = bytes(READ_OCTETS)
    write_until(connection, block, deadline_s)
    info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 512)
    (retransmissions,) = struct.unpack_from("I", info, TOTAL_RETRANS_AT)
    timeouts = struct.unpack_from("H", info, RTO_COUNT_AT)[0] if len(info) > RTO_COUNT_AT else 0
    print(retransmissions, timeouts, flush=True)
    write_until(connection, block, deadline_s + 1)


def write_until(connection: socket.socket, block: bytes, deadline_s: float) -> None:
    """Write whenever there is room."""
    while (left_s := deadline_s - time.monotonic()) > 0:
        _, writable, _ = select.select([], [connection], [], left_s)
        if writable:
            try:
                connection.send(block)
            except OSError:
                return


if __name__ == "__main__":
    if sys.argv[1] == "receive":
        receive(int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4]))
    else:
        send(sys.argv[2], int(sys.argv[3]), sys.argv[4], float(sys.argv[5]))
