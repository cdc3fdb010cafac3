"""Our stack as the target of scripts: virtual time, no tolerance."""

from __future__ import annotations

import dataclasses
from collections import deque
from decimal import Decimal

from longwire.tcpip.addresses import Address, parse_address
from longwire.tcpip.devices.wire_pair import wire_pair
from longwire.tcpip.durations import SECOND
from longwire.tcpip.host import Host
from longwire.tcpip.randomness import RandomStream
from longwire.tcpip.reasons import Reason
from longwire.tcpip.tcp.connection import TcpConnection
from longwire.tcpip.tcp.control import TcpEvent
from longwire.tcpip.tcp.listener import Listener
from longwire.tcpip.tcp.profile import RFC, TcpProfile
from longwire.tcpip.wire.ip import decode_packet, encode_packet
from longwire.tcpip.wire.packet import PROTOCOL_TCP, Packet
from longwire.tcpip.wire.tcp import Segment
from tests.packet_scripts.language import pattern
from tests.packet_scripts.script import Script
from tests.packet_scripts.target import OUR_PORT, ScriptError, Talk, compare, compare_figure

__all__ = ["StackTarget", "run_script"]


class StackTarget:
    """A host of ours on a perfect wire."""

    is_exact = True
    peer_port = 40_000

    def __init__(self, profile: TcpProfile, family: int, mtu: int) -> None:
        self.now_ns = 0
        self.host = Host("stack", entropy=RandomStream(1), profile=profile)
        ours, self.peer = wire_pair(mtu=mtu)
        self.host.add_interface(ours, ["192.0.2.1/24", "2001:db8::1/64"])
        texts = ("192.0.2.1", "192.0.2.2") if family == 4 else ("2001:db8::1", "2001:db8::2")
        self.our_address: Address = parse_address(texts[0])
        self.peer_address: Address = parse_address(texts[1])
        self.listener: Listener | None = None
        self.sent: deque[tuple[int, Segment]] = deque()

    # Time

    def advance(self, until_ns: int) -> None:
        """Run everything that is due up to and at ``until_ns``."""
        while True:
            at = self.host.poll_at()
            if at is None or at > until_ns:
                break
            self.now_ns = max(self.now_ns, at)
            self._poll()
        self.now_ns = max(self.now_ns, until_ns)

    def await_sent(self) -> None:
        """All that is due has left already."""

    def finish(self) -> None:
        """What comes later is no matter of the script."""

    def receive(self, packet: bytes) -> None:
        self.peer.send(packet, self.now_ns)
        self._poll()

    def _poll(self) -> None:
        self.host.poll(self.now_ns)
        for unit in self.peer.receive(self.now_ns):
            # Through octets and back: what is sent is what a real peer would read.
            assert isinstance(unit, Packet)
            packet = decode_packet(encode_packet(unit))
            if packet.protocol == PROTOCOL_TCP:
                assert isinstance(packet.payload, bytes)
                segment = Segment.parse(packet.payload, packet.source, packet.destination)
                self.sent.append((self.now_ns, segment))

    def local_port(self, talk: Talk) -> int:
        return OUR_PORT if talk.endpoint is None else self._connection(talk).local_port

    @staticmethod
    def _connection(talk: Talk) -> TcpConnection:
        if talk.endpoint is None:
            raise ValueError("this step needs a connection")
        connection: TcpConnection = talk.endpoint
        return connection

    # The application

    def act(self, verb: str, words: list[str], talk: Talk) -> None:
        host, now_ns = self.host, self.now_ns
        if verb == "listen":
            backlog = int(words[1]) if words else 128
            self.listener = host.listen(OUR_PORT, backlog=backlog)
        elif verb == "connect":
            talk.endpoint = host.connect(self.peer_address, talk.port, now_ns)
        elif verb == "accept":
            assert self.listener is not None
            talk.endpoint = self.listener.accept()
            if talk.endpoint is None:
                raise ScriptError("there is no connection to accept")
        else:
            self._act_on(self._connection(talk), verb, words)
        self._poll()

    def _act_on(self, connection: TcpConnection, verb: str, words: list[str]) -> None:
        now_ns = self.now_ns
        if verb == "write":
            start = connection.tcb.send_buffer.end - connection.tcb.iss
            data = pattern(start, int(words[0]))
            taken = connection.write(data, now_ns, is_urgent="urgent" in words)
            if taken != len(data):
                raise ScriptError(f"only {taken} octets were taken")
        elif verb == "read":
            data = connection.read(int(words[0]), now_ns)
            if len(data) != int(words[0]):
                raise ScriptError(f"{len(data)} octets came")
        elif verb == "nodelay":
            connection.set_nagle(False, now_ns)
        elif verb == "keepalive":
            idle_ns = int(Decimal(words[0]) * SECOND)
            interval_ns = int(Decimal(words[1]) * SECOND) if len(words) > 1 else None
            connection.set_keepalive(idle_ns, now_ns, interval_ns=interval_ns)
        elif verb in ("close", "shutdown", "abort"):
            getattr(connection, verb)(now_ns)
        else:
            raise ValueError(f"no such step: {verb}")

    def check(self, what: str, words: list[str], talk: Talk) -> None:
        if what == "reason":
            reason = Reason[words[0].upper().replace("-", "_")]
            compare(what, self.host.notebook.count(reason), int(words[1]))
            return
        if what == "nothing":
            assert self.listener is not None
            compare("waiting", self.listener.waiting, 0)
            return
        connection = self._connection(talk)
        if what == "state":
            compare(what, connection.state.name, words[0])
        elif what == "readable":
            compare(what, connection.readable_bytes, int(words[0]))
        elif what == "writable":
            compare(what, connection.writable_bytes, int(words[0]))
        elif what == "error":
            compare(what, connection.error.code if connection.error else "none", words[0])
        elif what == "end":
            compare(what, connection.at_end, True)
        elif what == "event":
            compare(what, TcpEvent[words[0]] in connection.take_events(), True)
        elif what == "info":
            compare_figure(words, getattr(connection.info(self.now_ns), words[0]))
        else:
            raise ValueError(f"no such check: {what}")


def run_script(
    text: str,
    *,
    profile: TcpProfile = RFC,
    family: int = 4,
    peer_iss: int = 1_000_000,
    mtu: int = 1500,
    **changes: object,
) -> Host:
    """Run a script against a host of its own; ``changes`` are to the profile. Return the host."""
    profile = dataclasses.replace(profile, **changes)  # type: ignore[arg-type]
    target = StackTarget(profile, family, mtu)
    Script(target, peer_iss).run(text)
    return target.host
