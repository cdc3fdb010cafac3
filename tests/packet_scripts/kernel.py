"""Linux as the target of scripts: real sockets in a namespace, a TUN, real time."""

from __future__ import annotations

import errno
import fcntl
import itertools
import select
import socket
import struct
import termios
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from longwire.net.tun import TunDevice
from longwire.tcpip.addresses import parse_address
from longwire.tcpip.durations import MILLISECOND, SECOND
from longwire.tcpip.errnos import errno_of
from longwire.tcpip.reasons import Reason
from longwire.tcpip.tcp.profile import TcpProfile
from longwire.tcpip.wire.ip import decode_packet
from longwire.tcpip.wire.packet import PROTOCOL_TCP
from longwire.tcpip.wire.tcp import Segment
from tests.integration.tcpip.kernel_side import DEVICE, KERNEL, KERNEL_V6, OURS, OURS_V6, KernelSide
from tests.packet_scripts.language import pattern
from tests.packet_scripts.namespace import NamespaceThread
from tests.packet_scripts.target import OUR_PORT, ScriptError, Talk, compare, compare_figure

__all__ = ["Kernel", "KernelTarget"]

AWAIT_NS = 1500 * MILLISECOND
"""How much later than a script says the kernel may send: it is busy, or waits longer than we do."""

GRACE_NS = 20 * MILLISECOND
"""How long nothing more may come at the end."""

_PORTS_OF_A_CASE = 10

# Checks that ask for notions of ours.
_OURS_ALONE = ("writable", "reason", "event")

# Figures of TCP_INFO that the clock decides over.
_TIMES = ("rto", "rtt", "rttvar", "min_rtt", "last_ack_recv", "last_data_recv", "last_data_sent")

# Linux tells the ICMP errors apart that we have one reason for.
_HARD_ERRORS = (errno.ECONNREFUSED, errno.ENOPROTOOPT, errno.EPROTO, errno.EHOSTUNREACH)

# include/net/tcp_states.h; 12 is a handshake that has no socket yet.
_STATES = {
    1: "ESTABLISHED",
    2: "SYN_SENT",
    3: "SYN_RECEIVED",
    4: "FIN_WAIT_1",
    5: "FIN_WAIT_2",
    6: "TIME_WAIT",
    7: "CLOSED",
    8: "CLOSE_WAIT",
    9: "LAST_ACK",
    11: "CLOSING",
    12: "SYN_RECEIVED",
}

# The beginning of struct tcp_info (linux/tcp.h).
_FIGURES = struct.Struct("=5B3x24I")
_FIGURE_NAMES = (
    "state",
    "ca_state",
    "retransmits",
    "probes",
    "backoff",
    "rto",
    "ato",
    "snd_mss",
    "rcv_mss",
    "unacked",
    "sacked",
    "lost",
    "retrans",
    "fackets",
    "last_data_sent",
    "last_ack_sent",
    "last_data_recv",
    "last_ack_recv",
    "pmtu",
    "rcv_ssthresh",
    "rtt",
    "rttvar",
    "snd_ssthresh",
    "snd_cwnd",
    "advmss",
    "reordering",
    "rcv_rtt",
    "rcv_space",
    "total_retrans",
)

Result = TypeVar("Result")


class Kernel:
    """A namespace and its TUN, set up once for many scripts."""

    def __init__(self, side: KernelSide) -> None:
        self.side = side
        self.tun: TunDevice = side.open()
        self.thread = NamespaceThread(side.name)
        self._ports = itertools.count(20_000, _PORTS_OF_A_CASE)
        for name, value in {
            "tcp_early_retrans": 0,  # no tail loss probes, which we do not send either
            "tcp_ecn": 0,
            "tcp_invalid_ratelimit": 0,
            "tcp_no_metrics_save": 1,
        }.items():
            self.thread.set_sysctl(f"net.ipv4.{name}", value)

    def target(self, profile: TcpProfile, family: int, mtu: int) -> KernelTarget:
        """Return the kernel, set to behave as ``profile`` says, as far as it can be told."""
        is_linux = profile.quick_acks > 0
        for name, value in {
            "tcp_timestamps": int(profile.timestamps),
            "tcp_sack": int(profile.sack),
            "tcp_window_scaling": int(profile.window_scaling),
            "tcp_syn_linear_timeouts": profile.syn_linear_retries,
            "tcp_rto_min_us": max(profile.rto_min_ns // 1000, 1000),
            "tcp_retries2": profile.retries_max or 15,
            "tcp_rfc1337": int(profile.time_wait_ignores_reset),
            "tcp_slow_start_after_idle": int(profile.slow_start_after_idle),
        }.items():
            self.thread.set_sysctl(f"net.ipv4.{name}", value)
        # What scripts before have said of the path must be forgotten.
        for flags in (f"link set {DEVICE} mtu {mtu}", "route flush cache", "-6 route flush cache"):
            self.side.run("ip", *flags.split())
        return KernelTarget(self, profile, family, next(self._ports), has_quick_acks=is_linux)

    def close(self) -> None:
        self.thread.close()
        self.tun.close()


@dataclass
class _Endpoint:
    """A socket, and its port, which is asked for after it was closed too."""

    socket: socket.socket
    local_port: int


class KernelTarget:
    """The kernel, for one script."""

    is_exact = False

    def __init__(
        self,
        kernel: Kernel,
        profile: TcpProfile,
        family: int,
        peer_port: int,
        *,
        has_quick_acks: bool,
    ) -> None:
        self._kernel = kernel
        self._profile = profile
        self._has_quick_acks = has_quick_acks
        self._family = socket.AF_INET if family == 4 else socket.AF_INET6
        texts = (KERNEL, OURS) if family == 4 else (KERNEL_V6, OURS_V6)
        self.our_address, self.peer_address = (parse_address(text) for text in texts)
        self._peer_text = texts[1]
        self.peer_port = peer_port
        self.sent: deque[tuple[int, Segment]] = deque()
        self._sockets: list[socket.socket] = []
        self._listener: socket.socket | None = None
        self._start_ns = time.monotonic_ns()

    # Time

    @property
    def now_ns(self) -> int:
        return time.monotonic_ns() - self._start_ns

    def advance(self, until_ns: int) -> None:
        """Take what is sent until a time that may have passed."""
        while True:
            self._drain()
            left_ns = until_ns - self.now_ns
            if left_ns <= 0:
                return
            select.select([self._kernel.tun], [], [], left_ns / SECOND)

    def await_sent(self) -> None:
        deadline_ns = self.now_ns + AWAIT_NS
        while not self.sent and (left_ns := deadline_ns - self.now_ns) > 0:
            select.select([self._kernel.tun], [], [], left_ns / SECOND)
            self._drain()

    def finish(self) -> None:
        self.advance(self.now_ns + GRACE_NS)

    def _drain(self) -> None:
        tun = self._kernel.tun
        while units := tun.receive(0):
            for unit in units:
                assert isinstance(unit, bytes)
                packet = decode_packet(unit)
                if packet.protocol != PROTOCOL_TCP:
                    continue
                assert isinstance(packet.payload, bytes)
                segment = Segment.parse(packet.payload, packet.source, packet.destination)
                # Others are what is left of scripts before.
                if 0 <= segment.destination_port - self.peer_port < _PORTS_OF_A_CASE:
                    self.sent.append((self.now_ns, segment))

    def receive(self, packet: bytes) -> None:
        self._kernel.tun.send(packet, 0)
        self._drain()

    def close(self) -> None:
        """End everything that the script has left open, without a word that comes later."""
        for each in self._sockets:
            _reset(each)
        self._drain()

    # The application

    def local_port(self, talk: Talk) -> int:
        return OUR_PORT if talk.endpoint is None else int(talk.endpoint.local_port)

    def act(self, verb: str, words: list[str], talk: Talk) -> None:
        if verb == "listen":
            self._listener = self._open()
            self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self._listener.bind(("", OUR_PORT))
            # Linux lets one more wait than it is told.
            self._listener.listen(int(words[1]) - 1 if words else 128)
        elif verb == "connect":
            made = self._open()
            made.connect_ex((self._peer_text, talk.port))
            talk.endpoint = _Endpoint(made, made.getsockname()[1])
        elif verb == "accept":
            made = self._soon(self._accept, "there is no connection to accept")
            self._sockets.append(made)
            made.setblocking(False)
            self._set_options(made)
            talk.endpoint = _Endpoint(made, OUR_PORT)
        else:
            self._act_on(self._socket(talk), verb, words, talk)
        self._drain()

    def _open(self) -> socket.socket:
        made = self._kernel.thread.call(lambda: socket.socket(self._family, socket.SOCK_STREAM))
        self._sockets.append(made)
        made.setblocking(False)
        if self._family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        self._set_options(made)
        return made

    def _set_options(self, made: socket.socket) -> None:
        profile, tcp = self._profile, socket.IPPROTO_TCP
        made.setsockopt(tcp, socket.TCP_CONGESTION, profile.congestion.encode())
        if not self._has_quick_acks:
            made.setsockopt(tcp, socket.TCP_QUICKACK, 0)
        if profile.user_timeout_ns is not None:
            milliseconds = profile.user_timeout_ns // MILLISECOND
            made.setsockopt(tcp, socket.TCP_USER_TIMEOUT, milliseconds)

    def _accept(self) -> socket.socket | None:
        assert self._listener is not None
        try:
            return self._listener.accept()[0]
        except BlockingIOError:
            return None

    def _soon(self, ask: Callable[[], Result | None], complaint: str) -> Result:
        """Ask again for a while: what came through the device is worked on elsewhere."""
        deadline_ns = self.now_ns + 10 * GRACE_NS
        while True:
            answer = ask()
            if answer is not None:
                return answer
            if self.now_ns > deadline_ns:
                raise ScriptError(complaint)
            self.advance(self.now_ns + MILLISECOND)

    @staticmethod
    def _socket(talk: Talk) -> socket.socket:
        if talk.endpoint is None:
            raise ValueError("this step needs a connection")
        found: socket.socket = talk.endpoint.socket
        return found

    def _act_on(self, end: socket.socket, verb: str, words: list[str], talk: Talk) -> None:
        if verb == "write":
            data = pattern(1 + talk.written, int(words[0]))
            try:
                taken = end.send(data, socket.MSG_OOB if "urgent" in words else 0)
            except OSError as error:
                raise ScriptError(f"write: {error.strerror}") from None
            talk.written += taken
            compare("octets taken", taken, len(data))
        elif verb == "read":
            count = int(words[0])
            self._soon(lambda: _readable(end) >= count or None, f"{count} octets did not come")
            compare("octets read", len(end.recv(count)), count)
        elif verb == "nodelay":
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        elif verb == "keepalive":
            end.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            for option, word in zip(
                (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL), words, strict=False
            ):
                end.setsockopt(socket.IPPROTO_TCP, option, int(word))
        elif verb == "close":
            end.close()
        elif verb == "shutdown":
            end.shutdown(socket.SHUT_WR)
        elif verb == "abort":
            _reset(end)
        else:
            raise ValueError(f"no such step: {verb}")

    # What it sees

    def check(self, what: str, words: list[str], talk: Talk) -> None:
        if what in _OURS_ALONE:
            return
        if what == "nothing":
            if self._accept() is not None:
                raise ScriptError("a connection waits")
            return
        if what == "state":
            self._check_state(words[0], talk)
            return
        end = self._socket(talk)
        if end.fileno() < 0:
            return  # the application has closed it, and nobody can ask any more
        if what == "readable":
            compare(what, _readable(end), int(words[0]))
        elif what == "error":
            number = end.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if number not in _errors(words[0]):
                raise ScriptError(f"error is {errno.errorcode.get(number)}, not {words[0]}")
        elif what == "end":
            self._soon(lambda: _is_at_end(end) or None, "the stream has not ended")
        elif what == "info" and words[0] not in _TIMES:
            compare_figure(words, _figures(end)[words[0]])
        elif what != "info":
            raise ValueError(f"no such check: {what}")

    def _check_state(self, wanted: str, talk: Talk) -> None:
        local, remote = self.local_port(talk), talk.port

        def is_so() -> bool | None:
            return self._kernel.thread.call(lambda: _state_of(local, remote)) == wanted or None

        found = self._kernel.thread.call(lambda: _state_of(local, remote))
        self._soon(is_so, f"state is {found}, not {wanted}")


def _errors(code: str) -> tuple[int, ...]:
    """Return the numbers that stand for one of our reasons."""
    if code == "none":
        return (0,)
    reason = Reason[code.upper().replace("-", "_")]
    return _HARD_ERRORS if reason is Reason.TCP_ICMP_HARD_ERROR else (errno_of(reason),)


def _readable(end: socket.socket) -> int:
    answer = fcntl.ioctl(end.fileno(), termios.FIONREAD, bytes(4))
    return int(struct.unpack("i", answer)[0])


def _figures(end: socket.socket) -> dict[str, int]:
    answer = end.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _FIGURES.size)
    return dict(zip(_FIGURE_NAMES, _FIGURES.unpack(answer), strict=True))


def _is_at_end(end: socket.socket) -> bool:
    try:
        return end.recv(1, socket.MSG_PEEK) == b""
    except BlockingIOError:
        return False


def _reset(end: socket.socket) -> None:
    if end.fileno() >= 0:
        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        end.close()


def _state_of(local_port: int, remote_port: int) -> str:
    """Return the state of a connection of this thread's namespace, CLOSED when there is none."""
    for name in ("tcp", "tcp6"):
        for line in Path(f"/proc/thread-self/net/{name}").read_text().splitlines()[1:]:
            _, local, remote, state, *_ = line.split()
            ports = tuple(int(end.rpartition(":")[2], 16) for end in (local, remote))
            if ports == (local_port, remote_port):
                return _STATES[int(state, 16)]
    return "CLOSED"
