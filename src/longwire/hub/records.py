"""Entries on their way to subscribers, with the frames that have been made of them."""

from __future__ import annotations

from collections.abc import Sequence

from longwire.hub.counters import HubCounters
from longwire.hub.sinks import Encoder
from longwire.streams.entry import Entry

__all__ = ["ENVELOPE_BYTES", "Recorded", "join_frames", "split_runs"]

ENVELOPE_BYTES = 256
"""What a format adds to a payload, about: two positions, the stream's name, the rest."""


class Recorded:
    """An entry with the frames that have been made of it."""

    __slots__ = ("entry", "frames")

    def __init__(self, entry: Entry) -> None:
        self.entry = entry
        self.frames: dict[Encoder, bytes] = {}

    def frame(self, encoder: Encoder, stream: str, counters: HubCounters) -> bytes:
        """The entry in a wire format; made at the first call."""
        frame = self.frames.get(encoder)
        if frame is None:
            frame = self.frames[encoder] = encoder.encode_entry(stream, self.entry)
            counters.encoded_entries += 1
        return frame


def split_runs(records: Sequence[Recorded], bytes_max: int) -> list[Sequence[Recorded]]:
    """Cut into runs of about ``bytes_max`` bytes with their envelopes, so that no subscriber is
    handed much more at a time than it may hold."""
    runs: list[Sequence[Recorded]] = []
    start = total = 0
    for index, recorded in enumerate(records):
        size = len(recorded.entry.payload) + ENVELOPE_BYTES
        if total and total + size > bytes_max:
            runs.append(records[start:index])
            start, total = index, 0
        total += size
    if start < len(records):
        runs.append(records[start:])
    return runs


def join_frames(
    encoder: Encoder, stream: str, run: Sequence[Recorded], counters: HubCounters
) -> bytes:
    """A run as one buffer, shared by all who get it."""
    if len(run) == 1:
        return run[0].frame(encoder, stream, counters)
    return b"".join([recorded.frame(encoder, stream, counters) for recorded in run])
