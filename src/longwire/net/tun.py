"""TUN and TAP: a network interface of the Linux kernel whose other end is this process.

What the kernel sends through the interface is read from a descriptor, what is written to it the
kernel receives. TUN carries IP packets, TAP Ethernet frames. (Linux,
Documentation/networking/tuntap.rst.)
"""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import struct

from longwire.base.errors import LongwireError
from longwire.net.offload import LARGE_OCTETS, PREFIX_OCTETS, read_offloaded, write_offloaded
from longwire.tcpip.device import Medium, Unit, Wake, unit_octets

__all__ = ["TunDevice", "TunError", "open_tun"]

CLONE_DEVICE = "/dev/net/tun"

# linux/if_tun.h and linux/sockios.h
_TUNSETIFF = 0x400454CA
_IFF_TUN = 0x0001
_IFF_TAP = 0x0002
_IFF_NO_PI = 0x1000  # no packet information: bare packets, without four octets in front
_IFF_VNET_HDR = 0x4000  # struct virtio_net_hdr in front, see longwire.net.offload
_TUNSETOFFLOAD = 0x400454D0
_TUN_F_CSUM, _TUN_F_TSO4, _TUN_F_TSO6 = 1, 2, 4
_SIOCGIFMTU = 0x8921
_REQUEST = struct.Struct("16sH22x")  # struct ifreq
_MTU_ANSWER = struct.Struct("16si20x")

NAME_OCTETS_MAX = 15
"""IFNAMSIZ without its closing zero."""

UNITS_PER_CALL_MAX = 64
"""Packets that one :meth:`TunDevice.receive` takes, so that timers and applications get their
turn while packets pour in."""

# The largest IP packet, in a frame with a VLAN tag, and what stands in front.
_UNIT_OCTETS_MAX = PREFIX_OCTETS + 0xFFFF + 18

_HINTS = {
    errno.EPERM: "it takes the capability CAP_NET_ADMIN, as root has it",
    errno.EBUSY: "another process has opened it",
    errno.EINVAL: "a device of that name is no {kind} device",
}


class TunError(LongwireError):
    """The device cannot be opened; the message says which one, why, and what would help."""


class TunDevice:
    """A :class:`~longwire.tcpip.device.Device` on an open descriptor. Made by :func:`open_tun`.

    Nothing blocks: ``receive`` gives at most :data:`UNITS_PER_CALL_MAX` units, and ``poll_at``
    answers "at once" when there may be more. Else the descriptor becomes readable when there is
    something. What the kernel refuses, because the interface is down or its queue is full, is
    lost, and counted in ``units_refused``. Once somebody has deleted the interface, ``is_gone``
    is true, and nothing will ever come.

    ``large_octets`` above 0 says that checksums and cutting of large TCP packets are left to the
    kernel, and the other way round: units of up to 64 KiB come, whatever the MTU, so it suits a
    host and no bridge.
    """

    wake: Wake | None

    def __init__(
        self, descriptor: int, name: str, medium: Medium, mtu: int, *, offload: bool = False
    ) -> None:
        self.name = name
        self.medium = medium
        self.mtu = mtu
        self.large_octets = LARGE_OCTETS if offload else 0
        self.wake = None
        self.units_refused = 0
        self.is_gone = False
        self._descriptor = descriptor
        self._buffer = bytearray(_UNIT_OCTETS_MAX)
        self._view = memoryview(self._buffer)
        self._may_have_more = False

    def fileno(self) -> int:
        """Return the descriptor, -1 once it is closed."""
        return self._descriptor

    def send(self, unit: Unit, now_ns: int) -> None:
        """Hand a unit to the kernel, or lose it."""
        try:
            if self.large_octets:
                os.writev(self._descriptor, write_offloaded(unit, self.medium))
            else:
                os.write(self._descriptor, unit_octets(unit))
        except OSError:
            self.units_refused += 1

    def receive(self, now_ns: int) -> list[Unit]:
        """Return what the kernel has sent, up to the bound."""
        units: list[Unit] = []
        descriptor, buffers, view = self._descriptor, (self._buffer,), self._view
        readv, is_offloaded = os.readv, self.large_octets > 0
        try:
            while len(units) < UNITS_PER_CALL_MAX:
                count = readv(descriptor, buffers)
                if is_offloaded:
                    units.append(read_offloaded(view[:count], self.medium))
                else:
                    units.append(bytes(view[:count]))
        except OSError as error:
            # EAGAIN: that was all; EIO: the interface is down, and has nothing either.
            self._may_have_more = False
            self.is_gone = error.errno == errno.EBADFD
        else:
            self._may_have_more = True
        return units

    def poll_at(self) -> int | None:
        """Return 0 when the last ``receive`` stopped at its bound."""
        return 0 if self._may_have_more else None

    def close(self) -> None:
        """Give the descriptor back; a device that was made by opening it goes away."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
            self._may_have_more = False


def open_tun(name: str, medium: Medium = Medium.IP, *, offload: bool = False) -> TunDevice:
    """Open the device ``name``, or make one of that name; TAP for ``Medium.ETHERNET``.

    An empty name lets the kernel choose; ``offload`` is what ``TunDevice.large_octets`` tells of.
    Raises TunError.
    """
    kind = "TUN" if medium is Medium.IP else "TAP"
    if len(os.fsencode(name)) > NAME_OCTETS_MAX:
        raise TunError(
            f"{kind} device {name}: the name is longer than {NAME_OCTETS_MAX} octets, which is all"
            " that Linux takes"
        )
    try:
        descriptor = os.open(CLONE_DEVICE, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        hint = "is the module tun loaded?" if error.errno in (errno.ENOENT, errno.ENODEV) else ""
        raise TunError(_sentence(f"{CLONE_DEVICE}", error, hint)) from None
    try:
        flags = (_IFF_TUN if medium is Medium.IP else _IFF_TAP) | _IFF_NO_PI
        if offload:
            flags |= _IFF_VNET_HDR
        answer = fcntl.ioctl(descriptor, _TUNSETIFF, _REQUEST.pack(os.fsencode(name), flags))
        given = os.fsdecode(_REQUEST.unpack(answer)[0].rstrip(b"\0"))
        if offload:
            fcntl.ioctl(descriptor, _TUNSETOFFLOAD, _TUN_F_CSUM | _TUN_F_TSO4 | _TUN_F_TSO6)
        mtu = _read_mtu(given)
    except OSError as error:
        os.close(descriptor)
        hint = _HINTS.get(error.errno or 0, "").format(kind=kind)
        raise TunError(_sentence(f"{kind} device {name}", error, hint)) from None
    return TunDevice(descriptor, given, medium, mtu, offload=offload)


def _read_mtu(name: str) -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        request = _MTU_ANSWER.pack(os.fsencode(name), 0)
        answer = fcntl.ioctl(any_socket.fileno(), _SIOCGIFMTU, request)
    return int(_MTU_ANSWER.unpack(answer)[1])


def _sentence(what: str, error: OSError, hint: str) -> str:
    return f"{what} cannot be opened: {error.strerror}" + (f"; {hint}" if hint else "")
