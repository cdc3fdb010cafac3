"""A reader of event streams, from WHATWG HTML 9.2.6 alone."""

from __future__ import annotations

import re


def read_events(stream: bytes) -> list[tuple[str, str, str]]:
    """Return (type, data, last event id) of every event that would be dispatched."""
    events: list[tuple[str, str, str]] = []
    event_type, data, last_id = "", "", ""
    for line in re.split("\r\n|\r|\n", stream.decode()):
        if not line:
            if data:
                events.append((event_type or "message", data.removesuffix("\n"), last_id))
            event_type = data = ""
            continue
        if line.startswith(":"):
            continue
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field == "event":
            event_type = value
        elif field == "data":
            data += value + "\n"
        elif field == "id" and "\0" not in value:
            last_id = value
    return events
