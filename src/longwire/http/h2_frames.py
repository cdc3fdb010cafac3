"""HTTP/2 input cut into frames, and what a peer may do with them (RFC 9113 sections 3.4 and 4).

The h2 library reads frames. It is given them one at a time, for two reasons: what one frame
breaks must not take away what those before it brought, and frames that are legal one by one can
still be an attack, which only counting shows.
"""

from __future__ import annotations

from enum import IntEnum

from longwire.base.limits import Http2Limits
from longwire.base.rate import RateLimit

__all__ = [
    "END_STREAM",
    "PADDED",
    "PREFACE",
    "PRIORITY_FLAG",
    "ErrorCode",
    "Frame",
    "FrameCutter",
    "FrameGuard",
    "FrameType",
    "Http2Violation",
]

# RFC 9113 section 3.4: the client's connection preface.
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

# RFC 9113 section 4.1: length 24 bits, type, flags, one reserved bit and the stream identifier.
_HEADER_BYTES = 9

# RFC 9113 section 4.2: SETTINGS_MAX_FRAME_SIZE as it is unless changed, and we leave it so.
FRAME_BYTES_MAX = 16_384

END_STREAM = 0x1
_ACK = 0x1
_END_HEADERS = 0x4
PADDED = 0x8
PRIORITY_FLAG = 0x20

# A WINDOW_UPDATE for the stream and one for the connection, and twice that to be generous.
_UPDATES_FOR_A_FRAME = 4


# DATA frames smaller than this bring less than they cost.
_LATE_DATA_BYTES_MIN = 1_024


class FrameType(IntEnum):
    """The frame types of RFC 9113 section 6, and PRIORITY_UPDATE of RFC 9218."""

    DATA = 0x0
    HEADERS = 0x1
    PRIORITY = 0x2
    RST_STREAM = 0x3
    SETTINGS = 0x4
    PUSH_PROMISE = 0x5
    PING = 0x6
    GOAWAY = 0x7
    WINDOW_UPDATE = 0x8
    CONTINUATION = 0x9
    PRIORITY_UPDATE = 0x10


class ErrorCode(IntEnum):
    """The error codes of RFC 9113 section 7 that we send."""

    NO_ERROR = 0x0
    PROTOCOL_ERROR = 0x1
    INTERNAL_ERROR = 0x2
    FLOW_CONTROL_ERROR = 0x3
    SETTINGS_TIMEOUT = 0x4
    STREAM_CLOSED = 0x5
    FRAME_SIZE_ERROR = 0x6
    REFUSED_STREAM = 0x7
    CANCEL = 0x8
    COMPRESSION_ERROR = 0x9
    ENHANCE_YOUR_CALM = 0xB

    @classmethod
    def of(cls, code: int) -> ErrorCode:
        """Return the code; PROTOCOL_ERROR for one that is not sent here."""
        try:
            return cls(code)
        except ValueError:
            return cls.PROTOCOL_ERROR


class Http2Violation(Exception):
    """The peer broke a rule that ends the connection: the code of our GOAWAY, and why."""

    def __init__(self, code: ErrorCode, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class Frame:
    """One frame as it stood on the wire, its header read."""

    __slots__ = ("data", "flags", "payload_bytes", "stream", "type")

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.payload_bytes = len(data) - _HEADER_BYTES
        self.type = data[3]
        self.flags = data[4]
        self.stream = int.from_bytes(data[5:9], "big") & 0x7FFF_FFFF

    @property
    def payload(self) -> bytes:
        return self.data[_HEADER_BYTES:]

    def changed(self, flags: int, payload: bytes) -> Frame:
        """Return the frame with other flags and another payload."""
        header = len(payload).to_bytes(3, "big") + bytes([self.type, flags]) + self.data[5:9]
        return Frame(header + payload)

    @property
    def is_ack(self) -> bool:
        """Whether a SETTINGS or PING frame answers ours."""
        return bool(self.flags & _ACK)


class FrameCutter:
    """Cuts what arrives into the preface and whole frames; holds one frame at most besides."""

    __slots__ = ("_buffer", "_has_preface")

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._has_preface = False

    @property
    def has_preface(self) -> bool:
        """Whether the client's preface has come."""
        return self._has_preface

    @property
    def is_inside_frame(self) -> bool:
        """Whether a frame, or the preface, has begun and not ended."""
        return bool(self._buffer)

    def feed(self, data: bytes | bytearray | memoryview) -> None:
        self._buffer += data

    def take_preface(self) -> bytes | None:
        """Return the preface when it has come whole; raises when something else came."""
        size = min(len(self._buffer), len(PREFACE))
        if self._buffer[:size] != PREFACE[:size]:
            raise Http2Violation(
                ErrorCode.PROTOCOL_ERROR, "the connection does not begin with the HTTP/2 preface"
            )
        if size < len(PREFACE):
            return None
        del self._buffer[:size]
        self._has_preface = True
        return PREFACE

    def take_frame(self) -> Frame | None:
        """Return the next frame when it has come whole."""
        buffer = self._buffer
        if len(buffer) < _HEADER_BYTES:
            return None
        length = int.from_bytes(buffer[:3], "big")
        if length > FRAME_BYTES_MAX:
            raise Http2Violation(
                ErrorCode.FRAME_SIZE_ERROR,
                f"a frame of {length} bytes came; at most {FRAME_BYTES_MAX} are taken",
            )
        end = _HEADER_BYTES + length
        if len(buffer) < end:
            return None
        frame = Frame(bytes(buffer[:end]))
        del buffer[:end]
        return frame


class FrameGuard:
    """Counts what costs us something and the peer nothing; raises ENHANCE_YOUR_CALM.

    RFC 9113 section 10.5 lists what can be abused; the named attacks are CVE-2019-9511 to 9518
    (pings, resets, settings, empty frames), CVE-2023-44487 (rapid reset), CVE-2024-27316 and its
    kin (CONTINUATION), CVE-2025-8671 (making the server reset).
    """

    __slots__ = (
        "_block_frames",
        "_control",
        "_limits",
        "_resets",
        "_updates_left",
        "is_inside_block",
    )

    def __init__(self, limits: Http2Limits, *, now: float) -> None:
        self._limits = limits
        self._control = RateLimit(limits.control_frames_per_s_max, now=now)
        self._resets = RateLimit(limits.resets_per_s_max, now=now)
        self._updates_left = limits.window_updates_spare
        self._block_frames = 0
        self.is_inside_block = False
        """Whether a header block has begun and not ended: nothing else may come meanwhile."""

    def check(self, frame: Frame, now: float) -> None:
        """Count a frame that arrived."""
        kind = frame.type
        if self.is_inside_block and kind != FrameType.CONTINUATION:
            # RFC 9113 section 6.2: of any type, on any stream.
            raise Http2Violation(
                ErrorCode.PROTOCOL_ERROR, "a field block is interrupted by another frame"
            )
        if kind == FrameType.CONTINUATION:
            self._block_frames += 1
            if self._block_frames > self._limits.continuation_frames_max:
                raise self._calm("continuation_frames_max", "CONTINUATION frames in a header block")
            self.is_inside_block = not frame.flags & _END_HEADERS
        elif kind == FrameType.HEADERS:
            self._block_frames = 0
            self.is_inside_block = not frame.flags & _END_HEADERS
        elif kind == FrameType.RST_STREAM:
            self.count_reset(now)
        elif kind == FrameType.WINDOW_UPDATE:
            self._updates_left -= 1
            if self._updates_left < 0:
                raise self._calm("window_updates_spare", "WINDOW_UPDATE frames")
        elif self._is_control(frame):
            self._count_control(now)

    def check_late_data(self, frame: Frame, now: float) -> None:
        """Count DATA of a stream that is closed, unless it may have been on the way.

        An upload that was answered early has its window's worth on the way, in few large frames.
        """
        if frame.payload_bytes < _LATE_DATA_BYTES_MIN and not self._is_control(frame):
            self._count_control(now)

    def _count_control(self, now: float) -> None:
        if not self._control.take(now):
            raise self._calm("control_frames_per_s_max", "frames that carry nothing")

    def count_reset(self, now: float) -> None:
        """Count a stream that the peer reset, or made us reset."""
        if not self._resets.take(now):
            raise self._calm("resets_per_s_max", "streams reset")

    def frame_sent(self) -> None:
        """A frame of a response entitles the peer to window updates."""
        if self._updates_left < self._limits.window_updates_spare:
            self._updates_left += _UPDATES_FOR_A_FRAME

    @staticmethod
    def _is_control(frame: Frame) -> bool:
        if frame.type == FrameType.DATA:
            return not frame.payload_bytes and not frame.flags & END_STREAM
        # Settings and pings, answers to ours among them; priorities; types that nobody knows and
        # all must ignore (section 5.5).
        return True

    @staticmethod
    def _calm(limit: str, what: str) -> Http2Violation:
        return Http2Violation(ErrorCode.ENHANCE_YOUR_CALM, f"{limit}: too many {what}")
