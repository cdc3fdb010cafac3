"""The same buffer on many sockets: what each took is told, by the ring and by turns alike."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from longwire.net.plain_calls import PlainCalls
from longwire.net.send_ring import BATCH_SENDS_MAX, SendRing
from longwire.net.socket_calls import RING_SENDS_MIN, SocketCalls

COUNT = BATCH_SENDS_MAX + 44
"""More than one batch, and the last one not full."""


@pytest.fixture
def pairs() -> Iterator[list[tuple[socket.socket, socket.socket]]]:
    made = [socket.socketpair() for _ in range(COUNT)]
    for ours, theirs in made:
        ours.setblocking(False)
        theirs.setblocking(False)
    yield made
    for ours, theirs in made:
        ours.close()
        theirs.close()


@pytest.fixture(params=["as it comes", "in turn", "plain"])
def calls(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> SocketCalls:
    if request.param == "plain":
        return PlainCalls()
    calls = SocketCalls()
    if request.param == "in turn":

        class InTurn(SocketCalls):
            def send_to_each(self, descriptors: list[int], buffer: bytes) -> dict[int, int]:
                return self.send_in_turn(descriptors, buffer)

        return InTurn()
    return calls


@pytest.mark.parametrize("count", [1, RING_SENDS_MIN - 1, RING_SENDS_MIN, COUNT])
def test_each_gets_all_of_it_once(
    calls: SocketCalls, pairs: list[tuple[socket.socket, socket.socket]], count: int
) -> None:
    message = os.urandom(300)
    descriptors = [ours.fileno() for ours, _ in pairs[:count]]
    assert calls.send_to_each(descriptors, message) == {}
    assert calls.send_to_each(descriptors, b"again") == {}
    assert {theirs.recv(1000) for _, theirs in pairs[:count]} == {message + b"again"}
    for _, theirs in pairs[count:]:
        with pytest.raises(BlockingIOError):
            theirs.recv(1)


def test_full_and_broken_ones_are_told_by_their_places(
    calls: SocketCalls, pairs: list[tuple[socket.socket, socket.socket]]
) -> None:
    full, gone, last = 3, 7, COUNT - 1
    ours, theirs = pairs[full]
    while True:
        try:
            ours.send(bytes(65536))
        except BlockingIOError:
            break
    pairs[gone][1].close()
    pairs[last][1].close()
    message = os.urandom(100)
    short = calls.send_to_each([ours.fileno() for ours, _ in pairs], message)
    assert short == {full: 0, gone: -errno.EPIPE, last: -errno.EPIPE}
    for place, (_, theirs) in enumerate(pairs):
        if place not in (full, gone, last):
            assert theirs.recv(1000) == message


def test_part_of_it_is_counted(
    calls: SocketCalls, pairs: list[tuple[socket.socket, socket.socket]]
) -> None:
    message = os.urandom(4_000_000)
    short = calls.send_to_each([ours.fileno() for ours, _ in pairs[:20]], message)
    assert set(short) == set(range(20))
    for place, count in short.items():
        received = bytearray()
        with pytest.raises(BlockingIOError):
            while True:
                received += pairs[place][1].recv(1 << 20)
        assert 0 < count < len(message)
        assert received == message[:count]


def test_ring_that_is_closed_sends_nothing_and_says_so(
    pairs: list[tuple[socket.socket, socket.socket]],
) -> None:
    ring = SendRing()
    ring.close()
    assert not ring.is_open
    assert ring.send_to_each([pairs[0][0].fileno()], b"lost?") == {0: 0}
    with pytest.raises(BlockingIOError):
        pairs[0][1].recv(1)


def test_ring_gives_its_descriptor_back() -> None:
    before = ring_descriptors()
    for _ in range(10):
        SendRing()
    assert ring_descriptors() == before


def test_ring_that_fails_is_closed_and_the_rest_is_told_to_have_taken_nothing(
    pairs: list[tuple[socket.socket, socket.socket]],
) -> None:
    before = ring_descriptors()
    ring = SendRing()
    if not ring.is_open:
        pytest.skip("no ring in this build, or on this kernel")
    (descriptor,) = ring_descriptors() - before
    with Path(os.devnull).open() as null:
        os.dup2(null.fileno(), descriptor)  # no ring any more
    descriptors = [ours.fileno() for ours, _ in pairs[:10]]
    assert ring.send_to_each(descriptors, b"x") == dict.fromkeys(range(10), 0)
    assert not ring.is_open


def ring_descriptors() -> set[int]:
    found = set()
    for path in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # the listing's own
            if "io_uring" in str(path.readlink()):
                found.add(int(path.name))
    return found
