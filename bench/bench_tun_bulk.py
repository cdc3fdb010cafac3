"""Bulk data between the kernel's TCP and ours over TUN, with and without offload.

A namespace is made for each run; on its side a process takes or gives octets as fast as it can, on
ours an asyncio program does. With offload (IFF_VNET_HDR, TSO4, TSO6, checksums) the kernel and we
hand each other segments of up to 64 KiB; without, packets of 1,500 octets that we sum up ourselves.
Needs root.

    bench/bench_tun_bulk.py [--megabytes 30] [--rounds 3]
"""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import statistics
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.integration.tcpip.kernel_side import KERNEL, OURS, KernelSide, kernel_side

from longwire.net.userspace.driver import Driver
from longwire.net.userspace.network import Network
from longwire.tcpip.host import Host
from longwire.tcpip.tcp.profile import LINUX

PORT = 5001
MEGABYTE = 1_000_000
# Offload is so much faster that as many octets would be gone before the clock has seen them.
OFFLOAD_FACTOR = 10

PEER = """
import socket, sys
direction, port, octets = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
listener = socket.create_server(("0.0.0.0", port))
print("ready", flush=True)
peer, _ = listener.accept()
if direction == "takes":
    room = bytearray(1 << 20)
    while octets > 0:
        octets -= peer.recv_into(room)
    peer.sendall(b"!")
else:
    peer.sendall(bytes(octets))
peer.close()
"""

# What is published of the other TCP in Python, each measured by its own people or, in the case of
# the probe, by us; other machines, so no more than an order of magnitude.
PUBLISHED = """\
pmd-pytcp 0.3.8, its maintainer's report on a Mac: 39 MB/s (312 Mbit/s) received
pmd-pytcp 0.3.8, our untuned probe over TUN on this class of machine: 7 Mbit/s received
PyTCP publishes no figure; neither has segmentation offload"""


async def transfer(side: KernelSide, direction: str, octets: int, *, offload: bool) -> float:
    """Return Mbit/s of one transfer; ``direction`` is what the kernel's side does."""
    device = side.open(offload=offload)
    host = Host("ours", entropy=os.urandom, profile=LINUX)
    host.add_interface(device, [f"{OURS}/24"])
    driver = Driver(host, [device])
    command = [*side.prefix, sys.executable, "-c", PEER, direction, str(PORT), str(octets)]
    peer = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE)
    assert peer.stdout is not None
    await peer.stdout.readline()
    reader, writer = await Network(driver).open_connection(KERNEL, PORT)
    started = time.perf_counter()
    if direction == "takes":
        piece = bytes(256 * 1024)
        for start in range(0, octets, len(piece)):
            writer.write(piece[: octets - start])
            await writer.drain()
        await reader.readexactly(1)
    else:
        left = octets
        while left > 0:
            left -= len(await reader.read(1 << 20))
    seconds = time.perf_counter() - started
    writer.close()
    driver.close()
    await peer.wait()
    return octets * 8 / seconds / 1e6


def measure(direction: str, octets: int, *, offload: bool) -> float:
    """Return Mbit/s in a namespace of its own."""
    with kernel_side() as side:
        return asyncio.run(transfer(side, direction, octets, offload=offload))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--megabytes", type=int, default=30, help="without offload")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    octets = options.megabytes * MEGABYTE
    print(f"CPython {platform.python_version()}, Linux {platform.release()}, {os.cpu_count()} CPUs")
    print(f"{'':24}{'without':>12}{'with offload':>16}{'ratio':>8}   (Mbit/s, median)")
    for label, direction in (("kernel to us", "gives"), ("us to kernel", "takes")):
        plain, offloaded = [], []
        for _ in range(options.rounds):
            plain.append(measure(direction, octets, offload=False))
            offloaded.append(measure(direction, octets * OFFLOAD_FACTOR, offload=True))
        one, other = statistics.median(plain), statistics.median(offloaded)
        print(f"{label:24}{one:12.0f}{other:16.0f}{other / one:8.1f}")
    print(PUBLISHED)


if __name__ == "__main__":
    main()
