"""Every test of the protocol that takes ``way`` runs on whole, single-octet and random input."""

from __future__ import annotations

import pytest

from tests.unit.websocket.wire import WAYS


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest) -> str:
    value: str = request.param
    return value


@pytest.fixture(params=["client", "server"])
def role(request: pytest.FixtureRequest) -> str:
    value: str = request.param
    return value
