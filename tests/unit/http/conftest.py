"""Every test that feeds bytes takes ``cut`` and so runs whole, byte by byte and cut at random."""

from __future__ import annotations

import pytest

from tests.unit.http.wire import CUTS, Cut


@pytest.fixture(params=CUTS.values(), ids=CUTS.keys())
def cut(request: pytest.FixtureRequest) -> Cut:
    return request.param
