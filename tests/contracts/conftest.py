"""A store under test, made fresh: every kind there is."""

from collections.abc import AsyncIterator

import pytest

from tests.contracts.stores import STORES, Made

NEEDS_PROGRAMS = {"redis", "redis-cluster-node"}


@pytest.fixture(
    params=[
        pytest.param(name, marks=pytest.mark.slow if name in NEEDS_PROGRAMS else ())
        for name in sorted(STORES)
    ]
)
async def made(request) -> AsyncIterator[Made]:
    async with STORES[request.param]() as made:
        yield made


@pytest.fixture
def store(made):
    return made.store
