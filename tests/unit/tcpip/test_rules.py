"""Rules of a link: what they match, what becomes of it, and what they count."""

from __future__ import annotations

from typing import Any

import pytest

from longwire.tcpip.addresses import Prefix, parse_address
from longwire.tcpip.device import Medium
from longwire.tcpip.devices import rules as rules_module
from longwire.tcpip.devices.link import Link, PathSettings
from longwire.tcpip.devices.rules import (
    CORRUPT,
    DROP,
    PASS,
    REFUSE,
    Match,
    Rule,
    RuleChain,
    Verdict,
    delay,
    duplicate,
    reject,
)
from longwire.tcpip.durations import MILLISECOND
from longwire.tcpip.host import Host
from longwire.tcpip.randomness import RandomStream
from longwire.tcpip.reasons import Reason
from longwire.tcpip.tcp.state import State
from longwire.tcpip.wire.icmp import ErrorKind
from longwire.tcpip.wire.packet import PROTOCOL_TCP, PROTOCOL_UDP
from longwire.tcpip.wire.tcp import ACK, FIN, SYN
from tests.unit.tcpip.world import World

MEDIA = pytest.mark.parametrize("medium", list(Medium))


def two_hosts(medium: Medium = Medium.IP, **settings: Any) -> tuple[World, Host, Host, Link]:
    world = World()
    link = Link(PathSettings(delay_ns=MILLISECOND, **settings), stream=RandomStream(1, "link"))
    if medium is Medium.ETHERNET:
        link = Link(stream=RandomStream(1, "link"), medium=medium)
    a, b = world.host("a"), world.host("b")
    a.add_interface(link.a, ["10.0.0.1/24"])
    b.add_interface(link.b, ["10.0.0.2/24"])
    return world, a, b, link


def datagrams_that_arrive(verdict: Verdict, **settings: Any) -> tuple[list[bytes], Link, Rule]:
    """Send five numbered datagrams, the third of which meets the rule."""
    world, a, b, link = two_hosts(**settings)
    rule = Rule("third", Match(text=b"2"), verdict)
    link.paths[0].rules.add(rule)
    sender, receiver = a.open_udp(), b.open_udp(53)
    for number in range(5):
        sender.send(b"%d" % number, world.now_ns, parse_address("10.0.0.2"), 53)
    world.sleep(1)
    arrived = []
    while (received := receiver.receive()) is not None:
        arrived.append(received.data)
    return arrived, link, rule


@pytest.mark.parametrize("settings", [{}, {"rate_bits_per_s": 1_000_000}])
@pytest.mark.parametrize(
    ("verdict", "arrived", "reason"),
    [
        (PASS, b"01234", None),
        (DROP, b"0134", Reason.RULE_DROPPED),
        (delay(50 * MILLISECOND), b"01342", Reason.RULE_DELAYED),
        (duplicate(3), b"0122234", Reason.RULE_DUPLICATED),
        (CORRUPT, b"0134", Reason.RULE_CORRUPTED),
        (reject(), b"0134", Reason.RULE_REJECTED),
    ],
)
def test_verdict_befalls_the_matching_packet_alone(
    verdict: Verdict, arrived: bytes, reason: Reason | None, settings: dict[str, Any]
) -> None:
    found, link, rule = datagrams_that_arrive(verdict, **settings)
    assert b"".join(found) == arrived
    assert (rule.matched, rule.decided) == (1, 1)
    assert link.notebook.counters == ({reason: 1} if reason else {})


@MEDIA
def test_refused_connection_is_reset_and_a_rejected_one_learns_why(medium: Medium) -> None:
    world, a, b, link = two_hosts(medium)
    for port, verdict in ((80, REFUSE), (81, reject(ErrorKind.PORT_UNREACHABLE))):
        b.listen(port)
        link.paths[0].rules.add(Rule(f"port {port}", Match(destination_port=port), verdict))
    b.listen(82)
    refused, rejected, made = (a.connect("10.0.0.2", port, 0) for port in (80, 81, 82))
    world.sleep(2)
    assert refused.error is Reason.TCP_REFUSED
    assert rejected.error is Reason.TCP_ICMP_HARD_ERROR
    assert made.state is State.ESTABLISHED


def test_no_reset_answers_a_datagram_or_a_reset() -> None:
    found, link, _ = datagrams_that_arrive(REFUSE)
    assert b"".join(found) == b"0134"
    assert link.paths[1].count == 0


def test_skip_limit_and_chance_choose_among_what_matches() -> None:
    def lost(rule: Rule) -> list[int]:
        world, a, b, link = two_hosts()
        link.paths[0].rules.add(rule)
        sender, receiver = a.open_udp(), b.open_udp(53)
        for number in range(100):
            sender.send(bytes([number]), world.now_ns, parse_address("10.0.0.2"), 53)
        world.sleep(1)
        came = set()
        while (received := receiver.receive()) is not None:
            came.add(received.data[0])
        return sorted(set(range(100)) - came)

    assert lost(Rule("some", Match(), DROP, skip=3, limit=2)) == [3, 4]
    by_chance = lost(Rule("some", Match(), DROP, chance=0.2))
    assert 8 <= len(by_chance) <= 35
    assert lost(Rule("some", Match(), DROP, chance=0.2)) == by_chance
    assert lost(Rule("others", Match(), DROP, chance=0.2)) != by_chance


def test_first_rule_that_matches_decides_and_a_removed_one_is_not_asked() -> None:
    world, a, b, link = two_hosts()
    chain = link.paths[0].rules
    first, second = Rule("first", Match(port=53), PASS), Rule("second", Match(), DROP)
    chain.add(first)
    chain.add(second)
    sender, receiver = a.open_udp(), b.open_udp(53)

    def passes() -> bool:
        sender.send(b"?", world.now_ns, parse_address("10.0.0.2"), 53)
        world.sleep(1)
        return receiver.receive() is not None

    assert passes()
    chain.remove(first)
    assert not passes()
    chain.remove(second)
    chain.remove(second)
    assert passes() and len(chain) == 0
    assert (first.decided, second.decided) == (1, 1)


@pytest.mark.parametrize(
    ("match", "packets"),
    [
        (Match(), "SYN SYN+ACK ACK data datagram ping"),
        (Match(protocol=PROTOCOL_TCP), "SYN SYN+ACK ACK data"),
        (Match(protocol=PROTOCOL_UDP), "datagram"),
        (Match(flags=SYN), "SYN SYN+ACK"),
        (Match(flags=SYN | ACK), "SYN+ACK"),
        (Match(flags=SYN, flags_clear=ACK), "SYN"),
        (Match(flags_clear=SYN | FIN), "ACK data"),
        (Match(port=80), "SYN SYN+ACK ACK data"),
        (Match(destination_port=80), "SYN ACK data"),
        (Match(port=53, protocol=PROTOCOL_TCP), ""),
        (Match(text=b"needle"), "data datagram"),
        (Match(length_min=100), "data"),
        (Match(source=Prefix.parse("10.0.0.2/32")), "SYN+ACK"),
        (Match(destination=Prefix.parse("10.0.0.2/32")), "SYN ACK data datagram ping"),
        (Match(test=lambda packet: packet.protocol == 1), "ping"),
    ],
)
def test_match_is_what_all_its_parts_say(match: Match, packets: str) -> None:
    world, a, b, link = two_hosts()
    seen: list[str] = []

    def name(packet: Any) -> str:
        flags = getattr(packet.payload, "flags", None)
        if packet.protocol == PROTOCOL_UDP:
            return "datagram"
        if flags is None:
            return "ping"
        if packet.payload.text:
            return "data"
        return {SYN: "SYN", SYN | ACK: "SYN+ACK", ACK: "ACK"}[flags]

    chain = RuleChain(RandomStream(1, "rules"))
    chain.add(Rule("watched", match, DROP))

    def look(packet: Any) -> bool:
        if chain.judge(packet, Medium.IP, 0, link.notebook) is DROP:
            seen.append(name(packet))
        return False

    for path in link.paths:
        path.rules.add(Rule("watch", Match(test=look), PASS))
    b.listen(80)
    connection = a.connect("10.0.0.2", 80, 0)
    world.sleep(0.01)
    connection.write(b"needle" * 20, world.now_ns)
    world.sleep(0.0001)
    a.open_udp().send(b"a needle", world.now_ns, parse_address("10.0.0.2"), 53)
    a.open_ping().send(parse_address("10.0.0.2"), 1, b"", world.now_ns)
    world.run(world.now_ns + 500_000)
    assert " ".join(dict.fromkeys(seen)) == packets


def test_impossible_rules_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="rule often: a probability is from 0 to 1"):
        Rule("often", Match(), DROP, chance=1.5)
    for settings in ({"skip": -1}, {"limit": 0}):
        with pytest.raises(ValueError, match="skip is at least 0 and limit at least 1"):
            Rule("never", Match(), DROP, **settings)
    with pytest.raises(ValueError, match="not 0 ns"):
        delay(0)
    with pytest.raises(ValueError, match="at least twice"):
        duplicate(1)
    monkeypatch.setattr(rules_module, "RULES_MAX", 2)
    chain = RuleChain(RandomStream(1, "rules"))
    chain.add(Rule("one", Match(), DROP))
    chain.add(Rule("two", Match(), DROP))
    with pytest.raises(ValueError, match="at most 2 rules"):
        chain.add(Rule("three", Match(), DROP))
