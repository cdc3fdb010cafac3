"""Faults for chosen packets: rules that match a packet and pass a verdict on it.

Each direction of a link has a chain of rules. They are asked in the order in which they were
added; the first that matches decides, and what none matches passes. A rule counts what it matched
and what it decided over, draws from a random stream of its own, and is named in every note, so
that a capture tells which rule took a packet.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from longwire.tcpip.addresses import Prefix
from longwire.tcpip.device import Medium, Unit
from longwire.tcpip.devices.rewriting import read_packet
from longwire.tcpip.randomness import RandomStream
from longwire.tcpip.reasons import Notebook, Reason
from longwire.tcpip.wire.icmp import ErrorKind
from longwire.tcpip.wire.packet import Packet
from longwire.tcpip.wire.tcp import Segment
from longwire.tcpip.wire.udp import Datagram

__all__ = ["CORRUPT", "DROP", "PASS", "REFUSE", "Match", "Rule", "RuleChain", "Verdict"]
__all__ += ["delay", "duplicate", "reject"]

RULES_MAX = 1_000
"""Of one direction; each costs every packet a look."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of a packet. ``reason`` is counted and noted; without one it just passes."""

    reason: Reason | None = None
    is_dropped: bool = False
    answer: ErrorKind | Literal["reset"] | None = None
    """What its sender is told of a packet that is dropped."""
    delay_ns: int = 0
    """How much longer it is on the way; those behind it overtake it."""
    copies: int = 1
    is_corrupted: bool = False


PASS = Verdict()
DROP = Verdict(Reason.RULE_DROPPED, is_dropped=True)
CORRUPT = Verdict(Reason.RULE_CORRUPTED, is_corrupted=True)
REFUSE = Verdict(Reason.RULE_REJECTED, is_dropped=True, answer="reset")
"""Dropped, and answered as by a host that has no such connection; UDP just vanishes."""


def delay(delay_ns: int) -> Verdict:
    """Hold a packet back for so long. Raises ValueError for a time that is not positive."""
    if delay_ns <= 0:
        raise ValueError(f"a packet is held back for some time, not {delay_ns} ns")
    return Verdict(Reason.RULE_DELAYED, delay_ns=delay_ns)


def duplicate(copies: int = 2) -> Verdict:
    """Let a packet arrive so many times. Raises ValueError below 2."""
    if copies < 2:
        raise ValueError(f"a duplicated packet arrives at least twice, not {copies} times")
    return Verdict(Reason.RULE_DUPLICATED, copies=copies)


def reject(kind: ErrorKind = ErrorKind.PROHIBITED) -> Verdict:
    """Drop a packet and send an ICMP error about it, as its destination would."""
    return Verdict(Reason.RULE_REJECTED, is_dropped=True, answer=kind)


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """Which packets a rule is about: those for which everything that is given holds."""

    source: Prefix | None = None
    destination: Prefix | None = None
    protocol: int | None = None
    port: int | None = None
    """Source or destination port of TCP or UDP."""
    destination_port: int | None = None
    flags: int | None = None
    """TCP flags that are all set, as ``SYN | ACK``."""
    flags_clear: int = 0
    """TCP flags none of which is set."""
    text: bytes | None = None
    """Octets that stand in the data of a segment or datagram."""
    length_min: int = 0
    """Octets of the whole packet."""
    test: Callable[[Packet], bool] | None = None
    """Anything else; it sees segments and datagrams as such, and other payloads as they are."""

    def holds(self, packet: Packet) -> bool:
        """Whether the packet is one of those."""
        return (
            (self.source is None or packet.source in self.source)
            and (self.destination is None or packet.destination in self.destination)
            and (self.protocol is None or packet.protocol == self.protocol)
            and packet.length >= self.length_min
            and self._holds_for(packet.payload)
            and (self.test is None or self.test(packet))
        )

    def _holds_for(self, payload: object) -> bool:
        if isinstance(payload, Segment | Datagram):
            ports = (payload.source_port, payload.destination_port)
            if self.port is not None and self.port not in ports:
                return False
            if self.destination_port not in (None, payload.destination_port):
                return False
            if self.text is not None and self.text not in _text_of(payload):
                return False
        elif self.port is not None or self.destination_port is not None or self.text is not None:
            return False
        if isinstance(payload, Segment):
            wanted = self.flags or 0
            return payload.flags & wanted == wanted and not payload.flags & self.flags_clear
        return self.flags is None and not self.flags_clear


def _text_of(payload: Segment | Datagram) -> bytes:
    return bytes(payload.text if isinstance(payload, Segment) else payload.data)


class Rule:
    """A match, and what is done with what it matches.

    ``skip`` lets the first so many matching packets pass, ``limit`` decides over so many and then
    over none, ``chance`` is the probability for each one in between. ``matched`` counts what
    matched, ``decided`` what the verdict was passed on. A rule may be in several chains: the
    counts are then those of all.
    """

    def __init__(
        self,
        name: str,
        match: Match,
        verdict: Verdict,
        *,
        skip: int = 0,
        limit: int | None = None,
        chance: float = 1.0,
    ) -> None:
        if not 0 <= chance <= 1:
            raise ValueError(f"rule {name}: a probability is from 0 to 1, not {chance}")
        if skip < 0 or (limit is not None and limit < 1):
            raise ValueError(f"rule {name}: skip is at least 0 and limit at least 1")
        self.name = name
        self.match = match
        self.verdict = verdict
        self.skip = skip
        self.limit = limit
        self.chance = chance
        self.matched = 0
        self.decided = 0

    def __repr__(self) -> str:
        return f"<Rule {self.name}: {self.decided} of {self.matched}>"

    def applies(self, packet: Packet, stream: RandomStream) -> bool:
        """Whether the verdict is passed on ``packet``; counts it."""
        if not self.match.holds(packet):
            return False
        self.matched += 1
        if self.matched <= self.skip or (self.limit is not None and self.decided >= self.limit):
            return False
        if self.chance < 1 and not stream.chance(self.chance):
            return False
        self.decided += 1
        return True


class RuleChain:
    """The rules of one direction of a link."""

    def __init__(self, stream: RandomStream) -> None:
        self._stream = stream
        self._rules: list[tuple[Rule, RandomStream]] = []

    def __len__(self) -> int:
        return len(self._rules)

    def add(self, rule: Rule) -> None:
        """Ask ``rule`` after those that are there. Raises ValueError past RULES_MAX."""
        if len(self._rules) >= RULES_MAX:
            raise ValueError(f"a direction of a link has at most {RULES_MAX} rules")
        self._rules.append((rule, self._stream.fork(rule.name)))

    def remove(self, rule: Rule) -> None:
        """Ask ``rule`` no more; one that is not there is no error."""
        self._rules = [each for each in self._rules if each[0] is not rule]

    def judge(self, unit: Unit, medium: Medium, now_ns: int, notebook: Notebook) -> Verdict:
        """Return the verdict on ``unit`` and note it."""
        read = read_packet(unit, medium) if self._rules else None
        if read is None:
            return PASS
        for rule, stream in self._rules:
            if rule.applies(read[1], stream):
                if rule.verdict.reason is not None:
                    notebook.write(now_ns, rule.verdict.reason, rule.name, unit)
                return rule.verdict
        return PASS
