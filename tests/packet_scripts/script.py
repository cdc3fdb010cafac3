"""Runs a script against a target: plays the peer, and compares what is sent."""

from __future__ import annotations

from longwire.tcpip.durations import SECOND
from longwire.tcpip.wire.icmp import ErrorKind, IcmpError, protocol_for
from longwire.tcpip.wire.ip import encode_packet
from longwire.tcpip.wire.packet import PROTOCOL_TCP, Packet
from longwire.tcpip.wire.tcp import ACK, PSH, SYN, Segment
from tests.packet_scripts.language import Step, parse_segment, parse_steps, pattern
from tests.packet_scripts.target import ScriptError, Talk, Target

__all__ = ["Script"]

MASK = 0xFFFFFFFF


class Script:
    """The peer, as a script plays it."""

    def __init__(self, target: Target, peer_iss: int) -> None:
        self.target = target
        self.peer_iss = peer_iss
        self.talks: dict[int, Talk] = {}
        self.lateness_ns: list[int] = []
        """By how much each segment left later than the script says; of an exact target always 0."""

    def talk(self, number: int) -> Talk:
        if number not in self.talks:
            self.talks[number] = Talk(self.target.peer_port + number - 1, self.peer_iss)
        return self.talks[number]

    def run(self, text: str) -> None:
        """Run all lines. Raises ScriptError for what the target did wrong, ValueError for what is
        no script."""
        target = self.target
        for step in parse_steps(text):
            talk = self.talk(step.peer)
            try:
                target.advance(step.at_ns)
                if step.verb != ">" and target.sent:
                    raise ScriptError("nothing more was expected here")
                self.do(step, talk)
            except ScriptError as problem:
                raise ScriptError(
                    f"line {step.number}: {step.text}\n  {problem}{self._show_sent()}"
                ) from None
        target.finish()
        if target.sent:
            raise ScriptError(f"the script ended, but more was sent{self._show_sent()}")

    def do(self, step: Step, talk: Talk) -> None:
        if step.verb == ">":
            self.check_sent(step, talk)
        elif step.verb == "expect":
            what, *words = step.rest.split()
            self.target.check(what, words, talk)
        elif step.verb != "<":
            self.target.act(step.verb, step.rest.split(), talk)
        elif step.rest.startswith("icmp "):
            self.inject_icmp(step.rest.split()[1:], talk)
        else:
            self.inject(step.rest, talk)

    # What the peer sends

    def inject(self, text: str, talk: Talk) -> None:
        said = parse_segment(text)
        our_iss = talk.our_iss or 0
        options = said.options or {}
        stamp = options.get("ts", "").split()
        segment = Segment(
            talk.port,
            self.target.local_port(talk),
            (talk.peer_iss + said.start) & MASK,
            (our_iss + (said.ack or 0)) & MASK if said.flags & ACK else 0,
            said.flags,
            said.window or 0,
            pattern(said.start, said.end - said.start),
            urgent=said.urgent or 0,
            mss=int(options["mss"]) if "mss" in options else None,
            window_scale=int(options["wscale"]) if "wscale" in options else None,
            sack_permitted="sackOK" in options,
            sack=tuple(
                ((our_iss + left) & MASK, (our_iss + right) & MASK)
                for left, right in _blocks(options.get("sack", ""))
            ),
            timestamp=int(stamp[0]) & MASK if stamp else None,
            timestamp_echo=((talk.our_clock or 0) + int(stamp[1])) & MASK if stamp else 0,
        )
        self._send(PROTOCOL_TCP, segment)

    def inject_icmp(self, words: list[str], talk: Talk) -> None:
        values = dict(zip(words[1::2], words[2::2], strict=True))
        kind = ErrorKind[words[0].upper().replace("-", "_")]
        ours, peer = self.target.our_address, self.target.peer_address
        sequence = ((talk.our_iss or 0) + int(values["seq"])) & MASK
        local_port = self.target.local_port(talk)
        quoted = Segment(local_port, talk.port, sequence, 0, ACK, 0, bytes(1448))
        quote = encode_packet(Packet(ours, peer, PROTOCOL_TCP, quoted))[:68]
        error = IcmpError.make(kind, len(ours), quote, mtu=int(values.get("mtu", 0)))
        self._send(protocol_for(ours), error)

    def _send(self, protocol: int, payload: Segment | IcmpError) -> None:
        ours, peer = self.target.our_address, self.target.peer_address
        self.target.receive(encode_packet(Packet(peer, ours, protocol, payload)))

    # What the peer is sent

    def check_sent(self, step: Step, talk: Talk) -> None:
        said = parse_segment(step.rest)
        target = self.target
        target.await_sent()
        if not target.sent:
            raise ScriptError("nothing was sent")
        at_ns, segment = target.sent[0]
        if target.is_exact and at_ns != step.at_ns:
            raise ScriptError(f"it was sent at {at_ns / SECOND:.9f}")
        self.lateness_ns.append(at_ns - step.at_ns)
        _learn(segment, talk)
        unseen = 0 if target.is_exact else PSH
        start = (segment.sequence - (talk.our_iss or 0)) & MASK
        found = {
            "port": segment.destination_port,
            "flags": segment.flags & ~unseen,
            "start": start,
            "end": start + len(segment.text),
        }
        wanted = {
            "port": talk.port,
            "flags": said.flags & ~unseen,
            "start": said.start,
            "end": said.end,
        }
        if said.flags & ACK:
            assert said.ack is not None, f"an ACK needs its number: {step.text}"
            found["ack"], wanted["ack"] = (segment.acknowledgment - talk.peer_iss) & MASK, said.ack
        if said.window is not None and target.is_exact:
            found["win"], wanted["win"] = segment.window, said.window
        if said.urgent is not None:
            found["urg"], wanted["urg"] = segment.urgent, said.urgent
        different = [name for name in wanted if wanted[name] != found[name]]
        if different:
            raise ScriptError(
                ", ".join(f"{name} is {found[name]}, not {wanted[name]}" for name in different)
            )
        if said.options is not None:
            self._check_options(said.options, segment, talk)
        if bytes(segment.text) != pattern(start, len(segment.text)):
            raise ScriptError("the text is not what the application has written")
        target.sent.popleft()

    def _check_options(self, wanted: dict[str, str], segment: Segment, talk: Talk) -> None:
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
        if not wanted and found:
            raise ScriptError(f"it has options: {found}")
        for name, value in wanted.items():
            there: str | None = found.get(name)
            if not self.target.is_exact and there is not None:
                if name == "wscale":
                    continue
                if name == "ts":
                    there, value = there.split()[1], value.split()[1]
            if there != value:
                raise ScriptError(f"option {name} is {there!r}, not {value!r}")

    def _show_sent(self) -> str:
        return "".join(f"\n    sent {self._show(*each)}" for each in self.target.sent)

    def _show(self, at_ns: int, segment: Segment) -> str:
        talk = next(
            (each for each in self.talks.values() if each.port == segment.destination_port), None
        )
        base = talk.our_iss if talk and talk.our_iss is not None else segment.sequence
        start = (segment.sequence - base) & MASK
        ack = (segment.acknowledgment - (talk.peer_iss if talk else 0)) & MASK
        return f"at {at_ns / SECOND:.9f}: {start}:{start + len(segment.text)} ack {ack} {segment!r}"


def _learn(segment: Segment, talk: Talk) -> None:
    if segment.flags & SYN:
        talk.our_iss = segment.sequence
    elif talk.our_iss is None:
        # A reset for a connection that never was: its numbers are absolute.
        talk.our_iss = 0
    if talk.our_clock is None and segment.timestamp is not None:
        talk.our_clock = segment.timestamp


def _blocks(text: str) -> list[tuple[int, int]]:
    pairs = [block.split(":") for block in text.split()]
    return [(int(left), int(right)) for left, right in pairs]
