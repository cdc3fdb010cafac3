# cython: annotation_typing=False, boundscheck=False, wraparound=False, auto_pickle=False
# mypy: disable-error-code="attr-defined,name-defined,no-any-return,unreachable"
# ruff: noqa: F821, SIM109 - what the .pxd file declares; C compares numbers, not tuples
"""The system calls that the reactor makes on its connections.

One class with two bodies: compiled, each call is one system call without anything around it; as
plain Python it goes through ``os``. A subclass that overrides the methods can put any other
network under the reactor. All calls return at once.
"""

from __future__ import annotations

import errno
import os
import socket
from typing import Any

from longwire.net.kernel import borrowed_socket
from longwire.net.send_ring import SendRing

try:
    import cython
except ImportError:
    from longwire.base import cy as cython

if cython.compiled:
    from cython.cimports.cpython.bytearray import PyByteArray_AS_STRING
    from cython.cimports.cpython.bytes import PyBytes_AS_STRING, PyBytes_FromStringAndSize
    from cython.cimports.libc.errno import errno as last_error
    from cython.cimports.libc.string import memcpy, memset

__all__ = ["RECEIVE_BYTES", "RING_SENDS_MIN", "SEND_BUFFERS_MAX", "SocketCalls"]

RECEIVE_BYTES = 256 * 1024
"""What one call takes in at most. One buffer of this size serves all connections."""

SEND_BUFFERS_MAX = 64
"""Buffers that one call sends at most."""

RING_SENDS_MIN = 8
"""Connections that get the same from which on a ring of the kernel's takes it to them."""

# What is no more than this together is copied side by side: cheaper than a list of buffers.
_JOIN_BYTES_MAX = 32 * 1024

_RECEIVE_BYTES, _SEND_BUFFERS_MAX = RECEIVE_BYTES, SEND_BUFFERS_MAX
_EAGAIN, _EINTR, _ECONNABORTED = errno.EAGAIN, errno.EINTR, errno.ECONNABORTED


def _count_or_raise(sent: int) -> int:
    """Return what a system call took, compiled only: 0 when it would have had to wait."""
    if sent >= 0:
        return sent
    code = last_error
    if code == _EAGAIN or code == _EINTR:
        return 0
    raise OSError(code, os.strerror(code))


class SocketCalls:
    """Calls on connected stream sockets that do not block, by their descriptors."""

    __slots__ = ("_buffer", "_joined", "_ring")

    def __init__(self) -> None:
        self._buffer = bytearray(RECEIVE_BYTES)
        self._joined = bytearray(_JOIN_BYTES_MAX)
        self._ring: SendRing | None = None

    def accept(self, listening: socket.socket) -> tuple[int, Any] | None:
        """Take one waiting connection: its descriptor and the peer's address, or ``None``.

        The address is as ``socket.accept`` has it, or the bytes of the kernel's ``sockaddr``, which
        :func:`~longwire.net.sockaddr.read_sockaddr` reads. Raises :exc:`OSError` (out of
        descriptors, for example).
        """
        if cython.compiled:
            size = cython.cast(socklen_t, cython.sizeof(self._peer))
            descriptor = accept4(
                listening.fileno(),
                cython.cast("sockaddr *", cython.address(self._peer)),
                cython.address(size),
                SOCK_NONBLOCK | SOCK_CLOEXEC,
            )
            if descriptor >= 0:
                peer = cython.cast("char *", cython.address(self._peer))
                return descriptor, PyBytes_FromStringAndSize(peer, size)
            code = last_error
            if code == _EAGAIN or code == _EINTR or code == _ECONNABORTED:
                return None
            raise OSError(code, os.strerror(code))
        else:
            try:
                accepted, address = listening.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return None
            accepted.setblocking(False)
            return accepted.detach(), address

    def receive(self, descriptor: int, count_max: int) -> bytes | None:
        """Return what has arrived, ``b""`` at the end, ``None`` when nothing has.

        Raises :exc:`OSError` when the connection is broken.
        """
        if count_max > _RECEIVE_BYTES:
            count_max = _RECEIVE_BYTES
        if cython.compiled:
            memory = PyByteArray_AS_STRING(self._buffer)
            count = recv(descriptor, memory, count_max, MSG_DONTWAIT)
            if count >= 0:
                return PyBytes_FromStringAndSize(memory, count)
            code = last_error
            if code == _EAGAIN or code == _EINTR:
                return None
            raise OSError(code, os.strerror(code))
        else:
            try:
                count = os.readv(descriptor, [memoryview(self._buffer)[:count_max]])
            except (BlockingIOError, InterruptedError):
                return None
            return bytes(memoryview(self._buffer)[:count])

    def send(self, descriptor: int, buffers: list[bytes], skipped: int) -> int:
        """Send ``buffers`` behind each other but for the first ``skipped`` bytes.

        ``skipped`` lies within the first buffer. Returns how many bytes were taken, 0 when none
        could be. Raises :exc:`OSError` when the connection is broken.
        """
        if cython.compiled:
            if len(buffers) == 1 and skipped == 0:
                return self.send_one(descriptor, buffers[0])
            return _count_or_raise(self._send_many(descriptor, buffers, skipped))
        else:
            try:
                return self._send_many(descriptor, buffers, skipped)
            except (BlockingIOError, InterruptedError):
                return 0

    def send_one(self, descriptor: int, buffer: bytes) -> int:
        """Send one buffer; as ``send`` otherwise."""
        if cython.compiled:
            return _count_or_raise(
                send(
                    descriptor,
                    PyBytes_AS_STRING(buffer),
                    len(buffer),
                    MSG_DONTWAIT | MSG_NOSIGNAL,
                )
            )
        else:
            return self.send(descriptor, [buffer], 0)

    def send_to_each(self, descriptors: list[int], buffer: bytes) -> dict[int, int]:
        """Send the same buffer on many connections.

        Returns, by their place in ``descriptors``, those that did not take all of it: how many
        bytes they took, 0 when none could be, or a negative ``errno`` when they are broken.
        """
        if len(descriptors) >= RING_SENDS_MIN:
            if self._ring is None:
                self._ring = SendRing()
            if self._ring.is_open:
                return self._ring.send_to_each(descriptors, buffer)
        return self.send_in_turn(descriptors, buffer)

    def send_in_turn(self, descriptors: list[int], buffer: bytes) -> dict[int, int]:
        """The same with a system call for each."""
        short: dict[int, int] = {}
        for place, descriptor in enumerate(descriptors):
            try:
                count = self.send_one(descriptor, buffer)
            except OSError as error:
                count = -(error.errno or errno.EIO)
            if count != len(buffer):
                short[place] = count
        return short

    def _send_many(self, descriptor: int, buffers: list[bytes], skipped: int) -> int:
        """Send several buffers in one call; compiled, -1 says that it failed."""
        count = min(len(buffers), _SEND_BUFFERS_MAX)
        if cython.compiled:
            total = -skipped
            for index in range(count):
                buffer: bytes = buffers[index]
                self._pieces[index].iov_base = PyBytes_AS_STRING(buffer)
                self._pieces[index].iov_len = len(buffer)
                total += len(buffer)
            first = cython.cast("char *", self._pieces[0].iov_base)
            self._pieces[0].iov_base = first + skipped
            self._pieces[0].iov_len -= skipped
            if total > _JOIN_BYTES_MAX:
                memset(cython.address(self._message), 0, cython.sizeof(self._message))
                self._message.msg_iov = self._pieces
                self._message.msg_iovlen = count
                return sendmsg(
                    descriptor,
                    cython.address(self._message),
                    MSG_DONTWAIT | MSG_NOSIGNAL,
                )
            joined = PyByteArray_AS_STRING(self._joined)
            place = 0
            for index in range(count):
                memcpy(joined + place, self._pieces[index].iov_base, self._pieces[index].iov_len)
                place += self._pieces[index].iov_len
            return send(
                descriptor,
                joined,
                total,
                MSG_DONTWAIT | MSG_NOSIGNAL,
            )
        else:
            views: list[bytes | memoryview] = list(buffers[:count])
            if skipped:
                views[0] = memoryview(buffers[0])[skipped:]
            return os.writev(descriptor, views)

    def local_address(self, descriptor: int) -> Any:
        """Return the address of our end, as ``socket.getsockname`` has it."""
        with borrowed_socket(descriptor) as borrowed:
            return borrowed.getsockname()

    def shut_down_writing(self, descriptor: int) -> None:
        """Tell the peer that nothing more comes. Raises :exc:`OSError` when it is gone."""
        with borrowed_socket(descriptor) as borrowed:
            borrowed.shutdown(socket.SHUT_WR)

    def close(self, descriptor: int) -> None:
        """Close the connection; the descriptor belongs to nobody any more."""
        os.close(descriptor)
