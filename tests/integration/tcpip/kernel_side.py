"""A network namespace whose kernel has our stack at the other end of a TUN or TAP device."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass

from longwire.net.tun import TunDevice, open_tun
from longwire.tcpip.device import Medium
from tests import needs

__all__ = ["DEVICE", "KERNEL", "KERNEL_V6", "OURS", "OURS_V6", "KernelSide", "kernel_side"]

DEVICE = "lw0"
KERNEL, KERNEL_V6 = "10.77.0.1", "fd77::1"
OURS, OURS_V6 = "10.77.0.2", "fd77::2"

# What the kernel counts when a packet of ours is not as it should be.
MALFORMED = (
    "IpInHdrErrors",
    "IpInAddrErrors",
    "IpInTruncatedPkts",
    "IpReasmFails",
    "IpExtInCsumErrors",
    "IpExtInTruncatedPkts",
    "Ip6InHdrErrors",
    "Ip6InAddrErrors",
    "Ip6InTruncatedPkts",
    "Ip6ReasmFails",
    "IcmpInErrors",
    "IcmpInCsumErrors",
    "Icmp6InErrors",
    "Icmp6InCsumErrors",
    "TcpInErrs",
    "TcpInCsumErrors",
    "UdpInErrors",
    "UdpInCsumErrors",
)

_numbers = itertools.count(1)


@dataclass(frozen=True)
class KernelSide:
    """The namespace. Addresses inside are the same each time: nobody else sees them."""

    name: str
    medium: Medium

    @property
    def prefix(self) -> tuple[str, ...]:
        """What runs a command there."""
        return (needs.require("ip"), "netns", "exec", self.name)

    def run(
        self, *command: str, given: bytes = b"", timeout_s: float = 30
    ) -> subprocess.CompletedProcess[bytes]:
        """Run a command there to its end, with ``given`` as its input."""
        return subprocess.run(
            [*self.prefix, *command],
            input=given,
            capture_output=True,
            timeout=timeout_s,
            check=False,
        )

    def wait_listening(self, port: int, process: subprocess.Popen[bytes]) -> None:
        """Wait until somebody there listens on a TCP port, both of IPv4 and IPv6."""
        for _ in range(500):
            shown = self.run(needs.require("ss"), "-Hltn", f"sport = :{port}").stdout
            if len(shown.splitlines()) >= 2 or b"*:" in shown.split(b" LISTEN ")[-1]:
                return
            assert process.poll() is None, process.stderr and process.stderr.read()
            time.sleep(0.02)
        raise AssertionError(f"nobody listens on port {port}")

    def unread_octets(self, port: int) -> int:
        """What came to connections of a local TCP port and was not read yet."""
        shown = self.run(needs.require("ss"), "-Htn", "sport", "=", f":{port}").stdout
        return sum(int(line.split()[1]) for line in shown.splitlines())

    def malformed(self) -> dict[str, int]:
        """What the kernel has found wrong with our packets: empty when all is well."""
        counted = self._counters()
        return {name: counted[name] for name in MALFORMED if counted.get(name)}

    def counter(self, name: str) -> int:
        """What the kernel has counted under a name of ``nstat``."""
        return self._counters()[name]

    def _counters(self) -> dict[str, int]:
        shown = self.run(needs.require("nstat"), "-asz", "--json").stdout
        counted: dict[str, int] = json.loads(shown)["kernel"]
        return counted

    def open(self, *, offload: bool = False) -> TunDevice:
        """Make the device with its other end in this process, and set it up."""
        device = open_tun("", self.medium, offload=offload)
        try:
            _run("link", "set", device.name, "netns", self.name, "name", DEVICE)
            self._set_up()
        except BaseException:
            device.close()
            raise
        return device

    def make_device(self) -> None:
        """Make the device for another process to open, and set it up."""
        mode = "tun" if self.medium is Medium.IP else "tap"
        _run("-n", self.name, "tuntap", "add", "dev", DEVICE, "mode", mode)
        self._set_up()

    def _set_up(self) -> None:
        _run("-n", self.name, "address", "add", f"{KERNEL}/24", "dev", DEVICE)
        _run("-n", self.name, "address", "add", f"{KERNEL_V6}/64", "dev", DEVICE, "nodad")
        _run("-n", self.name, "link", "set", DEVICE, "up")


@contextlib.contextmanager
def kernel_side(medium: Medium = Medium.IP) -> Iterator[KernelSide]:
    """Make a namespace; remove it, and whatever is in it, at the end."""
    needs.require_root_namespaces()
    if not os.path.exists("/dev/net/tun"):
        needs.missing("/dev/net/tun", "the kernel's TUN driver")
    name = f"lwk{os.getpid()}n{next(_numbers)}"
    _run("netns", "add", name)
    try:
        _run("-n", name, "link", "set", "lo", "up")
        yield KernelSide(name, medium)
    finally:
        _run("netns", "delete", name)


def _run(*command: str) -> None:
    done = subprocess.run(
        [needs.require("ip"), *command], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"ip {' '.join(command)}: {done.stderr.strip()}"
