"""Asyncio programs on our own TCP in virtual time: see docs/simulation.md."""

from longwire.simulation.errors import (
    DeadlockError,
    LivelockError,
    NotSimulatedError,
    PlotsUnavailableError,
    SimulationError,
)
from longwire.simulation.host import PROFILE, Program, SimHost
from longwire.simulation.link import SimLink
from longwire.simulation.plots import Panel
from longwire.simulation.world import World, run

__all__ = [
    "PROFILE",
    "DeadlockError",
    "LivelockError",
    "NotSimulatedError",
    "Panel",
    "PlotsUnavailableError",
    "Program",
    "SimHost",
    "SimLink",
    "SimulationError",
    "World",
    "run",
]
