"""Every test of the protocol runs in every format, but for those that are about one of them."""

from collections.abc import Iterator

import pytest

from tests.unit.gateways.native.peer import Peer
from tests.unit.gateways.native.translating import TRANSLATIONS


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "spoken" in metafunc.fixturenames:
        marker = metafunc.definition.get_closest_marker("formats")
        names = marker.args if marker is not None else tuple(TRANSLATIONS)
        metafunc.parametrize("spoken", names, indirect=True)


@pytest.fixture(autouse=True)
def spoken(request: pytest.FixtureRequest) -> Iterator[str]:
    Peer.spoken = request.param
    yield request.param
    Peer.spoken = "json"
