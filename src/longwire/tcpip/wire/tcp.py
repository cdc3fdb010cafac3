"""The TCP segment (RFC 9293 section 3.1)."""

from __future__ import annotations

import struct

from longwire.tcpip.addresses import Address
from longwire.tcpip.reasons import Reason
from longwire.tcpip.wire.checksum import checksum, pseudo_header, word_sum
from longwire.tcpip.wire.errors import WireError
from longwire.tcpip.wire.packet import PROTOCOL_TCP
from longwire.tcpip.wire.tcp_options import (
    SackBlocks,
    TcpOptions,
    check_options,
    encode_options,
    options_octets,
)

__all__ = ["ACK", "CWR", "ECE", "FIN", "PSH", "RST", "SYN", "TCP_HEADER_OCTETS", "URG"]
__all__ += ["Segment", "TcpView", "flags_text"]

FIN = 0x01
SYN = 0x02
RST = 0x04
PSH = 0x08
ACK = 0x10
URG = 0x20
ECE = 0x40
CWR = 0x80

TCP_HEADER_OCTETS = 20
_FORM = struct.Struct("!HHIIBBHHH")
_FLAG_LETTERS = ((SYN, "S"), (FIN, "F"), (RST, "R"), (PSH, "P"), (URG, "U"), (ACK, "."))


def flags_text(flags: int) -> str:
    """Return the flags as tcpdump writes them: ``S.``, ``F.``, ``P.``."""
    return "".join(letter for bit, letter in _FLAG_LETTERS if flags & bit)


class TcpView:
    """A segment as it came, checked against the addresses of its packet.

    ``is_checked``: the device has checked it, or the segment never was on a wire.
    """

    __slots__ = ("_data", "fields", "options")

    def __init__(
        self,
        data: bytes | memoryview,
        source: Address,
        destination: Address,
        *,
        is_checked: bool = False,
    ) -> None:
        length = len(data)
        if length < TCP_HEADER_OCTETS:
            raise WireError(Reason.TCP_TRUNCATED, f"{length} octets")
        self.fields = _FORM.unpack_from(data)
        header = self.header_octets
        if not TCP_HEADER_OCTETS <= header <= length:
            raise WireError(Reason.TCP_DATA_OFFSET, f"{header} of {length} octets")
        if not is_checked:
            # MUST-3: the receiver must check the checksum.
            total = pseudo_header(source, destination, PROTOCOL_TCP, length)
            if checksum(total + word_sum(data)):
                raise WireError(Reason.TCP_CHECKSUM)
        self._data = memoryview(data)
        self.options: TcpOptions = check_options(bytes(self._data[TCP_HEADER_OCTETS:header]))

    @property
    def source_port(self) -> int:
        return int(self.fields[0])

    @property
    def destination_port(self) -> int:
        return int(self.fields[1])

    @property
    def sequence(self) -> int:
        return int(self.fields[2])

    @property
    def acknowledgment(self) -> int:
        return int(self.fields[3])

    @property
    def header_octets(self) -> int:
        return (int(self.fields[4]) >> 4) * 4

    @property
    def flags(self) -> int:
        """The eight control bits; the reserved ones are ignored (RFC 9293 3.1)."""
        return int(self.fields[5])

    @property
    def window(self) -> int:
        """As it is on the wire, unsigned (MUST-1) and unscaled."""
        return int(self.fields[6])

    @property
    def urgent(self) -> int:
        return int(self.fields[8])

    @property
    def text(self) -> memoryview:
        return self._data[self.header_octets :]


class Segment:
    """A TCP segment. Treated as immutable once made: links, captures and both hosts share it."""

    __slots__ = (
        "acknowledgment",
        "destination_port",
        "flags",
        "mss",
        "piece_octets",
        "sack",
        "sack_permitted",
        "sequence",
        "source_port",
        "text",
        "timestamp",
        "timestamp_echo",
        "urgent",
        "window",
        "window_scale",
    )

    def __init__(
        self,
        source_port: int,
        destination_port: int,
        sequence: int,
        acknowledgment: int = 0,
        flags: int = 0,
        window: int = 0,
        text: bytes | memoryview = b"",
        *,
        urgent: int = 0,
        mss: int | None = None,
        window_scale: int | None = None,
        sack_permitted: bool = False,
        sack: SackBlocks = (),
        timestamp: int | None = None,
        timestamp_echo: int = 0,
        piece_octets: int = 0,
    ) -> None:
        self.piece_octets = piece_octets
        """Above 0: the device splits the text into pieces of so many octets (TSO)."""
        self.source_port = source_port
        self.destination_port = destination_port
        self.sequence = sequence
        self.acknowledgment = acknowledgment
        self.flags = flags
        self.window = window
        self.text = text
        self.urgent = urgent
        self.mss = mss
        self.window_scale = window_scale
        self.sack_permitted = sack_permitted
        self.sack = sack
        self.timestamp = timestamp
        self.timestamp_echo = timestamp_echo

    @classmethod
    def parse(
        cls,
        data: bytes | memoryview,
        source: Address,
        destination: Address,
        *,
        is_checked: bool = False,
    ) -> Segment:
        """Read a segment; its text is copied. Raises WireError."""
        view = TcpView(data, source, destination, is_checked=is_checked)
        options = view.options
        # The fields themselves, and not the properties over them: this runs for every segment.
        source_port, destination_port, sequence, acknowledgment, _, flags, window, _, urgent = (
            view.fields
        )
        return cls(
            source_port,
            destination_port,
            sequence,
            acknowledgment,
            flags,
            window,
            bytes(view.text),
            urgent=urgent,
            mss=options.mss,
            window_scale=options.window_scale,
            sack_permitted=options.sack_permitted,
            sack=options.sack,
            timestamp=options.timestamp,
            timestamp_echo=options.timestamp_echo,
        )

    @property
    def sequence_length(self) -> int:
        """SEG.LEN: the text, and one each for SYN and FIN (RFC 9293 3.4)."""
        flags = self.flags
        return len(self.text) + (1 if flags & SYN else 0) + (1 if flags & FIN else 0)

    @property
    def length(self) -> int:
        """Octets on the wire."""
        options = options_octets(
            self.mss, self.window_scale, self.sack_permitted, self.timestamp, self.sack
        )
        return TCP_HEADER_OCTETS + options + len(self.text)

    def encode(
        self, source: Address, destination: Address, *, leaves_checksum: bool = False
    ) -> bytes:
        """Return the octets, with the checksum that MUST-2 asks for.

        With ``leaves_checksum`` the field holds the sum of the pseudo-header alone, and whoever
        sends the segment on adds the rest: checksum offload as network devices have it.
        """
        options = encode_options(
            self.mss,
            self.window_scale,
            self.sack_permitted,
            self.timestamp,
            self.timestamp_echo,
            self.sack,
        )
        header_octets = TCP_HEADER_OCTETS + len(options)
        header = _FORM.pack(
            self.source_port,
            self.destination_port,
            self.sequence,
            self.acknowledgment,
            header_octets << 2,
            self.flags,
            self.window,
            0,
            self.urgent,
        )
        text = self.text
        total = pseudo_header(source, destination, PROTOCOL_TCP, header_octets + len(text))
        if leaves_checksum:
            field = checksum(total) ^ 0xFFFF
        else:
            field = checksum(total + word_sum(header) + word_sum(options) + word_sum(text))
        return b"".join((header[:16], field.to_bytes(2, "big"), header[18:], options, text))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Segment):
            return NotImplemented
        return all(getattr(self, name) == getattr(other, name) for name in Segment.__slots__)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        parts = [f"{self.source_port} > {self.destination_port} [{flags_text(self.flags)}]"]
        parts.append(f"seq {self.sequence} length {len(self.text)}")
        if self.flags & ACK:
            parts.append(f"ack {self.acknowledgment}")
        parts.append(f"win {self.window}")
        if self.mss is not None:
            parts.append(f"mss {self.mss}")
        if self.window_scale is not None:
            parts.append(f"wscale {self.window_scale}")
        if self.sack_permitted:
            parts.append("sackOK")
        if self.timestamp is not None:
            parts.append(f"ts {self.timestamp} {self.timestamp_echo}")
        if self.sack:
            blocks = " ".join(f"{left}:{right}" for left, right in self.sack)
            parts.append(f"sack {blocks}")
        return f"<Segment {' '.join(parts)}>"
