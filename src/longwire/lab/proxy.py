"""A TCP proxy whose links can be cut: ``python -m longwire.lab.proxy`` runs one.

Each client has a link of its own, known by the loopback address that it connects to:
:func:`address_of_link`. So any client library can be put behind it by its URL alone. (All of
127.0.0.0/8 is this machine on Linux.) What connects to 127.0.0.1 passes and is never cut.

One epoll loop without tasks or callbacks, since it carries all the traffic of a run. It is told
what to do by lines of JSON on standard input; at the end of those it ends, having written what it
did to standard output.
"""

from __future__ import annotations

import contextlib
import errno
import heapq
import ipaddress
import json
import os
import select
import socket
import struct
import sys
import time
from collections.abc import Iterable

from longwire.lab.files import raise_open_files
from longwire.lab.plan import CutKind

__all__ = ["LINKS_MAX", "FaultProxy", "address_of_link"]

LINKS_MAX = 1 << 16
_FIRST_LINK = int(ipaddress.IPv4Address("127.1.0.0"))
_PASSAGE = int(ipaddress.IPv4Address("127.0.0.1"))
_READ_BYTES = 65_536
_LINGER_NONE = struct.pack("ii", 1, 0)  # close() then sends RST
_ACCEPTS_AT_ONCE = 200


def address_of_link(link: int) -> str:
    """Return the address that the client of this link connects to."""
    if not 0 <= link < LINKS_MAX:
        raise ValueError(f"links are numbered from 0 to {LINKS_MAX - 1}, not {link}")
    return str(ipaddress.IPv4Address(_FIRST_LINK + link))


class _End:
    """One end of a pipe: a socket, and the bytes that it has not taken yet."""

    __slots__ = ("fd", "has_ended", "is_connecting", "pending", "pipe", "sock")

    def __init__(self, sock: socket.socket, pipe: _Pipe) -> None:
        self.sock = sock
        self.fd = sock.fileno()
        self.pipe = pipe
        self.pending = b""
        self.has_ended = False
        self.is_connecting = False


class _Pipe:
    """A client's connection and the one to a server that belongs to it."""

    __slots__ = ("client", "is_draining", "link", "server", "tried")

    def __init__(self, client: socket.socket, link: int | None) -> None:
        self.client = _End(client, self)
        self.server: _End | None = None
        self.link = link
        self.is_draining = False
        self.tried = 0

    @property
    def ends(self) -> list[_End]:
        return [self.client] if self.server is None else [self.client, self.server]

    def other(self, end: _End) -> _End | None:
        return self.server if end is self.client else self.client


class FaultProxy:
    """Forwards from ``listener`` to ``backends``, in turn, and cuts links when told to.

    A backend that refuses is passed over; when all refuse, the client gets a reset.
    """

    def __init__(self, listener: socket.socket, backends: list[tuple[str, int]]) -> None:
        self._listener = listener
        listener.setblocking(False)
        self._backends = backends
        self._next_backend = 0
        self._epoll = select.epoll()
        self._epoll.register(listener.fileno(), select.EPOLLIN)
        self._ends: dict[int, _End] = {}
        self._pipes: dict[int | None, set[_Pipe]] = {}
        self._cuts: dict[int, CutKind] = {}
        self._due: list[tuple[float, int, bool]] = []  # at what time which link heals, or breaks
        self.counts = {"accepted": 0, "refused": 0, "forwarded_bytes": 0} | {
            kind.value: 0 for kind in CutKind
        }

    # What goes wrong

    def cut(self, link: int, kind: CutKind, for_s: float, blind_s: float = 0.0) -> None:
        """Let the link fail for ``for_s`` seconds. A link that is cut already is left as it is.

        A reset or an end reaches the two ends ``blind_s`` after the cut; what they send until then
        is lost, as is what a path takes in before it is noticed to be broken.
        """
        if link in self._cuts:
            return
        self._cuts[link] = kind
        self.counts[kind.value] += 1
        now = time.monotonic()
        heapq.heappush(self._due, (now + for_s, link, True))
        if kind is not CutKind.SILENCE and blind_s > 0:
            heapq.heappush(self._due, (now + min(blind_s, for_s), link, False))
            for pipe in self._pipes_of(link):
                self._swallow(pipe)
            return
        for pipe in self._pipes_of(link):
            self._fail(pipe, kind)

    def drop_all(self, kind: CutKind) -> None:
        """Let every connection through a link fail once; new ones are taken at once."""
        for link in [link for link in self._pipes if link is not None]:
            for pipe in self._pipes_of(link):
                self._fail(pipe, kind)

    def heal(self, link: int) -> None:
        """Make the link whole: what was silent goes on, new connections are taken."""
        kind = self._cuts.pop(link)
        for pipe in self._pipes_of(link):
            if pipe.is_draining:
                self._close(pipe)
            elif kind is CutKind.SILENCE:
                self._resume(pipe)

    def _fail(self, pipe: _Pipe, kind: CutKind) -> None:
        if kind is CutKind.RST:
            self._close(pipe, with_reset=True)
        elif kind is CutKind.FIN:
            self._finish(pipe)
        else:
            for end in pipe.ends:
                self._forget(end)

    def _finish(self, pipe: _Pipe) -> None:
        """Send FIN both ways and take in what still comes: closing over it would send RST."""
        self._swallow(pipe)
        for end in pipe.ends:
            with contextlib.suppress(OSError):
                end.sock.shutdown(socket.SHUT_WR)

    def _swallow(self, pipe: _Pipe) -> None:
        """Take in what the ends send and pass nothing on."""
        pipe.is_draining = True
        for end in pipe.ends:
            end.pending = b""
        self._watch_both(pipe)

    def _resume(self, pipe: _Pipe) -> None:
        if pipe.server is None:
            self._connect(pipe)
        else:
            self._watch_both(pipe)

    # The loop

    def run(self, control_fd: int) -> None:
        """Serve until the control lines end."""
        os.set_blocking(control_fd, False)
        self._epoll.register(control_fd, select.EPOLLIN)
        lines = b""
        while True:
            for fd, events in self._epoll.poll(self._do_what_is_due()):
                if fd == control_fd:
                    chunk = os.read(control_fd, _READ_BYTES)
                    if not chunk:
                        self.close()
                        return
                    *whole, lines = (lines + chunk).split(b"\n")
                    self._obey(whole)
                elif fd == self._listener.fileno():
                    self._accept()
                elif (end := self._ends.get(fd)) is not None:
                    self._handle(end, events)

    def close(self) -> None:
        """End all connections."""
        for link in list(self._pipes):
            for pipe in self._pipes_of(link):
                self._close(pipe)
        self._epoll.close()

    def _obey(self, lines: Iterable[bytes]) -> None:
        for line in lines:
            order = json.loads(line)
            kind = CutKind(order["kind"])
            if order["do"] == "drop":
                self.drop_all(kind)
            else:
                self.cut(order["link"], kind, order["for_s"], order["blind_s"])

    def _do_what_is_due(self) -> float:
        """Heal and break what is due; return the seconds until the next, -1 if there is none."""
        now = time.monotonic()
        while self._due and self._due[0][0] <= now:
            _, link, is_healed = heapq.heappop(self._due)
            if is_healed:
                self.heal(link)
                continue
            for pipe in self._pipes_of(link):
                self._fail(pipe, self._cuts[link])
        return self._due[0][0] - now if self._due else -1

    def _handle(self, end: _End, events: int) -> None:
        if end.is_connecting:
            self._finish_connecting(end)
            return
        if events & select.EPOLLOUT and end.pending:
            self._write(end, b"")
        if events & (select.EPOLLIN | select.EPOLLHUP | select.EPOLLERR) and end.fd in self._ends:
            self._read(end)

    def _read(self, end: _End) -> None:
        pipe = end.pipe
        other = pipe.other(end)
        try:
            data = end.sock.recv(_READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            self._close(pipe, with_reset=True)
            return
        if data:
            if other is not None and not pipe.is_draining:
                self.counts["forwarded_bytes"] += len(data)
                self._write(other, data)
            return
        end.has_ended = True
        if other is None or other.has_ended:
            self._close(pipe)
            return
        self._watch(end)
        if not other.pending and not pipe.is_draining:
            with contextlib.suppress(OSError):
                other.sock.shutdown(socket.SHUT_WR)

    def _write(self, end: _End, data: bytes) -> None:
        pipe = end.pipe
        had_pending = bool(end.pending)
        unsent = end.pending + data
        try:
            end.pending = unsent[end.sock.send(unsent) :]
        except BlockingIOError:
            end.pending = unsent
        except OSError:
            self._close(pipe, with_reset=True)
            return
        if bool(end.pending) == had_pending:
            return
        self._watch_both(pipe)
        other = pipe.other(end)
        if not end.pending and other is not None and other.has_ended:
            with contextlib.suppress(OSError):
                end.sock.shutdown(socket.SHUT_WR)

    # Connections

    def _accept(self) -> None:
        for _ in range(_ACCEPTS_AT_ONCE):
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self.counts["accepted"] += 1
            address = int(ipaddress.IPv4Address(sock.getsockname()[0]))
            link = address - _FIRST_LINK if address != _PASSAGE else None
            if link is not None and not 0 <= link < LINKS_MAX:
                sock.close()  # from outside: this proxy is for this machine
                continue
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            pipe = _Pipe(sock, link)
            self._pipes.setdefault(link, set()).add(pipe)
            kind = self._cuts.get(link) if link is not None else None
            if kind is None:
                self._connect(pipe)
            else:
                self.counts["refused"] += 1
                self._fail(pipe, kind)

    def _connect(self, pipe: _Pipe) -> None:
        """Connect to the next server; the client is not read before that has come about."""
        while pipe.tried < len(self._backends):
            backend = self._backends[self._next_backend]
            self._next_backend = (self._next_backend + 1) % len(self._backends)
            pipe.tried += 1
            sock = socket.socket()
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            code = sock.connect_ex(backend)
            if code in (0, errno.EINPROGRESS):
                end = pipe.server = _End(sock, pipe)
                end.is_connecting = True
                self._watch(end)
                return
            sock.close()
        self._close(pipe, with_reset=True)

    def _finish_connecting(self, end: _End) -> None:
        pipe = end.pipe
        end.is_connecting = False
        if end.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0:
            self._watch_both(pipe)
            return
        self._forget(end)
        end.sock.close()
        pipe.server = None
        self._connect(pipe)

    def _close(self, pipe: _Pipe, *, with_reset: bool = False) -> None:
        for end in pipe.ends:
            self._forget(end)
            if with_reset:
                end.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NONE)
            end.sock.close()
        pipes = self._pipes[pipe.link]
        pipes.discard(pipe)
        if not pipes:
            del self._pipes[pipe.link]

    def _pipes_of(self, link: int | None) -> list[_Pipe]:
        return list(self._pipes.get(link, ()))

    # What is waited for

    def _watch_both(self, pipe: _Pipe) -> None:
        for end in pipe.ends:
            self._watch(end)

    def _watch(self, end: _End) -> None:
        """Wait for what can be done with this end now."""
        other = end.pipe.other(end)
        events = 0
        if end.is_connecting or end.pending:
            events |= select.EPOLLOUT
        is_waited_for = other is not None and (other.pending or other.is_connecting)
        if not end.is_connecting and not end.has_ended and not is_waited_for:
            events |= select.EPOLLIN
        if not events:
            self._forget(end)  # epoll would go on telling that the peer hung up
        elif end.fd in self._ends:
            self._epoll.modify(end.fd, events)
        else:
            self._ends[end.fd] = end
            self._epoll.register(end.fd, events)

    def _forget(self, end: _End) -> None:
        if self._ends.pop(end.fd, None) is not None:
            self._epoll.unregister(end.fd)


def main(arguments: list[str]) -> None:
    """Listen on a free port, say which, and serve; ``arguments`` are ports on this machine."""
    raise_open_files()
    listener = socket.create_server(("0.0.0.0", 0), backlog=4096)
    proxy = FaultProxy(listener, [("127.0.0.1", int(port)) for port in arguments])
    _say({"port": listener.getsockname()[1]})
    proxy.run(sys.stdin.fileno())
    _say(proxy.counts)


def _say(message: dict[str, int]) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
