"""Our TCP as the client of programs on the kernel's: on TUN, on TAP, and over a bad link."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from longwire.net.userspace.driver import Driver
from longwire.net.userspace.network import Network
from longwire.tcpip.device import Device, Medium
from longwire.tcpip.devices.bridge import Bridge
from longwire.tcpip.devices.link import Link, PathSettings
from longwire.tcpip.devices.loss import RandomLoss
from longwire.tcpip.durations import MILLISECOND
from longwire.tcpip.host import Host
from longwire.tcpip.randomness import RandomStream
from longwire.tcpip.reasons import Reason
from longwire.tcpip.tcp.profile import LINUX
from tests import needs
from tests.integration.tcpip.fetch import fetch
from tests.integration.tcpip.iperf3 import run_iperf3
from tests.integration.tcpip.kernel_side import (
    KERNEL,
    KERNEL_V6,
    OURS,
    OURS_V6,
    KernelSide,
    kernel_side,
)
from tests.integration.tcpip.peers import (
    AIOHTTP_PORT,
    IPERF_PORT,
    NGINX_PORT,
    serving_aiohttp,
    serving_iperf3,
    serving_nginx,
)

pytestmark = pytest.mark.slow

BOTH = pytest.mark.parametrize("address", [KERNEL, KERNEL_V6], ids=["ipv4", "ipv6"])
SIZES = pytest.mark.parametrize(
    "octets",
    [2_000_128, pytest.param(100_000_000, marks=[pytest.mark.long, pytest.mark.timeout(600)])],
    ids=["2-mb", "100-mb"],
)

# What a link may do to packets: 1 % each way.
BAD = PathSettings(
    delay_ns=1 * MILLISECOND,
    loss=lambda: RandomLoss(0.01),
    reorder=0.01,
    reorder_delay_ns=2 * MILLISECOND,
    duplicate=0.01,
)
FAULTS = (Reason.LINK_LOSS, Reason.LINK_REORDERED, Reason.LINK_DUPLICATED)


@pytest.fixture(scope="module", params=["tun", "tap", "bad-link", "tun-offload"])
def path(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def side(path: str) -> Iterator[KernelSide]:
    with kernel_side(Medium.ETHERNET if path.startswith("tap") else Medium.IP) as made:
        yield made


@pytest_asyncio.fixture
async def network(path: str, side: KernelSide) -> AsyncIterator[Network]:
    host = Host("ours", entropy=os.urandom, profile=LINUX)
    tun = side.open(offload=path.endswith("offload"))
    device: Device = tun
    bridges = []
    link = Link(BAD, stream=RandomStream(int.from_bytes(os.urandom(4), "big"), "link"))
    if path == "bad-link":
        device, bridges = link.a, [Bridge(tun, link.b)]
    host.add_interface(device, [f"{OURS}/24", f"{OURS_V6}/64"])
    driver = Driver(host, [tun], bridges)
    yield Network(driver)
    driver.close()
    assert side.malformed() == {}
    assert tun.units_refused == 0
    # So many packets that none of the faults can have passed them all by.
    if sum(each.count for each in link.paths) > 2_000:
        assert all(link.notebook.count(fault) for fault in FAULTS), link.notebook.counters


@BOTH
@SIZES
async def test_nginx_gives_a_file(
    network: Network, side: KernelSide, tmp_path: Path, address: str, octets: int
) -> None:
    content = os.urandom(1 << 20) * (octets >> 20)
    (tmp_path / "file").write_bytes(content)
    with serving_nginx(side, tmp_path):
        answer = await fetch(network, address, NGINX_PORT, "/file")
        missing = await fetch(network, address, NGINX_PORT, "/nothing")
    assert (answer.status, answer.octets) == (200, len(content))
    assert answer.digest == hashlib.sha256(content).hexdigest()
    assert missing.status == 404


@BOTH
@SIZES
async def test_aiohttp_takes_and_gives(
    network: Network, side: KernelSide, address: str, octets: int
) -> None:
    body = os.urandom(1 << 16) * (octets >> 16)
    with serving_aiohttp(side):
        put = await fetch(network, address, AIOHTTP_PORT, "/", body=body)
        got = await fetch(network, address, AIOHTTP_PORT, f"/{octets // 256 * 256}")
    assert put.text == hashlib.sha256(body).hexdigest()
    sent = bytes(range(256)) * (octets // 256)
    assert (got.octets, got.digest) == (len(sent), hashlib.sha256(sent).hexdigest())


@BOTH
@SIZES
@pytest.mark.parametrize("reverse", [False, True], ids=["forward", "reverse"])
async def test_iperf3_counts_what_was_sent(
    network: Network, side: KernelSide, address: str, octets: int, reverse: bool
) -> None:
    with serving_iperf3(side):
        outcome = await run_iperf3(
            network,
            address,
            IPERF_PORT,
            octets,
            reverse=reverse,
            is_read=lambda: side.unread_octets(IPERF_PORT) == 0,
        )
    assert outcome.received >= octets
    if not reverse:
        assert outcome.sent == outcome.received


@BOTH
async def test_netcat_takes_what_comes_after_its_own_end(
    network: Network, side: KernelSide, address: str
) -> None:
    first, last = os.urandom(300_000), os.urandom(300_000)
    program = needs.require("nc.openbsd")
    family = "-4" if address == KERNEL else "-6"
    listening = asyncio.create_task(
        asyncio.to_thread(side.run, program, "-l", "-N", family, "5555", given=first)
    )
    reader, writer = await connect_when_ready(network, address, 5555)
    assert await reader.read() == first
    writer.write(last)
    writer.close()
    assert (await listening).stdout == last


async def connect_when_ready(
    network: Network, address: str, port: int
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Connect to somebody who begins to listen soon."""
    async with asyncio.timeout(10):
        while True:
            try:
                return await network.open_connection(address, port)
            except ConnectionRefusedError:
                await asyncio.sleep(0.02)


@BOTH
async def test_kernel_refuses_where_nobody_listens(network: Network, address: str) -> None:
    with pytest.raises(ConnectionRefusedError):
        await network.open_connection(address, 9)
