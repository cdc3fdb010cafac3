# cython: annotation_typing=False, boundscheck=False, wraparound=False
"""Frames on the wire (RFC 6455 section 5): the parser and the encoder.

Read sections 5.2 to 5.5 first. The parser takes bytes as they come and gives back, in order:

* ``str`` and ``bytes``: a whole message in one frame that arrived in one piece. This is the short
  path, and the reason why a caller may look at :attr:`FrameParser.has_only_messages` first;
* :class:`Piece`: a part of any other message, as soon as it is there. A piece has nothing to do
  with the borders of frames; it never waits, so that text can be checked octet by octet, and
  large frames are never joined twice;
* :class:`ControlFrame`: always whole.

It holds no payload of data frames. What it may keep is a header that is not complete yet and a
control frame, 131 bytes at most.
"""

from __future__ import annotations

from typing import TypeAlias

from longwire.base.errors import LimitError, ProtocolError
from longwire.websocket._mask import mask_range
from longwire.websocket.payload import BytesLike, encode_payload

try:
    import cython
except ImportError:
    from longwire.base import cy as cython

if cython.compiled:
    from cython.cimports.cpython.bytes import PyBytes_AS_STRING, PyBytes_FromStringAndSize
    from cython.cimports.libc.string import memcpy

__all__ = [
    "BINARY",
    "CLOSE",
    "CONTINUATION",
    "PING",
    "PONG",
    "TEXT",
    "ControlFrame",
    "FrameParser",
    "Item",
    "Piece",
    "encode_frame",
    "encode_header",
    "encode_message",
    "seal",
]

# RFC 6455 section 5.2.
CONTINUATION, TEXT, BINARY = 0x0, 0x1, 0x2
CLOSE, PING, PONG = 0x8, 0x9, 0xA

# The same for the parser: globals with an underscore are C variables once compiled, the public
# ones are Python objects.
_CONTINUATION, _TEXT, _BINARY = CONTINUATION, TEXT, BINARY
_CLOSE, _PONG = CLOSE, PONG

# Close codes of RFC 6455 section 7.4.1, as plain numbers: this module is compiled.
_PROTOCOL_ERROR = 1002
_INVALID_DATA = 1007
_TOO_BIG = 1009

# RFC 6455 section 5.5.
_CONTROL_BYTES_MAX = 125


class Piece:
    """A part of a message's payload, unmasked, in the order of arrival."""

    __slots__ = ("is_compressed", "is_final", "is_first", "is_text", "payload")

    def __init__(
        self, payload: bytes, is_text: bool, is_compressed: bool, is_first: bool, is_final: bool
    ) -> None:
        self.payload = payload
        self.is_text = is_text
        self.is_compressed = is_compressed
        self.is_first = is_first
        self.is_final = is_final


class ControlFrame:
    """A Close, Ping or Pong frame."""

    __slots__ = ("opcode", "payload")

    def __init__(self, opcode: int, payload: bytes) -> None:
        self.opcode = opcode
        self.payload = payload


Item: TypeAlias = str | bytes | Piece | ControlFrame


class FrameParser:
    """Turns what one direction of a connection brings into messages, pieces and control frames.

    ``is_server`` says which rules of masking hold: a server's peer masks, a client's does not.
    ``allows_rsv1`` is set when permessage-deflate was agreed. A limit of -1 is none.

    The parser never raises for what the peer sent. At the first broken rule ``failure`` is set
    and everything from there on is ignored; so is everything after a Close frame.
    """

    __slots__ = (
        "_allows_rsv1",
        "_fragments",
        "_fragments_max",
        "_frame_bytes_max",
        "_held",
        "_is_compressed",
        "_is_final_frame",
        "_is_finished",
        "_is_first_piece",
        "_is_in_message",
        "_is_server",
        "_is_text",
        "_key",
        "_message_bytes",
        "_message_bytes_max",
        "_remaining",
        "emits_pieces",
        "failure",
        "has_only_messages",
    )

    def __init__(
        self,
        *,
        is_server: bool,
        allows_rsv1: bool = False,
        emits_pieces: bool = False,
        message_bytes_max: int = -1,
        frame_bytes_max: int = -1,
        fragments_max: int = -1,
    ) -> None:
        self._is_server = is_server
        self._allows_rsv1 = allows_rsv1
        self._message_bytes_max = message_bytes_max
        self._frame_bytes_max = frame_bytes_max
        self._fragments_max = fragments_max
        # Whether whole messages too are to be given as pieces. May be changed at any time.
        self.emits_pieces = emits_pieces
        self.failure: ProtocolError | None = None
        # Whether the last call gave nothing but whole messages.
        self.has_only_messages = True
        self._is_finished = False
        # The start of a frame that could not be read yet.
        self._held = b""
        # The message that has begun and not ended.
        self._is_in_message = False
        self._is_text = False
        self._is_compressed = False
        self._is_first_piece = False
        self._fragments = 0
        self._message_bytes = 0
        # The data frame whose payload is arriving.
        self._is_final_frame = False
        self._remaining = 0
        self._key = b""

    def receive(self, data: bytes) -> list[Item]:
        """Return what ``data`` completes."""
        items: list[Item] = []
        self.has_only_messages = True
        if self._is_finished:
            return items
        if self._held:
            data = self._held + data
            self._held = b""
        self._scan(data, len(data), items)
        return items

    def _scan(self, data: bytes, length: int, items: list[Item]) -> int:
        """Walk over the frames in ``data``, the hot loop; return 0."""
        offset = 0
        is_server = self._is_server
        while True:
            if self._remaining > 0:
                offset = self._take_payload(data, offset, length, items)
            available = length - offset
            if available < 2:
                break
            first = data[offset]
            second = data[offset + 1]
            payload_bytes = second & 0x7F
            is_masked = second >= 0x80
            if not self._check_header(first, is_masked, payload_bytes):
                return 0
            header_bytes = 2
            # RFC 6455 section 5.2: 126 and 127 announce 16 and 64 bits of length.
            if payload_bytes == 126:
                header_bytes = 4
            elif payload_bytes == 127:
                header_bytes = 10
            if is_masked:
                header_bytes += 4
            if available < header_bytes:
                break
            if payload_bytes >= 126:
                payload_bytes = self._read_length(data, offset, payload_bytes)
                if payload_bytes < 0:
                    return 0
            start = offset + header_bytes
            if first & 0x08:
                if length - start < payload_bytes:
                    break
                offset = start + payload_bytes
                if is_server:
                    payload = mask_range(data, start, offset, data[start - 4 : start])
                else:
                    payload = data[start:offset]
                self.has_only_messages = False
                items.append(ControlFrame(first & 0x0F, payload))
                if first & 0x0F == _CLOSE:
                    # RFC 6455 section 5.5.1: nothing that follows is to be processed.
                    self._is_finished = True
                    return 0
                continue
            if not self._begin_data_frame(first, payload_bytes):
                return 0
            if is_server:
                self._key = data[start - 4 : start]
            offset = start
            if (
                self._is_final_frame
                and first & 0x0F != _CONTINUATION
                and payload_bytes <= length - start
                and not self._is_compressed
                and not self.emits_pieces
            ):
                offset = start + payload_bytes
                if not self._take_message(data, start, offset, items):
                    return 0
            elif payload_bytes == 0:
                self._add_piece(b"", items)
            else:
                self._remaining = payload_bytes
        if offset < length:
            self._held = data[offset:length]
        return 0

    def _take_message(self, data: bytes, start: int, stop: int, items: list[Item]) -> bool:
        """Add the whole message in ``data[start:stop]``; the short path."""
        self._is_in_message = False
        if self._is_server:
            payload = mask_range(data, start, stop, self._key)
        else:
            payload = data[start:stop]
        if not self._is_text:
            items.append(payload)
            return True
        try:
            items.append(payload.decode("utf-8"))
        except UnicodeDecodeError as error:
            # RFC 6455 section 8.1.
            return self._fail(
                _INVALID_DATA,
                f"a text message is not UTF-8: the character at byte {error.start} is broken",
            )
        return True

    def _take_payload(self, data: bytes, offset: int, length: int, items: list[Item]) -> int:
        """Add what is there of the current data frame as a piece; return the new offset."""
        count = length - offset
        if count > self._remaining:
            count = self._remaining
        if count == 0:
            return offset
        stop = offset + count
        if self._is_server:
            payload = mask_range(data, offset, stop, self._key)
            turn = count & 3
            if turn:
                self._key = self._key[turn:] + self._key[:turn]
        else:
            payload = data[offset:stop]
        self._remaining -= count
        self._add_piece(payload, items)
        return stop

    def _add_piece(self, payload: bytes, items: list[Item]) -> int:
        is_final = self._is_final_frame and self._remaining == 0
        self.has_only_messages = False
        items.append(
            Piece(payload, self._is_text, self._is_compressed, self._is_first_piece, is_final)
        )
        self._is_first_piece = False
        if is_final:
            self._is_in_message = False
        return 0

    def _check_header(self, first: int, is_masked: bool, payload_bytes: int) -> bool:
        """Check what the first two octets of a frame say; fail as early as that."""
        opcode = first & 0x0F
        # RFC 6455 section 5.2: reserved bits are 0 unless an extension says otherwise;
        # RFC 7692 section 6: RSV1 belongs to the first frame of a message.
        if first & 0x70:
            if first & 0x30 or not self._allows_rsv1:
                return self._fail(
                    _PROTOCOL_ERROR,
                    f"a frame has reserved bits set ({first >> 4 & 0x7:03b}) "
                    "that no agreed extension uses",
                )
            if opcode != _TEXT and opcode != _BINARY:
                return self._fail(
                    _PROTOCOL_ERROR,
                    f"RSV1 is set on a frame with opcode {opcode}; only the first frame of a "
                    "message may have it",
                )
        # RFC 6455 section 5.1: a client masks, a server does not.
        if is_masked != self._is_server:
            return self._fail(
                _PROTOCOL_ERROR,
                "a frame from the client is not masked"
                if self._is_server
                else "a frame from the server is masked",
            )
        if opcode >= 0x8:
            # RFC 6455 section 5.2.
            if opcode > _PONG:
                return self._fail(_PROTOCOL_ERROR, f"opcode {opcode} is reserved")
            # RFC 6455 section 5.5.
            if first < 0x80:
                return self._fail(_PROTOCOL_ERROR, "a control frame is fragmented")
            if payload_bytes > _CONTROL_BYTES_MAX:
                return self._fail(
                    _PROTOCOL_ERROR,
                    f"a control frame has over {_CONTROL_BYTES_MAX} bytes of payload",
                )
            return True
        # RFC 6455 section 5.4.
        if opcode == _CONTINUATION:
            if not self._is_in_message:
                return self._fail(
                    _PROTOCOL_ERROR, "a continuation frame came while no message was open"
                )
        elif opcode > _BINARY:
            return self._fail(_PROTOCOL_ERROR, f"opcode {opcode} is reserved")
        elif self._is_in_message:
            return self._fail(
                _PROTOCOL_ERROR,
                "a new message began before the fragmented one was finished",
            )
        return True

    def _read_length(self, data: bytes, offset: int, announced: int) -> int:
        """Return the extended payload length, or -1 after failing."""
        length = data[offset + 2] << 8 | data[offset + 3]
        minimum = 126
        if announced == 127:
            # RFC 6455 section 5.2: the most significant bit MUST be 0.
            if length & 0x8000:
                self._fail(_PROTOCOL_ERROR, "a frame's 64-bit length has its highest bit set")
                return -1
            minimum = 0x10000
            for position in range(offset + 4, offset + 10):
                length = length << 8 | data[position]
        # RFC 6455 section 5.2: the minimal number of bytes MUST be used.
        if length < minimum:
            self._fail(
                _PROTOCOL_ERROR, f"a frame's length of {length} is not written in the fewest bytes"
            )
            return -1
        return length

    def _begin_data_frame(self, first: int, payload_bytes: int) -> bool:
        """Note a data frame's header and check the limits, before any payload is taken."""
        opcode = first & 0x0F
        if opcode != _CONTINUATION:
            self._is_in_message = True
            self._is_text = opcode == _TEXT
            self._is_compressed = first & 0x40 != 0
            self._is_first_piece = True
            self._fragments = 0
            self._message_bytes = 0
        self._is_final_frame = first >= 0x80
        # Who streams often ends with an empty frame, which carries nothing to keep.
        if payload_bytes or not self._is_final_frame:
            self._fragments += 1
        # RFC 6455 section 10.4.
        if 0 <= self._frame_bytes_max < payload_bytes:
            return self._exceed("frame_bytes_max", payload_bytes, self._frame_bytes_max)
        # What a compressed message holds is known, and checked, while it is inflated.
        if self._message_bytes_max >= 0 and not self._is_compressed:
            # Subtracted, not added: the sum may not fit into 64 bits.
            if payload_bytes > self._message_bytes_max - self._message_bytes:
                total = self._message_bytes
                total += payload_bytes
                return self._exceed("message_bytes_max", total, self._message_bytes_max)
            self._message_bytes += payload_bytes
        if 0 <= self._fragments_max < self._fragments:
            return self._exceed("fragments_max", self._fragments, self._fragments_max)
        return True

    def _fail(self, code: int, message: str) -> bool:
        self.failure = ProtocolError(code, message)
        self._is_finished = True
        self.has_only_messages = False
        return False

    def _exceed(self, limit_name: str, value: int, maximum: int) -> bool:
        self.failure = LimitError(_TOO_BIG, limit_name, value, maximum)
        self._is_finished = True
        self.has_only_messages = False
        return False


def encode_header(first: int, payload_bytes: int, mask: bytes | None) -> bytes:
    """Return a frame's header with the fewest length bytes (RFC 6455 section 5.2)."""
    bits = first << 8 if mask is None else first << 8 | 0x80
    if payload_bytes < 126:
        header = (bits | payload_bytes).to_bytes(2, "big")
    elif payload_bytes < 0x10000:
        header = ((bits | 126) << 16 | payload_bytes).to_bytes(4, "big")
    else:
        header = (bits | 127).to_bytes(2, "big") + payload_bytes.to_bytes(8, "big")
    return header if mask is None else header + mask


def seal(first: int, payload: bytes, mask: bytes | None) -> bytes:
    """Return a frame whose first octet is given: the FIN and RSV1 bits and the opcode."""
    if mask is not None:
        return encode_header(first, len(payload), mask) + mask_range(payload, 0, len(payload), mask)
    if cython.compiled:
        count = len(payload)
        length_bytes = 0 if count < 126 else 2 if count < 0x10000 else 8
        made: bytes = PyBytes_FromStringAndSize(cython.NULL, 2 + length_bytes + count)
        target = cython.cast(cython.p_uchar, PyBytes_AS_STRING(made))
        target[0] = first
        target[1] = count if length_bytes == 0 else 126 if length_bytes == 2 else 127
        for index in range(length_bytes):
            target[2 + index] = (count >> 8 * (length_bytes - 1 - index)) & 0xFF
        memcpy(target + 2 + length_bytes, PyBytes_AS_STRING(payload), count)
        return made
    else:
        return encode_header(first, len(payload), None) + payload


def encode_frame(
    opcode: int,
    payload: bytes,
    *,
    fin: bool = True,
    rsv1: bool = False,
    mask: bytes | None = None,
) -> bytes:
    """Return one frame. ``mask`` is the masking key, four unpredictable bytes; servers have none.

    Checks nothing but the length of the key: tests write broken frames with it.
    """
    if mask is not None and len(mask) != 4:
        raise ValueError(f"a masking key has 4 bytes, not {len(mask)}")
    return seal((0x80 if fin else 0) | (0x40 if rsv1 else 0) | opcode, payload, mask)


def encode_message(data: str | BytesLike, *, text: bool | None = None) -> bytes:
    """Return a message as one unmasked frame, which every connection of a server can share."""
    payload, is_text = encode_payload(data, text)
    return seal(0x80 | (TEXT if is_text else BINARY), payload, None)
