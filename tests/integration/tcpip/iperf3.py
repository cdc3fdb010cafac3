"""A client that speaks iperf3's protocol over streams of any kind.

One control connection carries states of one octet and JSON with four octets of length in front; one
more connection carries the test's data. Both begin with the same cookie.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import string
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from longwire.net.userspace.network import Network

__all__ = ["Outcome", "run_iperf3"]

TEST_START = 1
TEST_RUNNING = 2
TEST_END = 4
PARAMETER_EXCHANGE = 9
CREATE_STREAMS = 10
EXCHANGE_RESULTS = 13
DISPLAY_RESULTS = 14
DONE = 16

COOKIE_OCTETS = 37
BLOCK_OCTETS = 128 * 1024


@dataclass(frozen=True)
class Outcome:
    """What both sides have counted, octets."""

    sent: int
    received: int


class _Control:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def expect(self, state: int) -> None:
        found = (await self.reader.readexactly(1))[0]
        assert found == state, f"iperf3 is in state {found}, not {state}"

    async def read_json(self) -> dict[str, Any]:
        octets = int.from_bytes(await self.reader.readexactly(4), "big")
        found: dict[str, Any] = json.loads(await self.reader.readexactly(octets))
        return found

    def write_json(self, value: dict[str, Any]) -> None:
        text = json.dumps(value).encode()
        self.writer.write(len(text).to_bytes(4, "big") + text)


async def run_iperf3(
    network: Network,
    address: str,
    port: int,
    octets: int,
    *,
    reverse: bool,
    is_read: Callable[[], bool],
) -> Outcome:
    """Send ``octets`` to an iperf3 server, or let it send them (``reverse``).

    ``is_read`` tells whether the server has read all that came: it counts no more once the test
    has ended.
    """
    letters = string.ascii_lowercase + string.digits
    cookie = "".join(secrets.choice(letters) for _ in range(COOKIE_OCTETS - 1)).encode() + b"\0"
    control = _Control(*await network.open_connection(address, port))
    control.writer.write(cookie)
    await control.expect(PARAMETER_EXCHANGE)
    parameters: dict[str, Any] = {
        "tcp": True, "omit": 0, "time": 0, "num": octets, "parallel": 1, "len": BLOCK_OCTETS,
        "client_version": "3.12", "pacing_timer": 1000,
    }  # fmt: skip
    if reverse:
        parameters["reverse"] = True
    control.write_json(parameters)
    await control.expect(CREATE_STREAMS)
    reader, writer = await network.open_connection(address, port)
    writer.write(cookie)
    await control.expect(TEST_START)
    await control.expect(TEST_RUNNING)
    moved = 0
    while moved < octets:
        if reverse:
            moved += len(await reader.read(BLOCK_OCTETS))
        else:
            writer.write(bytes(BLOCK_OCTETS))
            await writer.drain()
            moved += BLOCK_OCTETS
    connection = writer.get_extra_info("connection")
    while len(connection.tcb.send_buffer) or not await asyncio.to_thread(is_read):
        await asyncio.sleep(0.01)
    control.writer.write(bytes([TEST_END]))
    await control.expect(EXCHANGE_RESULTS)
    stream = {
        "id": 1, "bytes": moved, "retransmits": 0, "jitter": 0, "errors": 0, "packets": 0,
        "start_time": 0, "end_time": 1,
    }  # fmt: skip
    names = ("cpu_util_total", "cpu_util_user", "cpu_util_system", "sender_has_retransmits")
    control.write_json({**dict.fromkeys(names, 0), "streams": [stream]})
    results = await control.read_json()
    await control.expect(DISPLAY_RESULTS)
    control.writer.write(bytes([DONE]))
    for each in (writer, control.writer):
        each.close()
    theirs = int(results["streams"][0]["bytes"])
    return Outcome(theirs, moved) if reverse else Outcome(moved, theirs)
