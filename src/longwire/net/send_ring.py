# cython: annotation_typing=False, boundscheck=False, wraparound=False, auto_pickle=False
# mypy: disable-error-code="attr-defined,misc,name-defined,unreachable"
# ruff: noqa: F821 - what the .pxd file declares
"""The same bytes on many sockets in few system calls, by a submission ring of the kernel's.

A message to a thousand subscribers is a thousand sends, and entering the kernel is about a tenth of
each. io_uring(7) takes them in batches. Nothing is asynchronous about it here: every send says that
it must not wait (``MSG_DONTWAIT``), so all of a batch have ended when the call returns, and no
buffer has to outlive it. For the same reason, one thread that fills and empties the ring around its
own system call, plain reads and writes of head and tail suffice.

Sources: io_uring(7), io_uring_setup(2), io_uring_enter(2).
"""

from __future__ import annotations

import errno

try:
    import cython
except ImportError:
    from longwire.base import cy as cython

if cython.compiled:
    from cython.cimports.cpython.bytes import PyBytes_AS_STRING
    from cython.cimports.libc.errno import errno as last_error
    from cython.cimports.libc.string import memset

__all__ = ["BATCH_SENDS_MAX", "SendRing"]

BATCH_SENDS_MAX = 256
"""Sends that one system call makes at most."""

_BATCH_SENDS_MAX = BATCH_SENDS_MAX
_EAGAIN, _EINTR = errno.EAGAIN, errno.EINTR

# IORING_FEAT_CQE_SKIP, of Linux 5.17, older than which we trust none: all of SEND, NODROP and
# SINGLE_MMAP are there then, and a send that may not wait ends at once.
_FEATURE = 1 << 11


class SendRing:
    """Sends in batches while ``is_open``: compiled, on a kernel that lets this process do it.

    Containers often refuse it (seccomp), and so does the sysctl ``kernel.io_uring_disabled``.
    """

    __slots__ = ("is_open",)

    def __init__(self) -> None:
        self.is_open = False
        if cython.compiled:
            self._open()

    def send_to_each(self, descriptors: list[int], buffer: bytes) -> dict[int, int]:
        """Send ``buffer`` once on each of ``descriptors``, which are connected sockets.

        Returns, by their place in ``descriptors``, those that did not take all of it: how many
        bytes they took, 0 when they would have had to wait, or a negative ``errno``. Should the
        ring itself fail, the rest is told to have taken nothing, and the ring is closed.
        """
        short: dict[int, int] = {}
        for start in range(0, len(descriptors), _BATCH_SENDS_MAX):
            batch = descriptors[start : start + _BATCH_SENDS_MAX]
            sent = self._send_batch(batch, start, buffer, short) if self.is_open else 0
            if sent < len(batch):
                self.close()
            for place in range(sent, len(batch)):
                short[start + place] = 0
        return short

    def _send_batch(
        self, descriptors: list[int], start: int, buffer: bytes, short: dict[int, int]
    ) -> int:
        """Send on these, the first of which has the place ``start``; return on how many."""
        if not cython.compiled:
            return 0
        count, size, tail = len(descriptors), len(buffer), self._tail[0]
        for index in range(count):
            entry = cython.address(self._entries[(tail + index) & self._mask])
            memset(entry, 0, ENTRY_BYTES)
            entry.opcode = IORING_OP_SEND
            entry.fd = descriptors[index]
            entry.addr = cython.cast("size_t", PyBytes_AS_STRING(buffer))
            entry.len = size
            entry.msg_flags = MSG_DONTWAIT | MSG_NOSIGNAL
            entry.user_data = start + index
        self._tail[0] = tail + count
        sent = self._submit(count)
        for _ in range(sent):
            head = self._done_head[0]
            if head == self._done_tail[0]:
                self._enter(0, 1)
            done = cython.address(self._done[head & self._done_mask])
            if done.res == -_EAGAIN or done.res == -_EINTR:
                short[done.user_data] = 0
            elif done.res != size:
                short[done.user_data] = done.res
            self._done_head[0] = head + 1
        return sent

    def _submit(self, count: int) -> int:
        """Let the kernel take ``count`` entries; return how many it took."""
        left = count
        while left > 0:
            taken = self._enter(left, left)
            if taken <= 0:
                break
            left -= taken
        return count - left

    def _enter(self, count: int, ended_min: int) -> int:
        """io_uring_enter(2); -1 when it fails for good."""
        taken = -1
        if cython.compiled:
            while True:
                taken = syscall(
                    SYS_io_uring_enter,
                    self._descriptor,
                    count,
                    ended_min,
                    IORING_ENTER_GETEVENTS,
                    cython.NULL,
                    cython.cast(size_t, 0),
                )
                if taken >= 0 or last_error != _EINTR:
                    break
        return taken

    def _open(self) -> None:
        if cython.compiled:
            memset(cython.address(self._params), 0, cython.sizeof(self._params))
            self._descriptor = syscall(
                SYS_io_uring_setup, _BATCH_SENDS_MAX, cython.address(self._params)
            )
            if self._descriptor >= 0:
                self.is_open = True
                if not (self._params.features & _FEATURE and self._map()):
                    self.close()

    def _map(self) -> bool:
        """Find the parts of the ring: one mapping has both queues, another one the entries."""
        if cython.compiled:
            params = cython.address(self._params)
            self._queues_bytes = max(
                params.sq_off.array + params.sq_entries * UINT_BYTES,
                params.cq_off.cqes + params.cq_entries * DONE_BYTES,
            )
            self._queues = self._map_part(self._queues_bytes, IORING_OFF_SQ_RING)
            self._entries_bytes = params.sq_entries * ENTRY_BYTES
            self._entries = cython.cast(
                "io_uring_sqe *", self._map_part(self._entries_bytes, IORING_OFF_SQES)
            )
            if self._queues == cython.NULL or self._entries == cython.NULL:
                return False
            self._tail = cython.cast("unsigned int *", self._queues + params.sq_off.tail)
            self._done_head = cython.cast("unsigned int *", self._queues + params.cq_off.head)
            self._done_tail = cython.cast("unsigned int *", self._queues + params.cq_off.tail)
            self._done = cython.cast("io_uring_cqe *", self._queues + params.cq_off.cqes)
            self._mask, self._done_mask = params.sq_entries - 1, params.cq_entries - 1
            places = cython.cast("unsigned int *", self._queues + params.sq_off.array)
            for index in range(params.sq_entries):
                places[index] = index  # an entry is queued in its own place
        return True

    def _map_part(self, size: int, offset: int) -> object:
        if cython.compiled:
            part = mmap(
                cython.NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, self._descriptor, offset
            )
            return cython.NULL if part == MAP_FAILED else cython.cast("char *", part)
        return None

    def close(self) -> None:
        """Give the ring back to the kernel; it sends nothing any more."""
        if not self.is_open:
            return
        self.is_open = False
        if cython.compiled:
            if self._queues != cython.NULL:
                munmap(self._queues, self._queues_bytes)
            if self._entries != cython.NULL:
                munmap(self._entries, self._entries_bytes)
            close(self._descriptor)

    def __dealloc__(self) -> None:  # what Cython calls when nobody holds it
        self.close()
