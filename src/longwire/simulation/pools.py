"""Random generators that were made before the world began: found, and seeded for its length."""

from __future__ import annotations

import gc
import os
import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from longwire.base.entropy import EntropyPool

if TYPE_CHECKING:
    from longwire.simulation.world import World

__all__ = ["sealed_generators"]


@contextmanager
def sealed_generators(world: World) -> Iterator[None]:
    """Seed every ``random.Random`` and ``EntropyPool`` there is; give them back as they were.

    Such are the pool of masking keys of ``longwire.net`` and of aiohttp. Which of several gets
    which seed does not matter: each is seeded alike, as a program that makes one anew would.
    """
    generators = [
        (each, each.getstate()) for each in gc.get_objects() if type(each) is random.Random
    ]
    pools = [each for each in gc.get_objects() if type(each) is EntropyPool]
    seed = world.stream("generators").word()
    for generator, _ in generators:
        generator.seed(seed)
    for pool in pools:
        EntropyPool.__init__(pool, world.stream("entropy pool"))
    try:
        yield
    finally:
        for generator, state in generators:
            generator.setstate(state)
        for pool in pools:
            EntropyPool.__init__(pool, os.urandom)
