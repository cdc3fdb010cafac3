"""Rules of HTTP/2 about single frames that the h2 library has otherwise, or not at all.

RFC 9113 section 5.4 has errors of two levels. h2 ends the connection for nearly all of them; what
is an error of one stream is found here, before h2 sees the frame. A field block has to be read all
the same, or the tables of both ends would differ: such a frame is passed on, changed so that h2
takes it, and the fault is kept until its block has come whole.
"""

from __future__ import annotations

from collections.abc import Mapping

from longwire.http.h2_frames import (
    END_STREAM,
    PADDED,
    PRIORITY_FLAG,
    ErrorCode,
    Frame,
    FrameType,
    Http2Violation,
)
from longwire.http.h2_stream import Stream

__all__ = ["FrameRules", "StreamViolation"]

# RFC 9113 section 6.3: exclusive flag and dependency, 32 bits, and weight, 8 bits.
_PRIORITY_BYTES = 5

# RFC 8441 section 3 and RFC 9218 section 2.1.
_ENABLE_CONNECT_PROTOCOL = 0x8
_NO_RFC7540_PRIORITIES = 0x9


class StreamViolation(Exception):
    """The peer broke a rule that ends one stream: the code of our RST_STREAM, and why."""

    def __init__(self, code: ErrorCode, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class FrameRules:
    """Looks at the frames of one connection; ``streams`` is the engine's table, read here."""

    __slots__ = ("_fault", "_settings", "_streams")

    def __init__(self, streams: Mapping[int, Stream]) -> None:
        self._streams = streams
        self._fault: str | None = None  # of the stream whose field block is being read
        self._settings: dict[int, int] = {}  # of those that may not change at will

    def check(self, frame: Frame) -> Frame | None:
        """Return the frame that h2 is to be given, or ``None`` for none.

        Raises :exc:`StreamViolation` and :exc:`Http2Violation`.
        """
        kind = frame.type
        if kind == FrameType.HEADERS:
            return self._check_headers(frame)
        if kind == FrameType.PRIORITY:
            self._check_priority(frame)
            return None
        if kind == FrameType.SETTINGS:
            self._check_settings(frame)
        elif kind == FrameType.WINDOW_UPDATE:
            self._check_window_update(frame)
        elif kind == FrameType.GOAWAY:
            _check_extent(frame, 8, "GOAWAY")
        elif kind == FrameType.PRIORITY_UPDATE:
            # RFC 9218 section 7.1: on stream 0, about a stream.
            _check_extent(frame, 4, "PRIORITY_UPDATE")
            if not any(frame.payload[:4]):
                raise Http2Violation(ErrorCode.PROTOCOL_ERROR, "the priority of stream 0 was set")
        return frame

    @property
    def fault(self) -> str | None:
        """What was wrong with the frame that began the field block read last, if anything."""
        return self._fault

    def _check_headers(self, frame: Frame) -> Frame:
        self._fault = None
        if frame.flags & PRIORITY_FLAG:
            frame = self._without_priority(frame)
        stream = self._streams.get(frame.stream)
        if stream is not None and not stream.is_request_complete:
            if stream.is_tunnel:
                # RFC 9113 section 8.5
                self._fault = "a stream that is a tunnel carries DATA only"
            elif not frame.flags & END_STREAM:
                # RFC 9113 section 8.1
                self._fault = "trailers do not end their stream"
            if not frame.flags & END_STREAM:
                frame = frame.changed(frame.flags | END_STREAM, frame.payload)
        return frame

    def _without_priority(self, frame: Frame) -> Frame:
        """Take RFC 7540's priority out of a HEADERS frame; RFC 9113 section 5.3.2 drops it."""
        start = 1 if frame.flags & PADDED else 0
        payload = frame.payload
        if len(payload) < start + _PRIORITY_BYTES:
            return frame  # h2 says what is wrong
        if _depends_on(payload[start:]) == frame.stream:
            # RFC 7540 section 5.3.1
            self._fault = "the stream depends on itself"
        rest = payload[:start] + payload[start + _PRIORITY_BYTES :]
        return frame.changed(frame.flags & ~PRIORITY_FLAG, rest)

    def _check_priority(self, frame: Frame) -> None:
        # RFC 9113 section 6.3. In any state of the stream, also before it began: then there is
        # no stream to reset.
        if not frame.stream:
            raise Http2Violation(ErrorCode.PROTOCOL_ERROR, "PRIORITY came on stream 0")
        if frame.payload_bytes != _PRIORITY_BYTES:
            self._end_stream(frame, ErrorCode.FRAME_SIZE_ERROR, "a PRIORITY frame has 5 bytes")
        if _depends_on(frame.payload) == frame.stream:
            self._end_stream(frame, ErrorCode.PROTOCOL_ERROR, "the stream depends on itself")

    def _check_window_update(self, frame: Frame) -> None:
        is_whole = frame.payload_bytes == 4
        if frame.stream in self._streams and is_whole and not _window_increment(frame):
            # RFC 9113 section 6.9: on a stream an error of the stream.
            self._end_stream(frame, ErrorCode.PROTOCOL_ERROR, "a window was widened by 0")

    def _end_stream(self, frame: Frame, code: ErrorCode, message: str) -> None:
        if frame.stream in self._streams:
            raise StreamViolation(code, message)
        raise Http2Violation(code, message)

    def _check_settings(self, frame: Frame) -> None:
        if frame.is_ack:
            if frame.payload_bytes:
                # RFC 9113 section 6.5
                raise Http2Violation(
                    ErrorCode.FRAME_SIZE_ERROR, "a SETTINGS acknowledgement is empty"
                )
            return
        is_first = not self._settings
        self._settings.setdefault(_NO_RFC7540_PRIORITIES, 0)
        self._settings.setdefault(_ENABLE_CONNECT_PROTOCOL, 0)
        payload = frame.payload
        for start in range(0, len(payload) - 5, 6):
            identifier = int.from_bytes(payload[start : start + 2], "big")
            if identifier in self._settings:
                value = int.from_bytes(payload[start + 2 : start + 6], "big")
                self._check_setting(identifier, value, is_first)

    def _check_setting(self, identifier: int, value: int, is_first: bool) -> None:
        before = self._settings[identifier]
        self._settings[identifier] = value
        if identifier == _NO_RFC7540_PRIORITIES:
            if value > 1 or (value != before and not is_first):
                raise Http2Violation(
                    ErrorCode.PROTOCOL_ERROR,
                    "SETTINGS_NO_RFC7540_PRIORITIES is 0 or 1, and does not change",
                )
        elif value < before:
            raise Http2Violation(
                ErrorCode.PROTOCOL_ERROR, "SETTINGS_ENABLE_CONNECT_PROTOCOL goes from 1 to 0"
            )


def _check_extent(frame: Frame, bytes_min: int, name: str) -> None:
    """Check a frame that is about the connection and has so many bytes at least."""
    if frame.stream:
        raise Http2Violation(ErrorCode.PROTOCOL_ERROR, f"{name} came on a stream")
    if frame.payload_bytes < bytes_min:
        # RFC 9113 section 4.2
        raise Http2Violation(
            ErrorCode.FRAME_SIZE_ERROR, f"a {name} frame has {bytes_min} bytes at least"
        )


def _depends_on(payload: bytes) -> int:
    return int.from_bytes(payload[:4], "big") & 0x7FFF_FFFF


def _window_increment(frame: Frame) -> int:
    return int.from_bytes(frame.payload, "big") & 0x7FFF_FFFF
