"""``longwire tcpip serve`` as the kernel, and the programs of everybody, see it."""

from __future__ import annotations

import contextlib
import hashlib
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from longwire.tcpip.device import Medium
from tests import needs
from tests.integration.tcpip.kernel_side import (
    DEVICE,
    OURS,
    OURS_V6,
    KernelSide,
    kernel_side,
)

pytestmark = pytest.mark.slow

FLAGS = ("--address", f"{OURS}/24", "--address", f"{OURS_V6}/64", "--gateway", "10.77.0.1")
BOTH = pytest.mark.parametrize("address", [OURS, OURS_V6], ids=["ipv4", "ipv6"])
SOME_MB = bytes(range(256)) * 12_000


@contextlib.contextmanager
def serving(side: KernelSide, *more: str) -> Iterator[subprocess.Popen[str]]:
    """Run the command in the namespace until it says that it serves."""
    kind = "--tun" if side.medium is Medium.IP else "--tap"
    command = [*side.prefix, sys.executable, "-m", "longwire", "tcpip", "serve", kind, DEVICE]
    with subprocess.Popen(
        [*command, *FLAGS, *more], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line == f"longwire: serving on {DEVICE} as {OURS} and {OURS_V6}\n"
            yield process
        finally:
            process.kill()


@pytest.fixture(scope="module", params=["tun", "tap", "tap-offload"])
def side(request: pytest.FixtureRequest) -> Iterator[KernelSide]:
    medium = Medium.IP if request.param.startswith("tun") else Medium.ETHERNET
    flags = ["--offload"] if request.param.endswith("offload") else []
    with kernel_side(medium) as made:
        made.make_device()
        with serving(made, *flags):
            yield made
        assert made.malformed() == {}


def netcat(side: KernelSide, *arguments: str, given: bytes = b"", timeout_s: float = 30) -> bytes:
    """What ``nc`` prints; it half-closes at the end of what it is given."""
    command = (needs.require("nc.openbsd"), "-N", *arguments)
    done = side.run(*command, given=given, timeout_s=timeout_s)
    assert done.returncode == 0, done.stderr
    return done.stdout


def ping(side: KernelSide, *arguments: str) -> None:
    """See one ping answered. Of several, ``ping`` waits for the last an interval only."""
    done = side.run(needs.require("ping"), "-c", "1", "-W", "30", *arguments, timeout_s=40)
    assert b" 0% packet loss" in done.stdout


@BOTH
def test_ping_is_answered(side: KernelSide, address: str) -> None:
    for _ in range(5):
        ping(side, address)
    # Larger than the device takes in one piece: both sides fragment, both reassemble.
    for _ in range(2):
        ping(side, "-s", "20000", address)


@BOTH
def test_curl_gets_the_page_and_its_parts(side: KernelSide, address: str) -> None:
    host = f"[{address}]" if ":" in address else address
    curl = needs.require("curl")
    page = side.run(curl, "--silent", "--show-error", "--max-time", "30", f"http://{host}/")
    assert b"<title>longwire" in page.stdout, page.stderr
    done = side.run(
        curl, "--silent", "--head", "--max-time", "30", f"http://{host}/longwire.js", "--next",
        "--silent", "--max-time", "30", f"http://{host}/nothing",
    )  # fmt: skip
    assert done.stdout.startswith(b"HTTP/1.1 200")
    assert b"404" in done.stdout


@BOTH
def test_echo_goes_on_after_the_end_of_the_client(side: KernelSide, address: str) -> None:
    assert netcat(side, address, "7", given=SOME_MB) == SOME_MB
    assert netcat(side, address, "7") == b""


@pytest.mark.long
@pytest.mark.timeout(600)
@BOTH
def test_echo_of_100_mb_comes_back_whole(side: KernelSide, address: str) -> None:
    given = bytes(range(256)) * 400_000
    assert netcat(side, address, "7", given=given, timeout_s=300) == given


@BOTH
def test_discard_takes_all_and_answers_nothing(side: KernelSide, address: str) -> None:
    assert netcat(side, address, "9", given=SOME_MB) == b""


@BOTH
def test_pattern_is_sent_and_closed(side: KernelSide, address: str) -> None:
    wanted = bytes(index % 251 for index in range(2_000_000))
    got = netcat(side, address, "19")
    assert (len(got), hashlib.sha256(got).digest()) == (
        len(wanted),
        hashlib.sha256(wanted).digest(),
    )
    assert netcat(side, address, "19", given=b"unasked\n" * 1000) == wanted


def test_count_shuts_the_window_and_opens_it_again(side: KernelSide) -> None:
    probes = side.counter("TcpExtTCPWinProbe")
    octets = 6_000_000
    address = OURS if side.medium is Medium.IP else OURS_V6
    assert netcat(side, address, "4000", given=bytes(octets)) == b"%d" % octets
    # The kernel has asked whether our window is still shut.
    assert side.counter("TcpExtTCPWinProbe") > probes


DATAGRAMS = """
import socket, sys
family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
with socket.socket(family, socket.SOCK_DGRAM) as peer:
    peer.settimeout(30)
    peer.connect((sys.argv[1], 7))
    for octets in (0, 1, 1472, 1473, 20_000):
        peer.send(bytes(octets))
        assert len(peer.recv(65_536)) == octets
with socket.socket(family, socket.SOCK_DGRAM) as peer:
    peer.settimeout(30)
    peer.connect((sys.argv[1], 8))
    peer.send(b"x")
    try:
        peer.recv(1)
    except ConnectionRefusedError:
        print("refused")
"""


@BOTH
def test_datagrams_are_echoed_and_refused_where_nobody_listens(
    side: KernelSide, address: str
) -> None:
    done = side.run(sys.executable, "-c", DATAGRAMS, address)
    assert done.stdout == b"refused\n", done.stderr


@BOTH
def test_closed_port_resets(side: KernelSide, address: str) -> None:
    done = side.run(needs.require("nc.openbsd"), "-vz", "-w", "30", address, "81")
    assert done.returncode == 1
    assert b"refused" in done.stderr


WEBSOCKET = """
import asyncio, sys, websockets

async def main():
    async with websockets.connect(sys.argv[1], max_size=None) as socket:
        for message in ("hello", bytes(1_000_000)):
            await socket.send(message)
            assert await socket.recv() == message
    print("closed", socket.close_code)

asyncio.run(main())
"""


@BOTH
def test_websockets_client_speaks_with_our_server_on_our_tcp(
    side: KernelSide, address: str
) -> None:
    host = f"[{address}]" if ":" in address else address
    done = side.run(sys.executable, "-c", WEBSOCKET, f"ws://{host}/echo")
    assert done.stdout == b"closed 1000\n", done.stderr


def test_neighbours_were_found_on_ethernet(side: KernelSide) -> None:
    shown = side.run(needs.require("ip"), "neighbour", "show", "dev", DEVICE).stdout.decode()
    entries = {line.split()[0]: line for line in shown.splitlines()}
    for address in (OURS, OURS_V6):
        assert ("lladdr 02:" in entries.get(address, "")) == (side.medium is Medium.ETHERNET)


def test_answers_to_other_networks_leave_by_the_gateway(side: KernelSide) -> None:
    ip = needs.require("ip")
    side.run(ip, "address", "add", "192.0.2.1/32", "dev", "lo")
    for _ in range(2):
        ping(side, "-I", "192.0.2.1", OURS)


def test_deleted_device_ends_it() -> None:
    with kernel_side() as side:
        side.make_device()
        with serving(side) as process:
            side.run(needs.require("ip"), "link", "delete", DEVICE)
            assert process.wait(30) == 69
            assert process.stderr is not None
            assert process.stderr.read() == f"longwire: the device {DEVICE} was deleted\n"


def test_signal_ends_it_and_capture_is_whole(tmp_path: Path) -> None:
    capture = tmp_path / "serve.pcapng"
    with kernel_side() as side:
        side.make_device()
        with serving(side, "--capture", str(capture)) as process:
            assert netcat(side, OURS, "7", given=b"x") == b"x"
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0
    command = [needs.require("tshark"), "-r", str(capture), "-Y", "tcp"]
    command += ["-T", "fields", "-e", "tcp.flags.str"]
    shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert shown[0].endswith("S·")
    assert sum("F" in flags for flags in shown) == 2
