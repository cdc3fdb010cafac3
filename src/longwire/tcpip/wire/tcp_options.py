"""TCP options: maximum segment size, window scale, selective acknowledgments, timestamps."""

from __future__ import annotations

import struct

from longwire.tcpip.reasons import Reason
from longwire.tcpip.wire.errors import WireError

__all__ = [
    "OPTIONS_OCTETS_MAX",
    "SackBlocks",
    "TcpOptions",
    "check_options",
    "encode_options",
    "options_octets",
]

OPTIONS_OCTETS_MAX = 40

SackBlocks = tuple[tuple[int, int], ...]
"""(left edge, right edge) pairs, as they are on the wire."""

_END = 0
_NO_OPERATION = 1
_MSS = 2
_WINDOW_SCALE = 3
_SACK_PERMITTED = 4
_SACK = 5
_TIMESTAMPS = 8

# Lengths that RFC 9293 3.2, RFC 7323 2.2 and 3.2 and RFC 2018 2 fix; SACK's varies.
_FIXED_LENGTHS = {_MSS: 4, _WINDOW_SCALE: 3, _SACK_PERMITTED: 2, _TIMESTAMPS: 10}
_SACK_LENGTHS = (10, 18, 26, 34)

_PAD = b"\x01\x01"
_STAMP_ALONE = _PAD + b"\x08\x0a"
_STAMP = struct.Struct("!II")


class TcpOptions:
    """The options of one segment that are known here; unknown ones were passed over."""

    __slots__ = ("mss", "sack", "sack_permitted", "timestamp", "timestamp_echo", "window_scale")

    def __init__(self) -> None:
        self.mss: int | None = None
        self.window_scale: int | None = None
        self.sack_permitted = False
        self.sack: SackBlocks = ()
        self.timestamp: int | None = None
        self.timestamp_echo = 0


def check_options(data: bytes) -> TcpOptions:
    """Walk the octets between header and text. Raises WireError.

    The walk goes octet by octet, so no alignment is asked for (RFC 9293 MUST-64), passes over
    unknown kinds by their length (MUST-6, MUST-68), and refuses lengths that cannot be (MUST-7).
    """
    found = TcpOptions()
    # RFC 7323 appendix A: what nearly every segment of a connection carries, and nothing else.
    if len(data) == 12 and data.startswith(_STAMP_ALONE):
        found.timestamp, found.timestamp_echo = _STAMP.unpack_from(data, 4)
        return found
    position = 0
    end = len(data)
    while position < end:
        kind = data[position]
        if kind == _NO_OPERATION:
            position += 1
            continue
        if kind == _END:
            break
        length = data[position + 1] if position + 1 < end else 0
        if length < 2 or position + length > end:
            raise WireError(Reason.TCP_OPTION_LENGTH, f"option {kind} of {length} octets")
        if _FIXED_LENGTHS.get(kind, length) != length:
            raise WireError(Reason.TCP_OPTION_LENGTH, f"option {kind} of {length} octets")
        if kind == _TIMESTAMPS:
            found.timestamp = int.from_bytes(data[position + 2 : position + 6], "big")
            found.timestamp_echo = int.from_bytes(data[position + 6 : position + 10], "big")
        elif kind == _SACK:
            found.sack = _sack_blocks(data[position : position + length])
        elif kind == _MSS:
            found.mss = int.from_bytes(data[position + 2 : position + 4], "big")
        elif kind == _WINDOW_SCALE:
            found.window_scale = data[position + 2]
        elif kind == _SACK_PERMITTED:
            found.sack_permitted = True
        position += length
    return found


def _sack_blocks(option: bytes) -> SackBlocks:
    if len(option) not in _SACK_LENGTHS:
        raise WireError(Reason.TCP_OPTION_LENGTH, f"option {_SACK} of {len(option)} octets")
    edges = [int.from_bytes(option[at : at + 4], "big") for at in range(2, len(option), 4)]
    return tuple(zip(edges[::2], edges[1::2], strict=True))


def encode_options(
    mss: int | None,
    window_scale: int | None,
    sack_permitted: bool,
    timestamp: int | None,
    timestamp_echo: int,
    sack: SackBlocks,
) -> bytes:
    """Return the octets, padded with no-operations so that each option is aligned to four.

    Raises ValueError when they are more than 40.
    """
    octets = b""
    if mss is not None:
        octets += b"\x02\x04" + mss.to_bytes(2, "big")
    if window_scale is not None:
        octets += b"\x01\x03\x03" + bytes([window_scale])
    if sack_permitted:
        octets += _PAD + b"\x04\x02"
    if timestamp is not None:
        octets += (
            _PAD + b"\x08\x0a" + timestamp.to_bytes(4, "big") + timestamp_echo.to_bytes(4, "big")
        )
    if sack:
        octets += _PAD + bytes((_SACK, 2 + 8 * len(sack)))
        octets += b"".join(edge.to_bytes(4, "big") for block in sack for edge in block)
    if len(octets) > OPTIONS_OCTETS_MAX:
        raise ValueError(f"TCP options have at most 40 octets, these have {len(octets)}")
    return octets


def options_octets(
    mss: int | None,
    window_scale: int | None,
    sack_permitted: bool,
    timestamp: int | None,
    sack: SackBlocks,
) -> int:
    """Return how many octets :func:`encode_options` would make of these."""
    count = 12 if timestamp is not None else 0
    if sack:
        count += 4 + 8 * len(sack)
    if mss is not None:
        count += 4
    if window_scale is not None:
        count += 4
    if sack_permitted:
        count += 4
    return count
