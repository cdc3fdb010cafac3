"""A host that talks to itself: both ends of every connection are ours."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import AsyncIterator

import pytest_asyncio

from longwire.net.userspace.driver import Driver
from longwire.net.userspace.network import Network
from longwire.tcpip.devices.wire_pair import wire_pair
from longwire.tcpip.host import Host
from longwire.tcpip.tcp.profile import LINUX

# Small buffers, so that little data fills them.
PROFILE = dataclasses.replace(
    LINUX, send_buffer_octets=256 * 1024, receive_buffer_octets=256 * 1024
)

HERE = "10.0.0.1"
HERE_V6 = "fd00::1"


@pytest_asyncio.fixture
async def network() -> AsyncIterator[Network]:
    host = Host("here", entropy=os.urandom, profile=PROFILE)
    device, _ = wire_pair()
    host.add_interface(device, [f"{HERE}/24", f"{HERE_V6}/64"])
    driver = Driver(host, [])
    yield Network(driver)
    driver.close()
