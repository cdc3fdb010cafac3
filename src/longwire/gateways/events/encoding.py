"""What stands in the events: a payload as it is, the position as its id."""

from __future__ import annotations

import base64
from functools import lru_cache
from typing import Any

import msgspec

from longwire.gateways.event_stream import split_lines
from longwire.hub.sinks import Gap
from longwire.streams.entry import Entry, is_json
from longwire.streams.position import Position

__all__ = ["EVENTS", "EventEncoder", "encode_event", "payload_encoding"]

_encode_json = msgspec.json.Encoder().encode


@lru_cache(maxsize=256)
def payload_encoding(content_type: str) -> str:
    """How payloads of a content type stand in ``data``: ``json``, ``text`` or ``base64``."""
    if is_json(content_type):
        return "json"
    return "text" if content_type.startswith("text/") else "base64"


def encode_event(event: str, position: Position, members: dict[str, Any]) -> bytes:
    """Encode an event of the protocol's own."""
    return b"event: %s\nid: %s\ndata: %s\n\n" % (
        event.encode(),
        str(position).encode(),
        _encode_json(members),
    )


class EventEncoder:
    """The wire format of entries as events; the position is the event's id."""

    __slots__ = ()

    def encode_entry(self, stream: str, entry: Entry) -> bytes:
        if entry.is_erased:
            return encode_event("erased", entry.position, {"position": str(entry.position)})
        payload = entry.payload
        if payload_encoding(entry.content_type) == "base64":
            data = base64.b64encode(payload)
        elif b"\n" in payload or b"\r" in payload:
            data = b"\ndata: ".join(split_lines(payload))
        else:
            data = payload
        return b"id: %s\ndata: %s\n\n" % (str(entry.position).encode(), data)

    def encode_gap(self, stream: str, gap: Gap) -> bytes:
        members = {
            "after": str(gap.after),
            "upto": str(gap.upto),
            "reason": gap.reason,
            "lost": gap.is_loss,
        }
        return encode_event("gap", gap.upto, members)

    def encode_closed(self, stream: str, position: Position) -> bytes:
        return encode_event("closed", position, {"position": str(position)})


EVENTS = EventEncoder()
"""The one encoder, so that all responses share what it makes."""
