"""permessage-deflate (RFC 7692): messages compressed with raw DEFLATE.

Read sections 6 and 7 first. A message is compressed as a whole, whatever its frames: its DEFLATE
data ends in an empty stored block, ``00 00 ff ff``, which is not sent (section 7.2.1). With
*context takeover* the window lives on from message to message, which costs both sides memory for
as long as the connection lives; without it nothing is kept between messages, and that is the
default here, so that a large idle fleet costs nothing.

Negotiation stands in :mod:`longwire.websocket.deflate_negotiation`.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass

from longwire.base.codes import CloseCode
from longwire.base.errors import LimitError, ProtocolError

__all__ = ["DeflateOptions", "DeflateParameters", "Deflater", "Inflater"]

# RFC 7692 section 7.2.1: removed by the sender, appended by the receiver.
_TAIL = b"\x00\x00\xff\xff"

# How much is fed at a time once a message was seen to hold finished DEFLATE streams: zlib hands
# back a copy of what follows a stream's end, so a long input full of ends would cost its square.
_STEP_BYTES = 4096


def _check_window_bits(name: str, value: int | None) -> None:
    # RFC 7692 section 7.1.2.
    if value is not None and not 8 <= value <= 15:
        raise ValueError(f"{name} is {value!r}; it is 8 to 15, or None")


@dataclass(frozen=True, slots=True, kw_only=True)
class DeflateOptions:
    """What we are ready for, as client or server. (``None`` in its place: no compression.)"""

    server_no_context_takeover: bool = True
    """The server begins each message with an empty window."""

    client_no_context_takeover: bool = True
    """The client begins each message with an empty window."""

    server_max_window_bits: int | None = 12
    """Window of the server's compressor, 8 to 15 (256 bytes to 32 KiB); ``None``: any."""

    client_max_window_bits: int | None = 12
    """Window of the client's compressor, 8 to 15; ``None``: any."""

    level: int = 6
    """zlib's level of effort, 0 to 9."""

    memory_level: int = 5
    """zlib's memory for hashing, 1 to 9. With 12 window bits, 5 makes 32 KiB a compressor; the
    window takes 2**(bits + 2) bytes and this 2**(level + 9)."""

    threshold_bytes: int = 256
    """Messages with less payload are sent as they are, bytes."""

    def __post_init__(self) -> None:
        _check_window_bits("server_max_window_bits", self.server_max_window_bits)
        _check_window_bits("client_max_window_bits", self.client_max_window_bits)
        if not 0 <= self.level <= 9:
            raise ValueError(f"level is {self.level!r}; it is 0 to 9")
        if not 1 <= self.memory_level <= 9:
            raise ValueError(f"memory_level is {self.memory_level!r}; it is 1 to 9")


@dataclass(frozen=True, slots=True, kw_only=True)
class DeflateParameters:
    """What was agreed in the handshake, and how we compress on our side of it."""

    server_no_context_takeover: bool = False
    client_no_context_takeover: bool = False
    server_max_window_bits: int = 15
    client_max_window_bits: int = 15
    level: int = 6
    memory_level: int = 5
    threshold_bytes: int = 256

    def new_deflater(self, *, is_server: bool) -> Deflater:
        """Return the compressor for what this side sends."""
        if is_server:
            bits, resets = self.server_max_window_bits, self.server_no_context_takeover
        else:
            bits, resets = self.client_max_window_bits, self.client_no_context_takeover
        return Deflater(bits, resets, level=self.level, memory_level=self.memory_level)

    def new_inflater(self, *, is_server: bool) -> Inflater:
        """Return the decompressor for what this side receives."""
        if is_server:
            return Inflater(self.client_max_window_bits, self.client_no_context_takeover)
        return Inflater(self.server_max_window_bits, self.server_no_context_takeover)


class Deflater:
    """Compresses the messages of one direction."""

    __slots__ = ("_bits", "_compressor", "_level", "_memory_level", "_resets")

    def __init__(self, window_bits: int, resets: bool, *, level: int, memory_level: int) -> None:
        # zlib makes no raw DEFLATE with a window of 2**8. With 2**9 it never looks back further
        # than 512 - 262 = 250 bytes (its MAX_DIST), so a window of 256 can read what it writes.
        self._bits = max(window_bits, 9)
        self._resets = resets
        self._level = level
        self._memory_level = memory_level
        self._compressor: zlib._Compress | None = None

    @property
    def holds_state(self) -> bool:
        """Whether a compressor is kept now."""
        return self._compressor is not None

    def deflate(self, data: bytes | bytearray | memoryview, *, is_final: bool) -> bytes:
        """Return the compressed payload for one frame of a message.

        Each frame ends at a byte boundary, so that the receiver can have all of it at once.
        """
        compressor = self._compressor
        if compressor is None:
            compressor = self._compressor = zlib.compressobj(
                self._level, zlib.DEFLATED, -self._bits, self._memory_level
            )
        compressed = compressor.compress(data) + compressor.flush(zlib.Z_SYNC_FLUSH)
        if not is_final:
            return compressed
        if self._resets:
            self._compressor = None
        # RFC 7692 section 7.2.1: a synchronising flush ends in the tail, which is not sent.
        return compressed[: -len(_TAIL)]


class Inflater:
    """Decompresses the messages of one direction, never beyond the limit."""

    __slots__ = ("_bits", "_decompressor", "_has_ended", "_resets")

    def __init__(self, window_bits: int, resets: bool) -> None:
        # zlib notices a reference past the window only when its input happens to be cut there. A
        # window that lives for one message costs nothing, so then it is the largest.
        self._bits = 15 if resets else window_bits
        self._resets = resets
        self._decompressor: zlib._Decompress | None = None
        # Whether a DEFLATE stream ended within this message and no data came since.
        self._has_ended = False

    @property
    def holds_state(self) -> bool:
        """Whether a decompressor is kept now."""
        return self._decompressor is not None

    def inflate(self, data: bytes, *, is_final: bool, before: int, maximum: int | None) -> bytes:
        """Return what a piece of a message inflates to; ``is_final`` marks the message's last.

        ``before`` is how much the message has given so far. Inflating stops one byte past
        ``maximum`` and raises :exc:`LimitError`; :exc:`ProtocolError` if the data is no DEFLATE.
        """
        room = -1 if maximum is None else maximum - before
        try:
            inflated = self._feed(data, room) if data else b""
            # A message that ends with a finished stream has no open block for the tail to end.
            if is_final and not self._has_ended and (room < 0 or len(inflated) <= room):
                left = -1 if room < 0 else room - len(inflated)
                inflated += self._feed(_TAIL, left)
        except zlib.error as error:
            raise ProtocolError(
                CloseCode.INVALID_FRAME_PAYLOAD_DATA,
                f"a compressed message is not valid DEFLATE data: {error}",
            ) from None
        if maximum is not None and len(inflated) > room:
            raise LimitError(
                CloseCode.MESSAGE_TOO_BIG, "message_bytes_max", before + len(inflated), maximum
            )
        if is_final:
            self._has_ended = False
            if self._resets:
                self._decompressor = None
        return inflated

    def _feed(self, data: bytes, room: int) -> bytes:
        """Inflate ``data`` to at most ``room + 1`` bytes (-1: no limit)."""
        decompressor = self._decompressor
        if decompressor is None:
            decompressor = self._decompressor = zlib.decompressobj(-self._bits)
        self._has_ended = False
        inflated = decompressor.decompress(data, 0 if room < 0 else room + 1)
        if not decompressor.eof:
            return inflated
        return self._feed_after_end(inflated, decompressor.unused_data, room)

    def _feed_after_end(self, inflated: bytes, rest: bytes, room: int) -> bytes:
        """Go on after a block with BFINAL set (RFC 7692 section 7.2.3.4).

        What follows is a stream of its own with an empty window.
        """
        pieces = [inflated]
        total = len(inflated)
        self._decompressor = None
        self._has_ended = True
        view = memoryview(rest)
        offset = 0
        while offset < len(view) and (room < 0 or total <= room):
            step = view[offset : offset + _STEP_BYTES]
            decompressor = self._decompressor
            if decompressor is None:
                decompressor = self._decompressor = zlib.decompressobj(-self._bits)
            self._has_ended = False
            piece = decompressor.decompress(step, 0 if room < 0 else room - total + 1)
            pieces.append(piece)
            total += len(piece)
            offset += len(step)
            if decompressor.eof:
                offset -= len(decompressor.unused_data)
                self._decompressor = None
                self._has_ended = True
        return b"".join(pieces)
