"""Every asynchronous test of this folder runs on both event loops, and on each driver."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
import uvloop

from longwire.net.tls import Certificate, ServerTls
from tests.integration.net import local
from tests.integration.net.certificates import Authority


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture(scope="session")
def tls(authority: Authority) -> ServerTls:
    cert_path, key_path = authority.issue("local", "127.0.0.1", "localhost")
    return ServerTls([Certificate(cert_path=cert_path, key_path=key_path)])


OVER_TLS = (
    "churn",
    "connection",
    "fairness",
    "http_server",
    "link",
    "opening",
    "server",
    "slow_takers",
)
"""Modules whose tests run over TLS in the reactor as well. asyncio's TLS is asyncio's to test."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "driver" in metafunc.fixturenames and not hasattr(metafunc.module, "driver"):
        names = ["reactor", "asyncio"]
        is_plain = metafunc.definition.get_closest_marker("plain") is not None
        if metafunc.module.__name__.rpartition(".test_")[2] in OVER_TLS and not is_plain:
            names.append("reactor-tls")
        metafunc.parametrize("driver", names, indirect=True)


@pytest.fixture(autouse=True)
def driver(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """What moves the bytes of the servers in this test."""
    name: str = request.param
    if name == "reactor-tls":
        monkeypatch.setattr(local, "SERVER_TLS", request.getfixturevalue("tls").context)
        # The clients of the test trust our authority as if it were the machine's.
        authority: Authority = request.getfixturevalue("authority")
        monkeypatch.setenv("SSL_CERT_FILE", str(authority.path))
    monkeypatch.setattr("longwire.net.listener.AUTO_DRIVER", name.partition("-")[0])
    return name
