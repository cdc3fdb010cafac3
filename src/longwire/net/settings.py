"""The settings of a WebSocket connection, as ``connect`` and ``serve`` take them."""

from __future__ import annotations

from dataclasses import dataclass, field

from longwire.base.limits import KeepaliveSettings, WebSocketLimits
from longwire.websocket.deflate import DeflateOptions

__all__ = ["MaxQueue", "MaxSize", "WebSocketSettings", "WriteLimit", "websocket_settings"]

MaxSize = int | None | tuple[int | None, int | None]
MaxQueue = int | None | tuple[int | None, int | None]
WriteLimit = int | tuple[int, int | None]

_DEFAULTS = WebSocketLimits()


@dataclass(frozen=True, slots=True, kw_only=True)
class WebSocketSettings:
    """How a connection behaves, once for many connections."""

    limits: WebSocketLimits = field(default_factory=WebSocketLimits)
    keepalive: KeepaliveSettings = field(default_factory=KeepaliveSettings)
    deflate: DeflateOptions | None = None
    read_queue_messages_low: int | None = None
    """Messages in the receive queue at which reading goes on; ``None``: a quarter of the limit."""
    write_buffer_bytes_low: int | None = None
    """``held_bytes`` at which a waiting ``send`` goes on; ``None``: a quarter of the limit."""

    @property
    def write_marks(self) -> tuple[int, int]:
        """The high and the low mark of ``held_bytes``."""
        high = self.limits.write_buffer_bytes_max
        low = self.write_buffer_bytes_low
        return high, high // 4 if low is None else low


def websocket_settings(
    *,
    compression: str | DeflateOptions | None,
    max_size: MaxSize,
    max_queue: MaxQueue,
    write_limit: WriteLimit,
    open_timeout: float | None,
    ping_interval: float | None,
    ping_timeout: float | None,
    close_timeout: float | None,
    messages_per_s_max: float | None = _DEFAULTS.messages_per_s_max,
    control_frames_per_s_max: float | None = _DEFAULTS.control_frames_per_s_max,
) -> WebSocketSettings:
    """Make settings of the arguments of ``connect`` and ``serve``.

    Raises :exc:`ValueError` for an argument that makes no sense, and names it.
    """
    if compression == "deflate":
        deflate: DeflateOptions | None = DeflateOptions()
    elif compression is None or isinstance(compression, DeflateOptions):
        deflate = compression
    else:
        raise ValueError(
            f'compression is {compression!r}; it is "deflate", a DeflateOptions, or None'
        )
    message_max, frame_max = max_size if isinstance(max_size, tuple) else (max_size, None)
    queue_max, queue_low = max_queue if isinstance(max_queue, tuple) else (max_queue, None)
    write_high, write_low = write_limit if isinstance(write_limit, tuple) else (write_limit, None)
    checked = (
        ("max_size", message_max),
        ("max_size[1]", frame_max),
        ("max_queue", queue_max),
        ("max_queue[1]", queue_low),
        ("write_limit", write_high),
        ("write_limit[1]", write_low),
        ("open_timeout", open_timeout),
        ("ping_interval", ping_interval),
        ("ping_timeout", ping_timeout),
        ("close_timeout", close_timeout),
        ("messages_per_s_max", messages_per_s_max),
        ("control_frames_per_s_max", control_frames_per_s_max),
    )
    for name, value in checked:
        if value is not None and value < 0:
            raise ValueError(f"{name} is {value!r}; it is a positive number, or None for no limit")
    for name, high, low in (
        ("max_queue", queue_max, queue_low),
        ("write_limit", write_high, write_low),
    ):
        if high is not None and low is not None and low > high:
            raise ValueError(f"{name} is ({high}, {low}); the low mark is at most the high one")
    # With room for one message at least, whatever its size, a queue in bytes alone cannot stall.
    queue_bytes_max = None if queue_max is None else _DEFAULTS.read_queue_bytes_max
    return WebSocketSettings(
        limits=WebSocketLimits(
            message_bytes_max=message_max,
            frame_bytes_max=frame_max,
            fragments_max=_fragments_max(message_max, _DEFAULTS.fragments_max),
            read_queue_messages_max=queue_max,
            read_queue_bytes_max=queue_bytes_max,
            write_buffer_bytes_max=write_high,
            handshake_timeout_s=open_timeout,
            close_timeout_s=close_timeout,
            messages_per_s_max=messages_per_s_max,
            control_frames_per_s_max=control_frames_per_s_max,
        ),
        keepalive=KeepaliveSettings(ping_interval_s=ping_interval, ping_timeout_s=ping_timeout),
        deflate=deflate,
        read_queue_messages_low=queue_low,
        write_buffer_bytes_low=write_low,
    )


def _fragments_max(message_bytes_max: int | None, default: int | None) -> int | None:
    """A fragment for each 256 bytes of the largest message: who raises one raises the other.

    At the default of 1 MiB this is the default of 4,096, and it is never less.
    """
    if message_bytes_max is None or default is None:
        return None
    return max(default, message_bytes_max // 256)
