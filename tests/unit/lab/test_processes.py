"""A port that the lab was given is nobody else's, though no server listens on it."""

from __future__ import annotations

import socket

import pytest

from longwire.lab.processes import free_port


def listen(port: int) -> socket.socket:
    return socket.create_server(("127.0.0.1", port))


def test_server_comes_back_to_its_port() -> None:
    port = free_port()
    for _ in range(2):
        with listen(port) as server, socket.create_connection(("127.0.0.1", port)):
            server.accept()[0].close()


def test_nobody_is_reached_between_two_servers() -> None:
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", free_port()))


def test_connection_that_begins_does_not_get_the_port() -> None:
    """As the kernel would choose it for one: without SO_REUSEADDR."""
    with socket.socket() as client, pytest.raises(OSError, match="in use"):
        client.bind(("127.0.0.1", free_port()))
