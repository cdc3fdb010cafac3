"""What goes wrong in a simulation itself, as opposed to in the programs that run in it."""

from __future__ import annotations

from longwire.base.errors import LongwireError

__all__ = [
    "DeadlockError",
    "LivelockError",
    "NotSimulatedError",
    "PlotsUnavailableError",
    "SimulationError",
]


class SimulationError(LongwireError):
    """Base of the errors of a simulation."""


class NotSimulatedError(SimulationError, NotImplementedError):
    """A call that reaches out of the simulation, or that would stop its time.

    ``call`` is its name. It is also a NotImplementedError, which libraries that have another way
    already expect from an event loop.
    """

    def __init__(self, call: str, instead: str) -> None:
        super().__init__(f"{call} is not simulated: {instead}")
        self.call = call


class DeadlockError(SimulationError):
    """Everybody waits and nothing is under way: no packet, no timer. The text says for what."""


class LivelockError(SimulationError):
    """Callbacks run one after the other and time stands still."""


class PlotsUnavailableError(SimulationError):
    """matplotlib, which draws plots, is not installed."""

    def __init__(self) -> None:
        super().__init__("plots are drawn by matplotlib: pip install 'longwire[plots]'")
