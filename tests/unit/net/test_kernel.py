"""struct tcp_info, from bytes and from a real socket."""

from __future__ import annotations

import os
import socket
import struct
import sys

import pytest

from longwire.net.kernel import parse_tcp_info, read_tcp_info


def packed(**changes: int) -> bytes:
    """A struct tcp_info of Linux 6, each field 4 bytes wide unless the kernel's is not."""
    head = [1, 2, 3, 4, 5, 0, 0, 0]
    words = list(range(100, 124))
    tail = bytes(4 * 8) + struct.pack("=2I", 1, 2) + struct.pack("=4I", 77, 2, 3, 4)
    tail += bytes(8 + 3 * 8) + struct.pack("=2I", 5, 6) + bytes(16)
    tail += struct.pack("=4I", 7, 8, 9, changes.get("snd_wnd", 4242))
    return struct.pack("=8B24I", *head, *words) + tail


def test_parse_finds_every_field() -> None:
    info = parse_tcp_info(packed())
    assert info is not None
    assert (info.state, info.retransmits, info.probes, info.backoff) == ("ESTABLISHED", 3, 4, 5)
    assert (info.rto_s, info.rtt_s) == (100 / 1e6, 115 / 1e6)
    assert (info.unacked, info.lost, info.retrans, info.total_retrans) == (104, 106, 107, 123)
    assert info.last_data_sent_age_s == 0.109
    assert info.last_data_received_age_s == 0.111
    assert info.last_ack_received_age_s == 0.112
    assert (info.snd_mss, info.snd_cwnd) == (102, 118)
    assert (info.unsent_bytes, info.snd_wnd) == (77, 4242)
    assert "104 segments unacknowledged" in str(info)


def test_parse_takes_what_older_kernels_give() -> None:
    info = parse_tcp_info(packed()[:104])
    assert info is not None
    assert (info.unsent_bytes, info.snd_wnd) == (None, None)
    assert "window" not in str(info)
    assert parse_tcp_info(packed()[:103]) is None
    assert parse_tcp_info(b"") is None


def test_parse_names_unknown_states_by_number() -> None:
    info = parse_tcp_info(b"\x63" + packed()[1:])
    assert info is not None
    assert info.state == "99"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs Linux")
def test_read_sees_a_peer_that_does_not_read() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        socket.create_connection(listener.getsockname()) as ours,
    ):
        theirs, _ = listener.accept()
        info = read_tcp_info(ours.fileno())
        assert info is not None
        assert info.state == "ESTABLISHED"
        assert info.snd_wnd is None or info.snd_wnd > 0
        ours.setblocking(False)
        with pytest.raises(BlockingIOError):
            while True:
                ours.send(b"x" * 65536)
        full = read_tcp_info(ours.fileno())
        assert full is not None and full.unsent_bytes
        theirs.close()


def test_read_gives_nothing_for_other_descriptors() -> None:
    one, other = socket.socketpair()
    with one, other:
        assert read_tcp_info(one.fileno()) is None
    assert read_tcp_info(-1) is None
    read_end, write_end = os.pipe()
    assert read_tcp_info(read_end) is None
    os.close(read_end)
    os.close(write_end)
    assert read_tcp_info(read_end) is None
