"""Parts of a representation: Range, Content-Range, multipart/byteranges (RFC 9110 section 14)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from hashlib import blake2b
from typing import NamedTuple

__all__ = ["ByteRange", "MultipartRanges", "parse_ranges"]

# RFC 9110 sections 14.1.1 and 14.2: names of units are case-insensitive.
_BYTES_UNIT = re.compile(r"bytes=(?P<set>.*)", re.IGNORECASE | re.DOTALL)

#   int-range = first-pos "-" [ last-pos ] ; suffix-range = "-" suffix-length
_RANGE_SPEC = re.compile(r"(?P<first>[0-9]*)-(?P<last>[0-9]*)")

PART_OVERHEAD_BYTES = 128
"""About what a part costs beside its bytes: boundary and header fields. Ranges with a smaller gap
between them are sent as one (section 15.3.7.2)."""

_POSITION_DIGITS_MAX = 18


class ByteRange(NamedTuple):
    """Bytes of a representation, both ends included."""

    first: int
    last: int

    @property
    def size(self) -> int:
        """How many bytes."""
        return self.last - self.first + 1

    def content_range(self, complete_bytes: int) -> str:
        """The value of Content-Range."""
        return f"bytes {self.first}-{self.last}/{complete_bytes}"


def parse_ranges(value: str, size: int, *, ranges_max: int) -> list[ByteRange] | None:
    """Return the ranges that a Range field asks for of ``size`` bytes, those close to each other
    as one; empty when none can be satisfied, ``None`` when the field is to be ignored.

    It is ignored when it is malformed, of another unit, or asks for what is no saving: more than
    ``ranges_max`` ranges, or parts that together are larger than the whole (section 14.2: a
    server may ignore what looks like an attack).
    """
    match = _BYTES_UNIT.fullmatch(value.strip(" \t"))
    if match is None:
        return None
    specs = [spec for part in match["set"].split(",") if (spec := part.strip(" \t"))]
    if not 1 <= len(specs) <= ranges_max:
        return None
    found = []
    for spec in specs:
        limits = _read_spec(spec)
        if limits is None:
            return None
        satisfiable = _resolve(*limits, size)
        if satisfiable is not None:
            found.append(satisfiable)
    if not found:
        # A suffix of nothing is all of it, though no Content-Range can say so.
        return None if size == 0 and _has_suffix(specs) else []
    merged = _coalesce(found)
    if len(merged) > 1:
        total = sum(part.size + PART_OVERHEAD_BYTES for part in merged)
        if total >= size:
            return None
    return merged


def _read_spec(spec: str) -> tuple[int | None, int | None] | None:
    """Return first and last position, or ``None`` and the length of a suffix."""
    match = _RANGE_SPEC.fullmatch(spec)
    if match is None:
        return None
    first, last = _position(match["first"]), _position(match["last"])
    if first is None and last is None:
        return None
    # Section 14.1.1: an int-range whose last position is before its first is invalid.
    if first is not None and last is not None and last < first:
        return None
    return first, last


def _position(digits: str) -> int | None:
    if not digits:
        return None
    digits = digits.lstrip("0") or "0"
    # Any number may stand there; past what a file can have they are all the same.
    return int(digits) if len(digits) <= _POSITION_DIGITS_MAX else 10**_POSITION_DIGITS_MAX


def _resolve(first: int | None, last: int | None, size: int) -> ByteRange | None:
    """Return what of a representation a spec means; ``None``: it is not satisfiable."""
    if first is None:
        assert last is not None
        return ByteRange(max(0, size - last), size - 1) if last and size else None
    if first >= size:
        return None
    return ByteRange(first, size - 1 if last is None else min(last, size - 1))


def _has_suffix(specs: Sequence[str]) -> bool:
    return any(spec.startswith("-") and spec.strip("-0") for spec in specs)


def _coalesce(ranges: Sequence[ByteRange]) -> list[ByteRange]:
    """Join those that overlap or nearly touch; each stands where its earliest was asked for."""
    in_place = sorted(range(len(ranges)), key=lambda index: ranges[index])
    merged: list[tuple[int, ByteRange]] = []
    for index in in_place:
        current = ranges[index]
        if merged:
            order, before = merged[-1]
            if current.first <= before.last + PART_OVERHEAD_BYTES:
                joined = ByteRange(before.first, max(before.last, current.last))
                merged[-1] = (min(order, index), joined)
                continue
        merged.append((index, current))
    return [part for _, part in sorted(merged)]


class MultipartRanges:
    """Several parts as one body of ``multipart/byteranges`` (section 14.6)."""

    def __init__(self, body: bytes, ranges: Sequence[ByteRange], content_type: str | None) -> None:
        boundary = _choose_boundary(body)
        field = f"Content-Type: {content_type}\r\n" if content_type is not None else ""
        pieces = []
        for part in ranges:
            head = f"--{boundary}\r\n{field}Content-Range: {part.content_range(len(body))}\r\n\r\n"
            pieces += [head.encode("latin-1"), body[part.first : part.last + 1], b"\r\n"]
        pieces.append(f"--{boundary}--\r\n".encode("ascii"))
        self.content_type = f"multipart/byteranges; boundary={boundary}"
        self.body = b"".join(pieces)


def _choose_boundary(body: bytes) -> str:
    """Return a boundary that stands nowhere in the body (RFC 2046 section 5.1.1): nobody can write
    a body that holds its own digest."""
    return "longwire-" + blake2b(body, digest_size=16).hexdigest()
