"""``longwire tcpip``: our own TCP/IP stack on a TUN or TAP device."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import signal
from collections.abc import Iterator
from pathlib import Path

import click

from longwire.base.limits import KIB
from longwire.cli.exit_codes import UNAVAILABLE, USAGE, CommandError
from longwire.net.entropy_source import ENTROPY
from longwire.net.http_server import HttpServer
from longwire.net.loops import run
from longwire.net.tun import TunDevice, TunError, open_tun
from longwire.net.userspace.driver import Driver
from longwire.net.userspace.network import Network
from longwire.net.userspace.services import start_services
from longwire.net.userspace.web import serve_http
from longwire.server.app import App
from longwire.server.development import development_settings
from longwire.server.service import Service
from longwire.server.settings import Settings, StoreSettings
from longwire.tcpip.addresses import address_text
from longwire.tcpip.device import Device, Medium
from longwire.tcpip.devices.capture import Capture
from longwire.tcpip.host import Host
from longwire.tcpip.tcp.profile import LINUX
from longwire.tcpip.wire.pcapng import PcapngWriter

__all__ = ["tcpip_group"]

HTTP_PORT = 80

# Hundreds of connections that are not read from must not take gigabytes.
_PROFILE = dataclasses.replace(
    LINUX,
    send_buffer_octets=1024 * KIB,
    receive_buffer_octets=1024 * KIB,
    out_of_order_pieces_max=4096,
)


@click.group("tcpip", no_args_is_help=True)
def tcpip_group() -> None:
    """Run longwire's own TCP/IP stack."""


@tcpip_group.command("serve")
@click.option("--tun", metavar="NAME", help="TUN device; made when there is none of that name.")
@click.option("--tap", metavar="NAME", help="TAP device, with ARP and neighbour discovery.")
@click.option(
    "--address",
    "addresses",
    metavar="A/PREFIX",
    multiple=True,
    required=True,
    help="An address of the host, IPv4 or IPv6, with its prefix length; may be repeated.",
)
@click.option(
    "--gateway",
    "gateways",
    metavar="G",
    multiple=True,
    help="Where packets for other networks go; once for IPv4, once for IPv6.",
)
@click.option(
    "--offload/--no-offload",
    default=False,
    show_default=True,
    help="Leave checksums, and cutting large segments, to the kernel: many times faster.",
)
@click.option(
    "--capture",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write all packets to this file (pcapng).",
)
def serve_command(
    tun: str | None,
    tap: str | None,
    addresses: tuple[str, ...],
    gateways: tuple[str, ...],
    capture: Path | None,
    offload: bool,
) -> int:
    """Serve on our own TCP/IP stack, over a network device whose other end is the kernel's.

    The host answers ping. TCP and UDP 7 echo; TCP 9 discards; TCP 19 sends 2,000,000 bytes (byte i
    is i % 251); TCP 4000 reads nothing for 3 s, then all, and answers how many bytes it was; TCP 80
    is a development server of longwire, with its page, streams and WebSockets. All other ports
    are closed.

    One line says when it serves. SIGTERM or SIGINT (Ctrl-C) ends it with exit code 0; when the
    device is deleted it ends with 69.
    """
    if (tun is None) == (tap is None):
        raise CommandError(USAGE, "tcpip serve: give --tun NAME or --tap NAME")
    medium = Medium.IP if tap is None else Medium.ETHERNET
    try:
        device = open_tun(tun or tap or "", medium, offload=offload)
    except TunError as error:
        raise CommandError(UNAVAILABLE, str(error)) from None
    with contextlib.closing(device), capturing(device, capture) as outer:
        host = make_host(outer, addresses, gateways)
        return run(serve_until_stopped(host, device))


@contextlib.contextmanager
def capturing(device: TunDevice, path: Path | None) -> Iterator[Device]:
    """Wrap the device so that what passes is written to a file, if one is given."""
    if path is None:
        yield device
        return
    try:
        file = path.open("wb")
    except OSError as error:
        raise CommandError(UNAVAILABLE, f"--capture {path}: {error.strerror}") from None
    with file:
        taken = Capture(PcapngWriter(file.write))
        try:
            yield taken.wrap(device, device.name)
        finally:
            taken.flush()


def make_host(device: Device, addresses: tuple[str, ...], gateways: tuple[str, ...]) -> Host:
    """Return the host that the flags describe. Raises CommandError for a flag that is wrong."""
    host = Host("longwire", entropy=ENTROPY, profile=_PROFILE)
    try:
        host.add_interface(device, addresses)
    except ValueError as error:
        raise CommandError(USAGE, f"--address: {error}") from None
    for gateway in gateways:
        try:
            host.add_route("default", gateway=gateway)
        except ValueError as error:
            raise CommandError(USAGE, f"--gateway {gateway}: {error}") from None
    return host


async def serve_until_stopped(host: Host, device: TunDevice) -> int:
    """Serve until SIGTERM or SIGINT; connections that are open then are reset.

    Raises CommandError when the device is deleted meanwhile.
    """
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    driver = Driver(host, [device])
    network = Network(driver)
    settings = development_settings(Settings(store=StoreSettings(url="memory")))
    service = Service(App(), settings, is_development=True)
    await service.start()
    servers = start_services(network)
    try:
        http = HttpServer(service.dispatcher.handle)
        servers.append(serve_http(network, http, HTTP_PORT))
        click.echo(f"longwire: {describe(host, device)}")
        await _first_of(stopped, driver.device_lost)
        if driver.device_lost.is_set():
            raise CommandError(UNAVAILABLE, f"the device {device.name} was deleted")
    finally:
        for server in servers:
            server.abort()
        await service.stop()
        driver.close()
    return 0


async def _first_of(*events: asyncio.Event) -> None:
    """Wait until one of the events is set."""
    waiting = [asyncio.ensure_future(event.wait()) for event in events]
    await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    for each in waiting:
        each.cancel()


def describe(host: Host, device: TunDevice) -> str:
    """Say where the host is: ``serving on lw0 as 10.0.0.2 and fd00::2``."""
    (interface,) = host.ip.interfaces
    names = " and ".join(address_text(address) for address in interface.addresses)
    return f"serving on {device.name} as {names}"
