# cython: annotation_typing=False
"""Checks of payloads before they are stored, so that nobody is handed what he cannot read."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from longwire.base.limits import StreamLimits
from longwire.base.tuples import parts
from longwire.streams.entry import NewEntry, is_json
from longwire.streams.errors import EntryLimitError, PayloadError

__all__ = ["check_batch", "check_json", "check_json_depth", "check_payloads"]

_raw_decoder = msgspec.json.Decoder(msgspec.Raw)


def check_batch(batch: Sequence[NewEntry], limits: StreamLimits) -> None:
    """Raise :exc:`EntryLimitError` for a batch or a payload that is too large."""
    if len(batch) > limits.batch_entries_max:
        raise EntryLimitError(
            f"the batch has {len(batch)} entries, at most {limits.batch_entries_max} are stored "
            "at a time",
            limits.batch_entries_max,
        )
    bytes_max = limits.entry_bytes_max
    for index, entry in enumerate(batch):
        payload, _ = parts(entry)
        if len(payload) > bytes_max:
            where = f"entry {index + 1} of the batch" if len(batch) > 1 else "the payload"
            raise EntryLimitError(
                f"{where} has {len(payload)} bytes, at most {bytes_max} are allowed", bytes_max
            )


def check_payloads(batch: Sequence[NewEntry], content_type: str, limits: StreamLimits) -> None:
    """Raise :exc:`PayloadError` for a payload that is not of its content type."""
    if is_json(content_type):
        for entry in batch:
            check_json(entry.payload, limits.json_depth_max)


def check_json(payload: bytes, depth_max: int) -> None:
    """Raise :exc:`PayloadError` unless ``payload`` is one JSON text (RFC 8259) in UTF-8."""
    try:
        payload.decode()
        _raw_decoder.decode(payload)
    except UnicodeDecodeError as error:
        raise PayloadError(f"the payload is not UTF-8 at byte {error.start}") from None
    except RecursionError:
        raise _too_deep(depth_max) from None
    except msgspec.DecodeError as error:
        raise PayloadError(f"the payload is not JSON: {error}") from None
    check_json_depth(payload, depth_max)


def check_json_depth(payload: bytes, depth_max: int) -> None:
    """Raise :exc:`PayloadError` if valid JSON nests deeper than ``depth_max``.

    Parsers of subscribers give up at some depth, so one such entry would break them all.
    """
    if len(payload) <= 2 * depth_max:
        return  # every level takes a character that opens it and one that closes it
    if payload.count(b"[") + payload.count(b"{") <= depth_max:
        return
    depth = 0
    is_in_string = is_escaped = False
    for byte in payload:
        if is_in_string:
            if is_escaped:
                is_escaped = False
            elif byte == 0x5C:  # a backslash
                is_escaped = True
            elif byte == 0x22:  # a quotation mark
                is_in_string = False
        elif byte == 0x22:
            is_in_string = True
        elif byte in b"[{":
            depth += 1
            if depth > depth_max:
                raise _too_deep(depth_max)
        elif byte in b"]}":
            depth -= 1


def _too_deep(depth_max: int) -> PayloadError:
    return PayloadError(f"the payload nests deeper than {depth_max} arrays and objects")
