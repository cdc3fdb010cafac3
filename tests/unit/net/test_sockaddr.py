"""Addresses as the kernel writes them, against what the socket module makes of them."""

from __future__ import annotations

import os
import socket
import struct

import pytest

from longwire.net.sockaddr import read_sockaddr
from longwire.net.socket_calls import SocketCalls


@pytest.mark.parametrize("family, host", [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")])
def test_accepted_address_is_that_of_the_peer(family: int, host: str) -> None:
    with socket.socket(family, socket.SOCK_STREAM) as listening:
        try:
            listening.bind((host, 0))
        except OSError:
            pytest.skip(f"this machine has no {host}")
        listening.listen()
        with socket.create_connection(listening.getsockname()[:2]) as client:
            accepted = SocketCalls().accept(listening)
            assert accepted is not None
            descriptor, address = accepted
            try:
                if isinstance(address, bytes):
                    address = read_sockaddr(address)
                assert address == client.getsockname()
                assert not os.get_blocking(descriptor)
                assert not os.get_inheritable(descriptor)
            finally:
                os.close(descriptor)


def test_nobody_waits_to_be_accepted() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.setblocking(False)
        assert SocketCalls().accept(listening) is None


def test_closed_socket_cannot_accept() -> None:
    listening = socket.create_server(("127.0.0.1", 0))
    listening.close()
    with pytest.raises(OSError, match=r"."):
        SocketCalls().accept(listening)


def test_link_local_address_names_its_interface() -> None:
    index = socket.if_nametoindex("lo")
    raw = struct.pack("=H", socket.AF_INET6) + struct.pack("!HI", 80, 7)
    raw += socket.inet_pton(socket.AF_INET6, "fe80::1")
    assert read_sockaddr(raw + struct.pack("=I", index)) == ("fe80::1%lo", 80, 7, index)
    assert read_sockaddr(raw + struct.pack("=I", 99999)) == ("fe80::1%99999", 80, 7, 99999)


@pytest.mark.parametrize("raw", [b"", b"\x01", struct.pack("=H", socket.AF_UNIX) + b"/path"])
def test_other_families_have_no_address(raw: bytes) -> None:
    assert read_sockaddr(raw) is None
