"""Packet scripts: what goes in, what the application does, and what must come out, and when.

A script is lines of a time and a step; ``#`` begins a comment. Times are seconds since the script
began, or ``+`` and seconds since the line above; without a time a line happens together with the
one above. The stack runs in virtual time with no tolerance: a segment that leaves a nanosecond
late, or that no line expects, fails the script with the line and what came instead.

    0      listen                                   the stack has a listener on port 80
           < S 0:0 win 65535 <mss 1460,sackOK>      the peer sends
           > S. 0:0 ack 1 <mss 1460>                the stack must send
    +0.1   < . 1:1 ack 1 win 65535
           accept
           write 1000                               the application writes
           > P. 1:1001 ack 1
           expect state ESTABLISHED

Segments: flags as tcpdump has them (``S F R P U .``), first and one past the last octet of text
relative to the sender's initial sequence number, ``ack N`` relative to the other's, ``win N`` as it
is on the wire, ``urg N``, and options between angle brackets: ``mss N``, ``wscale N``, ``sackOK``,
``sack A:B C:D``, ``ts VALUE ECHO``. Ours of VALUE counts milliseconds from our first segment. In
what is expected only flags, text and ``ack`` must be said; what is not said may be anything, but
``<>`` means that there are no options.

``< icmp KIND [mtu N] seq N`` injects an ICMP error that quotes our segment at N.

Application: ``listen [backlog N]``, ``connect``, ``accept``, ``write N [urgent]``, ``read N``
(must give exactly that many), ``close``, ``shutdown``, ``abort``, ``nodelay``, ``keepalive IDLE
[INTERVAL]``. A step may begin with ``#2`` to speak of a second connection, from the next port.

Checks: ``expect state NAME``, ``expect readable N``, ``expect writable N``, ``expect error CODE``
(or ``none``), ``expect end``, ``expect info NAME N`` (or ``< N``, ``> N``), ``expect reason CODE
N``, ``expect event NAME``, ``expect nothing to accept``.
"""

from __future__ import annotations

import dataclasses
import re
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
from longwire.tcpip.wire.icmp import ErrorKind, IcmpError, protocol_for
from longwire.tcpip.wire.ip import decode_packet, encode_packet
from longwire.tcpip.wire.packet import PROTOCOL_TCP, Packet
from longwire.tcpip.wire.tcp import ACK, FIN, PSH, RST, SYN, URG, Segment

__all__ = ["ScriptError", "run_script"]

OUR_PORT = 80
PEER_PORT = 40_000
MASK = 0xFFFFFFFF
FLAGS = {"S": SYN, "F": FIN, "R": RST, "P": PSH, "U": URG, ".": ACK}
LINE = re.compile(r"(?P<time>\+?\d+(?:\.\d+)?)?\s*(?:#(?P<peer>\d) )?(?P<step>[<>a-z].*)")
SEGMENT = re.compile(
    r"(?P<flags>[SFRPU.]+) (?P<start>\d+):(?P<end>\d+)"
    r"(?: ack (?P<ack>\d+))?(?: win (?P<win>\d+))?(?: urg (?P<urg>\d+))?(?: <(?P<options>.*)>)?"
)


class ScriptError(AssertionError):
    """The stack did something else than the script says."""


class Talk:
    """One connection of a script: what is known of the numbers of both sides."""

    def __init__(self, port: int, peer_iss: int) -> None:
        self.port = port
        self.peer_iss = peer_iss
        self.our_iss: int | None = None
        self.our_clock: int | None = None
        self.connection: TcpConnection | None = None


class Script:
    """A host, its peer as the script plays it, and the clock."""

    def __init__(self, profile: TcpProfile, family: int, peer_iss: int, mtu: int) -> None:
        self.now_ns = 0
        self.host = Host("stack", entropy=RandomStream(1), profile=profile)
        ours, self.peer = wire_pair(mtu=mtu)
        self.host.add_interface(ours, ["192.0.2.1/24", "2001:db8::1/64"])
        texts = ("192.0.2.1", "192.0.2.2") if family == 4 else ("2001:db8::1", "2001:db8::2")
        self.our_address: Address = parse_address(texts[0])
        self.peer_address: Address = parse_address(texts[1])
        self.peer_iss = peer_iss
        self.talks: dict[int, Talk] = {}
        self.listener: Listener | None = None
        self.sent: list[tuple[int, Segment]] = []
        self.lines: list[str] = []

    def talk(self, number: int) -> Talk:
        if number not in self.talks:
            self.talks[number] = Talk(PEER_PORT + number - 1, self.peer_iss)
        return self.talks[number]

    # Time

    def advance(self, until_ns: int) -> None:
        """Run everything that is due up to and at ``until_ns``."""
        while True:
            at = self.host.poll_at()
            if at is None or at > until_ns:
                break
            self.now_ns = max(self.now_ns, at)
            self.poll()
        self.now_ns = max(self.now_ns, until_ns)

    def poll(self) -> None:
        self.host.poll(self.now_ns)
        for unit in self.peer.receive(self.now_ns):
            # Through octets and back: what is sent is what a real peer would read.
            assert isinstance(unit, Packet)
            packet = decode_packet(encode_packet(unit))
            if packet.protocol == PROTOCOL_TCP:
                assert isinstance(packet.payload, bytes)
                segment = Segment.parse(packet.payload, packet.source, packet.destination)
                self.sent.append((self.now_ns, segment))

    # Lines

    def run(self, text: str) -> None:
        previous_ns = 0
        for number, raw in enumerate(text.strip("\n").split("\n"), 1):
            line = re.sub(r"(^|\s)#(?!\d )\s.*$", "", raw).strip()
            if not line:
                continue
            match = LINE.fullmatch(line)
            if match is None:
                raise ValueError(f"line {number} is no step: {line!r}")
            time = match["time"]
            if time is not None:
                at_ns = int(Decimal(time) * SECOND)
                previous_ns = previous_ns + at_ns if time.startswith("+") else at_ns
            step, talk = match["step"], self.talk(int(match["peer"] or 1))
            try:
                self.advance(previous_ns)
                if not step.startswith("> ") and self.sent:
                    raise ScriptError("nothing more was expected here")
                self.do(step, talk)
            except ScriptError as problem:
                sent = "".join(f"\n    sent {self.show(*each)}" for each in self.sent)
                raise ScriptError(f"line {number}: {raw.strip()}\n  {problem}{sent}") from None
        if self.sent:
            sent = "".join(f"\n    sent {self.show(*each)}" for each in self.sent)
            raise ScriptError(f"the script ended, but more was sent{sent}")

    def show(self, at_ns: int, segment: Segment) -> str:
        talk = next(
            (each for each in self.talks.values() if each.port == segment.destination_port), None
        )
        base = talk.our_iss if talk and talk.our_iss is not None else segment.sequence
        start = (segment.sequence - base) & MASK
        ack = (segment.acknowledgment - (talk.peer_iss if talk else 0)) & MASK
        return f"at {at_ns / SECOND:.9f}: {start}:{start + len(segment.text)} ack {ack} {segment!r}"

    def do(self, step: str, talk: Talk) -> None:
        verb, _, rest = step.partition(" ")
        if verb == "<":
            if rest.startswith("icmp "):
                self.inject_icmp(rest.split()[1:], talk)
            else:
                self.inject(rest, talk)
        elif verb == ">":
            self.check_sent(rest, talk)
        elif verb == "expect":
            self.check(rest.split(), talk)
        else:
            self.act(verb, rest.split(), talk)

    # The peer

    def inject(self, text: str, talk: Talk) -> None:
        match = SEGMENT.fullmatch(text)
        if match is None:
            raise ValueError(f"no segment: {text!r}")
        flags = _flags(match["flags"])
        start, end = int(match["start"]), int(match["end"])
        our_iss = talk.our_iss or 0
        clock = talk.our_clock or 0
        options = _options(match["options"] or "")
        stamp = options.get("ts")
        octets = bytes(index & 0xFF for index in range(start, end))
        segment = Segment(
            talk.port,
            OUR_PORT if talk.connection is None else talk.connection.local_port,
            (talk.peer_iss + start) & MASK,
            (our_iss + int(match["ack"] or 0)) & MASK if flags & ACK else 0,
            flags,
            int(match["win"] or 0),
            octets,
            urgent=int(match["urg"] or 0),
            mss=int(options["mss"]) if "mss" in options else None,
            window_scale=int(options["wscale"]) if "wscale" in options else None,
            sack_permitted="sackOK" in options,
            sack=tuple(
                ((our_iss + left) & MASK, (our_iss + right) & MASK)
                for left, right in _blocks(options.get("sack", ""))
            ),
            timestamp=int(stamp.split()[0]) & MASK if stamp else None,
            timestamp_echo=(clock + int(stamp.split()[1])) & MASK if stamp else 0,
        )
        packet = Packet(self.peer_address, self.our_address, PROTOCOL_TCP, segment)
        self.peer.send(encode_packet(packet), self.now_ns)
        self.poll()

    def inject_icmp(self, words: list[str], talk: Talk) -> None:
        values = dict(zip(words[1::2], words[2::2], strict=True))
        kind = ErrorKind[words[0].upper().replace("-", "_")]
        assert talk.connection is not None
        sequence = ((talk.our_iss or 0) + int(values["seq"])) & MASK
        quoted = Segment(talk.connection.local_port, talk.port, sequence, 0, ACK, 0, bytes(1448))
        packet = Packet(self.our_address, self.peer_address, PROTOCOL_TCP, quoted)
        error = IcmpError.make(
            kind,
            len(self.our_address),
            encode_packet(packet)[:68],
            mtu=int(values.get("mtu", 0)),
        )
        answer = Packet(self.peer_address, self.our_address, protocol_for(self.our_address), error)
        self.peer.send(encode_packet(answer), self.now_ns)
        self.poll()

    def check_sent(self, text: str, talk: Talk) -> None:
        match = SEGMENT.fullmatch(text)
        if match is None:
            raise ValueError(f"no segment: {text!r}")
        if not self.sent:
            raise ScriptError("nothing was sent")
        at_ns, segment = self.sent[0]
        if at_ns != self.now_ns:
            raise ScriptError(f"it was sent at {at_ns / SECOND:.9f}")
        self._learn(segment, talk)
        flags = _flags(match["flags"])
        start = (segment.sequence - (talk.our_iss or 0)) & MASK
        found = {
            "port": segment.destination_port,
            "flags": segment.flags,
            "start": start,
            "end": start + len(segment.text),
        }
        wanted = {
            "port": talk.port,
            "flags": flags,
            "start": int(match["start"]),
            "end": int(match["end"]),
        }
        if flags & ACK:
            found["ack"] = (segment.acknowledgment - talk.peer_iss) & MASK
            wanted["ack"] = int(match["ack"])
        if match["win"] is not None:
            found["win"], wanted["win"] = segment.window, int(match["win"])
        if match["urg"] is not None:
            found["urg"], wanted["urg"] = segment.urgent, int(match["urg"])
        different = [name for name in wanted if wanted[name] != found[name]]
        if different:
            raise ScriptError(
                ", ".join(f"{name} is {found[name]}, not {wanted[name]}" for name in different)
            )
        if match["options"] is not None:
            self._check_options(match["options"], segment, talk)
        if bytes(segment.text) != _pattern(start, len(segment.text)):
            raise ScriptError("the text is not what the application has written")
        del self.sent[0]

    def _learn(self, segment: Segment, talk: Talk) -> None:
        if segment.flags & SYN:
            talk.our_iss = segment.sequence
        elif talk.our_iss is None:
            # A reset for a connection that never was: its numbers are absolute.
            talk.our_iss = 0
        if talk.our_clock is None and segment.timestamp is not None:
            talk.our_clock = segment.timestamp

    def _check_options(self, text: str, segment: Segment, talk: Talk) -> None:
        found: dict[str, str] = {}
        if segment.mss is not None:
            found["mss"] = str(segment.mss)
        if segment.window_scale is not None:
            found["wscale"] = str(segment.window_scale)
        if segment.sack_permitted:
            found["sackOK"] = ""
        if segment.sack:
            found["sack"] = " ".join(
                f"{(left - talk.peer_iss) & MASK}:{(right - talk.peer_iss) & MASK}"
                for left, right in segment.sack
            )
        if segment.timestamp is not None:
            value = (segment.timestamp - (talk.our_clock or 0)) & MASK
            found["ts"] = f"{value} {segment.timestamp_echo}"
        wanted = _options(text)
        if not wanted and found:
            raise ScriptError(f"it has options: {found}")
        for name, value in wanted.items():
            if found.get(name) != value:
                raise ScriptError(f"option {name} is {found.get(name)!r}, not {value!r}")

    # The application

    def act(self, verb: str, words: list[str], talk: Talk) -> None:
        host, now_ns = self.host, self.now_ns
        if verb == "listen":
            backlog = int(words[1]) if words else 128
            self.listener = host.listen(OUR_PORT, backlog=backlog)
        elif verb == "connect":
            talk.connection = host.connect(self.peer_address, talk.port, now_ns)
        elif verb == "accept":
            assert self.listener is not None
            talk.connection = self.listener.accept()
            if talk.connection is None:
                raise ScriptError("there is no connection to accept")
        else:
            self.act_on(verb, words, talk)
        self.poll()

    def act_on(self, verb: str, words: list[str], talk: Talk) -> None:
        connection, now_ns = talk.connection, self.now_ns
        if connection is None:
            raise ValueError(f"{verb} needs a connection")
        if verb == "write":
            start = connection.tcb.send_buffer.end - connection.tcb.iss
            data = _pattern(start, int(words[0]))
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

    def check(self, words: list[str], talk: Talk) -> None:
        what, *rest = words
        if what == "reason":
            reason = Reason[rest[0].upper().replace("-", "_")]
            _compare(what, self.host.notebook.count(reason), int(rest[1]))
            return
        if what == "nothing":
            assert self.listener is not None
            _compare("waiting", self.listener.waiting, 0)
            return
        connection = talk.connection
        if connection is None:
            raise ValueError(f"expect {what} needs a connection")
        if what == "state":
            _compare(what, connection.state.name, rest[0])
        elif what == "readable":
            _compare(what, connection.readable_bytes, int(rest[0]))
        elif what == "writable":
            _compare(what, connection.writable_bytes, int(rest[0]))
        elif what == "error":
            _compare(what, connection.error.code if connection.error else "none", rest[0])
        elif what == "end":
            _compare(what, connection.at_end, True)
        elif what == "event":
            _compare(what, TcpEvent[rest[0]] in connection.take_events(), True)
        elif what == "info":
            value = getattr(connection.info(self.now_ns), rest[0])
            if rest[1] in "<>":
                is_so = value < int(rest[2]) if rest[1] == "<" else value > int(rest[2])
                _compare(f"{rest[0]} = {value}", is_so, True)
            else:
                _compare(rest[0], value, int(rest[1]))
        else:
            raise ValueError(f"no such check: {what}")


def _pattern(start: int, count: int) -> bytes:
    return bytes(index & 0xFF for index in range(start, start + count))


def _flags(letters: str) -> int:
    flags = 0
    for letter in letters:
        flags |= FLAGS[letter]
    return flags


def _options(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for part in filter(None, (each.strip() for each in text.split(","))):
        name, _, value = part.partition(" ")
        found[name] = value
    return found


def _blocks(text: str) -> list[tuple[int, int]]:
    pairs = [block.split(":") for block in text.split()]
    return [(int(left), int(right)) for left, right in pairs]


def _compare(what: str, found: object, wanted: object) -> None:
    if found != wanted:
        raise ScriptError(f"{what} is {found}, not {wanted}")


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
    script = Script(profile, family, peer_iss, mtu)
    script.run(text)
    return script.host
