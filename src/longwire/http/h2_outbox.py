"""What an HTTP/2 connection sends: heads at once, bodies as windows and priorities allow."""

from __future__ import annotations

from collections.abc import Mapping

import h2.events
import h2.exceptions

from longwire.base.limits import Http2Limits, HttpLimits
from longwire.http.h2_frames import ErrorCode, FrameGuard, FrameType
from longwire.http.h2_library import open_connection, violation_of
from longwire.http.h2_priority import sending_order
from longwire.http.h2_stream import Stream

__all__ = ["Outbox"]

_PING_PAYLOAD = b"longwire"

_GOAWAY_BYTES = 17
"""Of the one that h2 sends by itself: a frame header, the last stream, the code."""


class Outbox:
    """The h2 connection, and the order in which streams use it.

    ``streams`` is the engine's table, read here.
    """

    def __init__(
        self,
        limits: HttpLimits,
        http2: Http2Limits,
        guard: FrameGuard,
        streams: Mapping[int, Stream],
    ) -> None:
        self._guard = guard
        self._streams = streams
        self._output: list[bytes] = []
        self._last_sent = 0
        self.connection = open_connection(limits, http2)

    def receive(self, frame: bytes) -> list[h2.events.Event]:
        """Give h2 a whole frame, which it may answer. Raises :exc:`Http2Violation`."""
        try:
            return self.connection.receive_data(frame)
        except h2.exceptions.ProtocolError as error:
            self._take_back_goaway()
            raise violation_of(error) from None

    def take(self) -> list[bytes]:
        """Return what is to be written, in order."""
        self._collect()
        output, self._output = self._output, []
        return output

    def headers(self, stream: int, status: int, fields: list[tuple[str, str]]) -> None:
        """Send the head of a response, interim or final."""
        self.connection.send_headers(stream, [(":status", str(status)), *fields])
        self._guard.frame_sent()

    def reset(self, stream: int, code: ErrorCode) -> None:
        """Reset a stream, unless it is closed already."""
        try:
            self.connection.reset_stream(stream, code)
        except h2.exceptions.ProtocolError:
            pass

    def give_credit(self, stream: int, size_bytes: int) -> None:
        """Let the peer send so much more: on the stream, if it is open, and the connection."""
        if size_bytes:
            self.connection.acknowledge_received_data(size_bytes, stream)

    def ping(self) -> None:
        self.connection.ping(_PING_PAYLOAD)

    def goaway(self, last_stream: int, code: ErrorCode, message: str) -> None:
        """Send GOAWAY, after which h2 would refuse to finish what is begun: so it is not told."""
        self._collect()
        payload = last_stream.to_bytes(4, "big") + code.to_bytes(4, "big")
        payload += message.encode("ascii", "replace")[:128]
        header = len(payload).to_bytes(3, "big") + bytes([FrameType.GOAWAY, 0, 0, 0, 0, 0])
        self._output.append(header + payload)

    def send_pending(self, now: float) -> list[Stream]:
        """Send as much as may leave; return the streams whose response has left whole."""
        done: list[Stream] = []
        while True:
            waiting = [
                (stream.identifier, stream.priority)
                for stream in self._streams.values()
                if self._may_send(stream, now)
            ]
            if not waiting:
                return done
            for identifier, is_one_frame in sending_order(waiting, self._last_sent):
                stream = self._streams[identifier]
                if self._send_stream(stream, one_frame=is_one_frame):
                    done.append(stream)

    def _may_send(self, stream: Stream, now: float) -> bool:
        if not stream.has_response or stream.is_sent:
            return False
        if not stream.pending_bytes:
            stream.stalled_s = None
            return stream.has_ended
        window = self._window(stream)
        stream.look_at_window(window, now)
        return window > 0

    def _window(self, stream: Stream) -> int:
        try:
            return self.connection.local_flow_control_window(stream.identifier)
        except h2.exceptions.ProtocolError:
            return 0

    def _send_stream(self, stream: Stream, *, one_frame: bool) -> bool:
        """Send frames of one stream; return whether its response is out."""
        identifier = stream.identifier
        while stream.pending_bytes:
            room = min(self._window(stream), self.connection.max_outbound_frame_size)
            if room <= 0:
                return False
            data = stream.take(room)
            is_last = stream.has_ended and not stream.pending_bytes and not stream.trailers
            self.connection.send_data(identifier, data, end_stream=is_last)
            self._guard.frame_sent()
            self._last_sent = identifier
            if is_last:
                stream.is_sent = True
                return True
            if one_frame:
                return False
        if not stream.has_ended:
            return False
        if stream.trailers:
            self.connection.send_headers(identifier, stream.trailers, end_stream=True)
        else:
            self.connection.end_stream(identifier)
        stream.is_sent = True
        return True

    def _take_back_goaway(self) -> None:
        """Leave it to the engine to end the connection, once and with the right code: h2 has said
        PROTOCOL_ERROR to a field block that cannot be decoded (RFC 9113 section 4.3)."""
        data = self.connection.data_to_send()
        goaway = data[-_GOAWAY_BYTES:]
        if len(goaway) == _GOAWAY_BYTES and goaway[3] == FrameType.GOAWAY:
            data = data[:-_GOAWAY_BYTES]
        if data:
            self._output.append(data)

    def _collect(self) -> None:
        data = self.connection.data_to_send()
        if data:
            self._output.append(data)
