"""Who is being waited for on an HTTP/2 connection, since when, and for how long still."""

from __future__ import annotations

from collections.abc import Iterable

from longwire.base.limits import Http2Limits, HttpLimits
from longwire.http.h2_frames import ErrorCode, Http2Violation
from longwire.http.h2_stream import Stream

__all__ = ["Patience"]

# How long the end may stay announced before requests that come late are refused; the ping that
# was sent with the announcement is answered after one round trip.
_ANNOUNCED_S = 1.0


class Patience:
    """The waits of one connection. All times are monotonic seconds."""

    __slots__ = (
        "_announced_s",
        "_heard_s",
        "_http2",
        "_limits",
        "_paused_s",
        "_reading_s",
        "_started_s",
        "has_settings_ack",
    )

    def __init__(self, limits: HttpLimits, http2: Http2Limits, now: float) -> None:
        self._limits = limits
        self._http2 = http2
        self._started_s = now
        self._heard_s = now
        self._reading_s: float | None = now  # since when something has begun and not come whole
        self.has_settings_ack = False
        """Whether the peer has read our SETTINGS."""
        self._announced_s: float | None = None
        self._paused_s: float | None = None

    @property
    def is_announcing(self) -> bool:
        """Whether the end was announced and requests on the way are still taken."""
        return self._announced_s is not None

    def heard(self, now: float) -> None:
        """Something came from the peer."""
        self._heard_s = now

    def reading(self, is_incomplete: bool, now: float) -> None:
        """A frame or header block is incomplete, or none is."""
        if not is_incomplete:
            self._reading_s = None
        elif self._reading_s is None:
            self._reading_s = now

    def announced(self, now: float) -> None:
        """The end was announced."""
        self._announced_s = now

    def ended(self) -> None:
        """The last stream was named: the announcement is over."""
        self._announced_s = None

    def deadline(self, streams: Iterable[Stream]) -> float | None:
        """Return when something will have been waited for long enough."""
        if self._paused_s is not None:
            return None
        waits = [self._head_deadline(), self._settings_deadline()]
        if self._announced_s is not None:
            waits.append(self._announced_s + _ANNOUNCED_S)
        has_streams = False
        for stream in streams:
            has_streams = True
            waits.append(self._body_deadline(stream))
            waits.append(self._stall_deadline(stream))
        if not has_streams:
            waits.append(self._idle_deadline())
        return min((each for each in waits if each is not None), default=None)

    def check_connection(self, now: float, *, has_streams: bool) -> bool:
        """Raise :exc:`Http2Violation` for what took too long; tell whether to end now."""
        if self._paused_s is not None:
            return False
        if _is_over(self._head_deadline(), now):
            raise Http2Violation(
                ErrorCode.ENHANCE_YOUR_CALM,
                "head_timeout_s: a frame or header block came too slowly",
            )
        if _is_over(self._settings_deadline(), now):
            # RFC 9113 section 6.5.3
            raise Http2Violation(ErrorCode.SETTINGS_TIMEOUT, "our SETTINGS were not acknowledged")
        if self._announced_s is not None:
            return now >= self._announced_s + _ANNOUNCED_S
        if not has_streams and _is_over(self._idle_deadline(), now):
            raise Http2Violation(ErrorCode.NO_ERROR, "the connection was idle")
        return False

    def slow_requests(self, streams: Iterable[Stream], now: float) -> list[Stream]:
        """Return the streams whose request comes too slowly."""
        return [each for each in streams if _is_over(self._body_deadline(each), now)]

    def stalled(self, streams: Iterable[Stream], now: float) -> list[Stream]:
        """Return the streams whose response the peer does not take."""
        return [each for each in streams if _is_over(self._stall_deadline(each), now)]

    def set_paused(self, paused: bool, now: float, streams: Iterable[Stream]) -> None:
        """Stop the peer's time while it is not read, and go on with it."""
        if paused and self._paused_s is None:
            self._paused_s = now
        elif not paused and self._paused_s is not None:
            away_s = now - self._paused_s
            self._paused_s = None
            self._started_s += away_s
            self._heard_s += away_s
            if self._reading_s is not None:
                self._reading_s += away_s
            for stream in streams:
                stream.heard_s += away_s
                if stream.stalled_s is not None:
                    stream.stalled_s += away_s

    def _head_deadline(self) -> float | None:
        return _after(self._reading_s, self._limits.head_timeout_s)

    def _settings_deadline(self) -> float | None:
        if self.has_settings_ack:
            return None
        return _after(self._started_s, self._limits.head_timeout_s)

    def _idle_deadline(self) -> float | None:
        return _after(self._heard_s, self._limits.idle_timeout_s)

    def _body_deadline(self, stream: Stream) -> float | None:
        """Return when the rest of a request is late; while we hold its window it is not."""
        if stream.is_request_complete or stream.is_tunnel or stream.waits_for_continue:
            return None
        if stream.unread_bytes >= self._http2.stream_window_bytes // 2 or stream.has_ended:
            return None
        return _after(stream.heard_s, self._limits.body_timeout_s)

    def _stall_deadline(self, stream: Stream) -> float | None:
        return _after(stream.stalled_s, self._http2.stall_timeout_s)


def _after(since_s: float | None, timeout_s: float | None) -> float | None:
    return None if since_s is None or timeout_s is None else since_s + timeout_s


def _is_over(deadline_s: float | None, now: float) -> bool:
    return deadline_s is not None and now >= deadline_s
