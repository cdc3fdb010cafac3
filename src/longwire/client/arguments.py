"""What callers hand in, refused as the server would refuse it before anything is sent or kept."""

from __future__ import annotations

from longwire.client.errors import ClientError, Outcome
from longwire.streams.errors import PositionError, StreamNameError
from longwire.streams.name import check_stream_name
from longwire.streams.position import Position, parse_position

__all__ = ["check_name", "read_position", "websocket_url"]

_WEBSOCKET_SCHEMES = {"http": "ws", "https": "wss", "ws": "ws", "wss": "wss"}


def check_name(
    stream: str, *, is_reserved_allowed: bool = False, outcome: Outcome | None = None
) -> None:
    """Raise :exc:`ClientError` (``bad_stream_name``) for what is no name of a stream; ``outcome``
    when it was to be published to. Names of the server (``$…``) are for reading at most."""
    try:
        check_stream_name(stream, is_reserved_allowed=is_reserved_allowed)
    except StreamNameError as error:
        raise ClientError(error.code, str(error), outcome=outcome) from None


def read_position(position: Position | str | None) -> Position | None:
    """A position that may be text. Raises :exc:`ClientError` (``bad_position``)."""
    if not isinstance(position, str):
        return position
    try:
        return parse_position(position)
    except PositionError as error:
        raise ClientError(error.code, str(error)) from None


def websocket_url(url: str) -> str:
    """The URL of the WebSocket that belongs to a server's URL. Raises :exc:`ClientError`
    (``bad_use``)."""
    scheme, separator, rest = url.partition("://")
    if not separator or scheme not in _WEBSOCKET_SCHEMES:
        raise ClientError(
            "bad_use", f'"{url}" is no URL of a server: write http://, https://, ws:// or wss://'
        )
    authority, slash, path = rest.partition("/")
    target = f"{slash}{path}" if path else "/ws"
    return f"{_WEBSOCKET_SCHEMES[scheme]}://{authority}{target}"
