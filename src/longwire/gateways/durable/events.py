"""What stands in the events of ``live=sse`` (Durable Streams 5.8)."""

from __future__ import annotations

import base64
from collections.abc import Sequence

from longwire.gateways.durable.body import Kind, join_body
from longwire.gateways.event_stream import split_lines
from longwire.streams.entry import Entry
from longwire.streams.position import Position

__all__ = ["RunEvents", "encode_control"]


class RunEvents:
    """Makes one ``data`` event of the entries that come together, and the ``control`` after it.

    The hub hands the same entries to every response at the tail of a stream, so the last events are
    kept, and they all send the same bytes.
    """

    __slots__ = ("_control", "_data", "_entries", "_whole")

    def __init__(self) -> None:
        self._entries: Sequence[Entry] = ()
        self._data = b""
        self._control: tuple[int, bool] | None = None
        self._whole = b""

    def encode(
        self, kind: Kind, entries: Sequence[Entry], cursor: int, *, is_up_to_date: bool
    ) -> bytes:
        """Both events; the first is left out when there is no payload. ``entries`` are of one
        stream."""
        control = (cursor, is_up_to_date)
        if entries is not self._entries:
            self._data = _encode_data(kind, entries)
            self._entries = entries
        elif control == self._control:
            return self._whole
        self._control = control
        self._whole = self._data + encode_control(
            entries[-1].position, cursor, is_up_to_date=is_up_to_date, is_closed=False
        )
        return self._whole


def _encode_data(kind: Kind, entries: Sequence[Entry]) -> bytes:
    if all(entry.is_erased for entry in entries):
        return b""
    body = join_body(kind, entries)
    lines = [base64.b64encode(body)] if kind is Kind.BINARY else split_lines(body)
    # A space after the colon is taken off by the reader, so only a line that has one needs one.
    fields = [b"data: " + line if line.startswith(b" ") else b"data:" + line for line in lines]
    return b"event: data\n%s\n\n" % b"\n".join(fields)


def encode_control(
    next_offset: Position, cursor: int, *, is_up_to_date: bool, is_closed: bool
) -> bytes:
    """The event that says how far the reader has come, and whether that is the end."""
    members = b'"streamNextOffset":"%s"' % str(next_offset).encode()
    if is_closed:
        # Nobody comes back after that: no cursor.
        members += b',"upToDate":true,"streamClosed":true'
    else:
        members += b',"streamCursor":"%d"' % cursor
        if is_up_to_date:
            members += b',"upToDate":true'
    return b"event: control\ndata:{%s}\n\n" % members
