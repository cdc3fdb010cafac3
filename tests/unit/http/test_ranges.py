"""Ranges of bytes (RFC 9110 section 14)."""

from __future__ import annotations

import email
import email.policy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longwire.http.ranges import PART_OVERHEAD_BYTES, ByteRange, MultipartRanges, parse_ranges

MAX = 32
SIZE = 10_000


@pytest.mark.parametrize(
    ("value", "size", "expected"),
    [
        ("bytes=0-499", SIZE, [(0, 499)]),
        ("bytes=500-999", SIZE, [(500, 999)]),
        ("bytes=-500", SIZE, [(9500, 9999)]),
        ("bytes=9500-", SIZE, [(9500, 9999)]),
        ("bytes=0-0,-1", SIZE, [(0, 0), (9999, 9999)]),
        ("bytes= 0-0, 4500-5499 , ,-1,", SIZE, [(0, 0), (4500, 5499), (9999, 9999)]),
        ("BYTES=0-0", SIZE, [(0, 0)]),
        ("bytes=0-", SIZE, [(0, 9999)]),
        ("bytes=0-99999", SIZE, [(0, 9999)]),
        ("bytes=-99999", SIZE, [(0, 9999)]),
        ("bytes=0-" + "9" * 5000, SIZE, [(0, 9999)]),
        ("bytes=" + "0" * 5000 + "7-7", SIZE, [(7, 7)]),
        # Not satisfiable.
        ("bytes=10000-", SIZE, []),
        ("bytes=10000-20000,-0", SIZE, []),
        ("bytes=" + "9" * 30 + "-", SIZE, []),
        ("bytes=-0", SIZE, []),
        ("bytes=0-", 0, []),
        # One that can be satisfied will do.
        ("bytes=99999-,0-0", SIZE, [(0, 0)]),
        # Ignored: of nothing a suffix is all, and the rest is malformed or of another unit.
        ("bytes=-5", 0, None),
        ("bytes=", SIZE, None),
        ("bytes=,", SIZE, None),
        ("bytes=-", SIZE, None),
        ("bytes=a-b", SIZE, None),
        ("bytes=5-4", SIZE, None),
        ("bytes=5-4,0-0", SIZE, None),
        ("bytes=0-0;1-1", SIZE, None),
        ("bytes=+1-2", SIZE, None),
        ("bytes=1-2-3", SIZE, None),
        ("bytes=٣-٤", SIZE, None),
        ("bytes 0-0", SIZE, None),
        ("lines=0-0", SIZE, None),
        ("0-0", SIZE, None),
        # What overlaps, or nearly touches, is one; it stands where the first of them was asked for.
        ("bytes=0-99,50-149", SIZE, [(0, 149)]),
        (f"bytes=0-99,{99 + PART_OVERHEAD_BYTES}-300", SIZE, [(0, 300)]),
        (f"bytes=0-0,{1 + PART_OVERHEAD_BYTES}-300", SIZE, [(0, 0), (129, 300)]),
        ("bytes=5000-5001,0-1", SIZE, [(5000, 5001), (0, 1)]),
        ("bytes=5000-5001,0-1,2-3", SIZE, [(5000, 5001), (0, 3)]),
        ("bytes=9000-9001,5000-5001,8999-8999", SIZE, [(8999, 9001), (5000, 5001)]),
        # No saving.
        ("bytes=0-4900,5100-", SIZE, None),
    ],
)
def test_9110_14_1_2_range(value: str, size: int, expected: list[tuple[int, int]] | None) -> None:
    found = parse_ranges(value, size, ranges_max=MAX)
    assert found == (None if expected is None else [ByteRange(*pair) for pair in expected])


def test_9110_14_2_as_many_ranges_as_allowed_and_one_more() -> None:
    def spread(count: int) -> str:
        return "bytes=" + ",".join(f"{1000 * place}-{1000 * place}" for place in range(count))

    at_limit = parse_ranges(spread(MAX), 1000 * MAX, ranges_max=MAX)
    assert at_limit is not None and len(at_limit) == MAX
    assert parse_ranges(spread(MAX + 1), 1000 * (MAX + 1), ranges_max=MAX) is None


def test_the_same_range_many_times_is_sent_once() -> None:
    assert parse_ranges("bytes=" + ",".join(["0-"] * MAX), SIZE, ranges_max=MAX) == [(0, SIZE - 1)]


ranges = st.lists(
    st.tuples(st.integers(0, 3000), st.one_of(st.none(), st.integers(0, 3000))).map(
        lambda pair: f"{pair[0]}-" + ("" if pair[1] is None else str(pair[0] + pair[1]))
    )
    | st.integers(0, 3000).map(lambda length: f"-{length}"),
    min_size=1,
    max_size=6,
)


@given(ranges, st.integers(0, 3000))
def test_every_byte_that_is_asked_for_is_in_exactly_one_part(specs: list[str], size: int) -> None:
    asked: set[int] = set()
    for spec in specs:
        first, _, last = spec.partition("-")
        if not first:
            asked |= set(range(max(0, size - int(last)), size))
        else:
            asked |= set(range(int(first), min(size, int(last) + 1) if last else size))
    found = parse_ranges("bytes=" + ",".join(specs), size, ranges_max=MAX)
    if found is None:
        return
    sent = [place for part in found for place in range(part.first, part.last + 1)]
    assert len(sent) == len(set(sent))
    assert asked <= set(sent)
    assert all(0 <= part.first <= part.last < size for part in found)
    assert bool(found) == bool(asked)


@given(st.binary(min_size=1, max_size=2000), st.lists(st.integers(0, 1999), min_size=2, max_size=5))
def test_9110_14_6_parts_are_read_by_a_mime_parser(body: bytes, places: list[int]) -> None:
    wanted = [ByteRange(place % len(body), len(body) - 1) for place in places]
    multipart = MultipartRanges(body, wanted, "application/octet-stream")
    head = f"MIME-Version: 1.0\r\nContent-Type: {multipart.content_type}\r\n\r\n".encode()
    text = multipart.body
    for part in wanted:
        head_of_part = f"Content-Range: bytes {part.first}-{part.last}/{len(body)}\r\n\r\n".encode()
        _, separator, text = text.partition(head_of_part)
        assert separator
        assert text.startswith(body[part.first : part.last + 1] + b"\r\n--longwire-")
        text = text[part.size :]
    message = email.message_from_bytes(head + multipart.body, policy=email.policy.HTTP)
    if b"\r" not in body and b"\n" not in body:
        payloads = [part.get_payload(decode=True) for part in message.iter_parts()]  # type: ignore[attr-defined]
        assert payloads == [body[part.first : part.last + 1] for part in wanted]
