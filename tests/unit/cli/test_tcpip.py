"""``longwire tcpip serve``: what is wrong with its flags, and with its device."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from longwire.cli.main import main
from longwire.net.tun import TunDevice, TunError, open_tun
from longwire.tcpip.device import Medium
from tests import needs

# Nothing is ever sent there: the device is not up.
ADDRESS = ("--address", "192.0.2.2/24")


@pytest.fixture
def device() -> Iterator[TunDevice]:
    needs.require_root_namespaces()
    made = open_tun(f"lwc{os.getpid()}")
    yield made
    made.close()


def serve(*flags: str) -> int:
    return main(["tcpip", "serve", *ADDRESS, *flags])


@pytest.mark.parametrize("flags", [(), ("--tun", "a", "--tap", "b")])
def test_one_device_is_given(flags: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert serve(*flags) == 2
    assert "give --tun NAME or --tap NAME" in capsys.readouterr().err


def test_address_is_required(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tcpip", "serve", "--tun", "a"]) == 2
    assert "--address" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--address", "10.0.0.1"), "--address: '10.0.0.1' lacks its prefix length"),
        (("--address", "10.0.0/24"), "--address: "),
        (("--gateway", "203.0.113.1"), "--gateway 203.0.113.1: the route for default needs"),
        (("--gateway", "router"), "--gateway router: 'router' does not appear to be"),
    ],
)
def test_wrong_addresses_are_named(
    flags: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    needs.require_root_namespaces()
    assert serve("--tun", f"lwf{os.getpid()}", *flags) == 2
    assert message in capsys.readouterr().err


def test_device_names_longer_than_linux_takes_are_refused(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert serve("--tun", "sixteen-letters-") == 69
    assert "longer than 15 octets" in capsys.readouterr().err


def test_device_of_another_kind_or_of_another_process_is_named(
    device: TunDevice, capsys: pytest.CaptureFixture[str]
) -> None:
    assert serve("--tap", device.name) == 69
    assert "a device of that name is no TAP device" in capsys.readouterr().err
    assert serve("--tun", device.name) == 69
    assert "another process has opened it" in capsys.readouterr().err


def test_capture_that_cannot_be_written_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    needs.require_root_namespaces()
    nowhere = Path("/proc/nowhere")
    assert serve("--tun", f"lwf{os.getpid()}", "--capture", str(nowhere)) == 69
    assert f"--capture {nowhere}: No such file" in capsys.readouterr().err


def test_device_that_is_down_takes_and_gives_nothing(device: TunDevice) -> None:
    assert device.receive(0) == []
    device.send(bytes(20), 0)
    assert device.units_refused == 1
    assert device.poll_at() is None
    device.close()
    device.close()
    assert device.fileno() == -1


def test_longest_name_is_taken() -> None:
    needs.require_root_namespaces()
    name = f"{os.getpid()}-longest-name"[:15]
    device = open_tun(name, Medium.ETHERNET)
    assert (device.name, device.mtu, device.medium) == (name, 1500, Medium.ETHERNET)
    device.close()
    with pytest.raises(TunError, match="longer than 15 octets"):
        open_tun(name + "s")
