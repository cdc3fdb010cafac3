"""What a script asks of whatever it runs against."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any, Protocol

from longwire.tcpip.addresses import Address
from longwire.tcpip.wire.tcp import Segment

__all__ = ["OUR_PORT", "ScriptError", "Talk", "Target", "compare", "compare_figure"]

OUR_PORT = 80


class ScriptError(AssertionError):
    """The target did something else than the script says."""


@dataclass
class Talk:
    """One connection of a script: what is known of the numbers of both sides."""

    port: int
    peer_iss: int
    our_iss: int | None = None
    our_clock: int | None = None
    endpoint: Any = None
    """The application's end, as the target has it."""
    written: int = field(default=0)
    """Octets that the application has written."""


class Target(Protocol):
    """A TCP under test, with a peer that the script plays."""

    our_address: Address
    peer_address: Address
    peer_port: int
    """Of the first connection; others follow."""
    is_exact: bool
    """Whether time is virtual, and everything that is sent can be foretold."""
    now_ns: int
    """Since the script began."""
    sent: deque[tuple[int, Segment]]
    """What the target has sent, and when."""

    def advance(self, until_ns: int) -> None:
        """Let time pass."""

    def await_sent(self) -> None:
        """Give a target in real time the time to send what it is about to."""

    def finish(self) -> None:
        """Give a target in real time the time to send what nobody expects."""

    def receive(self, packet: bytes) -> None:
        """Take a packet from the peer."""

    def local_port(self, talk: Talk) -> int:
        """Return our port of a connection."""

    def act(self, verb: str, words: list[str], talk: Talk) -> None:
        """Do what the application does."""

    def check(self, what: str, words: list[str], talk: Talk) -> None:
        """Compare what the application, or the observer, sees."""


def compare(what: str, found: object, wanted: object) -> None:
    """Raise ScriptError when both are not the same."""
    if found != wanted:
        raise ScriptError(f"{what} is {found}, not {wanted}")


def compare_figure(words: list[str], value: int) -> None:
    """Compare with ``NAME N``, ``NAME < N`` or ``NAME > N``."""
    name, wanted, *rest = words
    if not rest:
        compare(name, value, int(wanted))
        return
    is_so = value < int(rest[0]) if wanted == "<" else value > int(rest[0])
    compare(f"{name} = {value}", is_so, True)
