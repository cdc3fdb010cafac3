"""Asyncio programs on our own TCP in virtual time: see docs/simulation.md."""

from longwire.simulation.errors import (
    DeadlockError,
    LivelockError,
    NotSimulatedError,
    SimulationError,
)
from longwire.simulation.host import PROFILE, Program, SimHost
from longwire.simulation.link import SimLink
from longwire.simulation.world import World, run

__all__ = [
    "PROFILE",
    "DeadlockError",
    "LivelockError",
    "NotSimulatedError",
    "Program",
    "SimHost",
    "SimLink",
    "SimulationError",
    "World",
    "run",
]
