"""Captures that Wireshark opens, with a comment beside each packet that has something to say.

The format is pcapng (draft-ietf-opsawg-pcapng): one section, one description for each interface,
one enhanced packet block for each packet. Times are nanoseconds. The writer is handed the function
that takes the octets, so it neither opens nor closes anything.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

__all__ = ["LINK_TYPE_ETHERNET", "LINK_TYPE_RAW_IP", "PcapngWriter"]

LINK_TYPE_ETHERNET = 1
LINK_TYPE_RAW_IP = 101

_SECTION_HEADER = 0x0A0D0D0A
_INTERFACE_DESCRIPTION = 1
_ENHANCED_PACKET = 6
_BYTE_ORDER_MAGIC = 0x1A2B3C4D

_OPTION_COMMENT = 1
_OPTION_APPLICATION = 4
_OPTION_INTERFACE_NAME = 2
_OPTION_TIME_RESOLUTION = 9
_OPTION_PACKET_FLAGS = 2

_FLAG_INBOUND = 1
_FLAG_OUTBOUND = 2


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)


def _option(code: int, value: bytes) -> bytes:
    return struct.pack("<HH", code, len(value)) + _padded(value)


class PcapngWriter:
    """Writes blocks through ``write``, each in one call. The same calls give the same octets."""

    __slots__ = ("_interfaces", "_write", "packets")

    def __init__(self, write: Callable[[bytes], object], *, comment: str = "") -> None:
        self._write = write
        self._interfaces = 0
        self.packets = 0
        """How many packets were written."""
        options = b""
        if comment:
            options += _option(_OPTION_COMMENT, comment.encode())
        options += _option(_OPTION_APPLICATION, b"longwire")
        # The length of the section is not known in advance: all ones.
        head = struct.pack("<IHHq", _BYTE_ORDER_MAGIC, 1, 0, -1)
        self._block(_SECTION_HEADER, head, options)

    def add_interface(self, name: str, link_type: int = LINK_TYPE_RAW_IP) -> int:
        """Describe an interface; return its number for :meth:`add_packet`."""
        options = _option(_OPTION_INTERFACE_NAME, name.encode())
        options += _option(_OPTION_TIME_RESOLUTION, b"\x09")
        self._block(_INTERFACE_DESCRIPTION, struct.pack("<HHI", link_type, 0, 0), options)
        self._interfaces += 1
        return self._interfaces - 1

    def add_packet(
        self,
        interface: int,
        time_ns: int,
        data: bytes,
        *,
        comments: tuple[str, ...] = (),
        is_outbound: bool | None = None,
    ) -> None:
        """Write one packet. Each comment is shown on a line of its own."""
        options = b"".join(_option(_OPTION_COMMENT, text.encode()[:0xFFFF]) for text in comments)
        if is_outbound is not None:
            flags = _FLAG_OUTBOUND if is_outbound else _FLAG_INBOUND
            options += _option(_OPTION_PACKET_FLAGS, flags.to_bytes(4, "little"))
        length = len(data)
        head = struct.pack(
            "<IIIII", interface, time_ns >> 32 & 0xFFFFFFFF, time_ns & 0xFFFFFFFF, length, length
        )
        self._block(_ENHANCED_PACKET, head + _padded(data), options)
        self.packets += 1

    def _block(self, kind: int, body: bytes, options: bytes) -> None:
        if options:
            options += bytes(4)  # opt_endofopt
        total = 12 + len(body) + len(options)
        frame = struct.pack("<II", kind, total)
        self._write(b"".join((frame, body, options, frame[4:])))
