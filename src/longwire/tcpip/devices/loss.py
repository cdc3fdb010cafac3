"""Which packets a link loses: independently, in bursts, or exactly these."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from longwire.tcpip.randomness import RandomStream

__all__ = ["GilbertElliottLoss", "ListedLoss", "Loss", "RandomLoss"]


class Loss(Protocol):
    """Decides over one packet after the other. One object serves one direction of one link."""

    def takes(self, number: int, stream: RandomStream) -> bool:
        """Whether packet ``number`` (the first is 1) is lost. Draws the same for each packet."""


class RandomLoss:
    """Each packet with the same probability, whatever happened before."""

    def __init__(self, probability: float) -> None:
        if not 0 <= probability <= 1:
            raise ValueError(f"a probability is from 0 to 1, not {probability}")
        self.probability = probability

    def takes(self, number: int, stream: RandomStream) -> bool:
        return stream.chance(self.probability)


class GilbertElliottLoss:
    """Two states, one good and one bad, each with its own probability of loss.

    The mean share of time in the bad state is ``to_bad / (to_bad + to_good)``, and a stay there
    lasts ``1 / to_good`` packets on average.
    """

    def __init__(
        self, to_bad: float, to_good: float, *, loss_good: float = 0.0, loss_bad: float = 1.0
    ) -> None:
        for probability in (to_bad, to_good, loss_good, loss_bad):
            if not 0 <= probability <= 1:
                raise ValueError(f"a probability is from 0 to 1, not {probability}")
        self.to_bad = to_bad
        self.to_good = to_good
        self.loss_good = loss_good
        self.loss_bad = loss_bad
        self.is_bad = False

    def takes(self, number: int, stream: RandomStream) -> bool:
        is_lost = stream.chance(self.loss_bad if self.is_bad else self.loss_good)
        if stream.chance(self.to_good if self.is_bad else self.to_bad):
            self.is_bad = not self.is_bad
        return is_lost


class ListedLoss:
    """Exactly the packets with these numbers."""

    def __init__(self, numbers: Iterable[int]) -> None:
        self.numbers = frozenset(numbers)

    def takes(self, number: int, stream: RandomStream) -> bool:
        return number in self.numbers
