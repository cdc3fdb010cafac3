"""One buffer to many responses is framed once, and each client reads the same."""

from __future__ import annotations

import pytest

from longwire.base.headers import Headers
from longwire.http.h1_writer import ResponseWriter


def started() -> ResponseWriter:
    writer = ResponseWriter("GET", "1.1")
    writer.start(200, Headers(), None, True, None, None)
    return writer


@pytest.mark.parametrize("size", [1, 15, 16, 4095, 4096, 4097, 70_000])
def test_a_buffer_that_is_written_again_has_the_same_chunk(size: int) -> None:
    data, expected = b"x" * size, b"%x\r\n" % size + b"x" * size + b"\r\n"
    for writer in (started(), started(), started()):
        assert b"".join(writer.body(data)) == expected
        assert b"".join(writer.body(b"other")) == b"5\r\nother\r\n"
        assert b"".join(writer.body(data)) == expected


def test_small_chunks_are_shared_and_large_ones_are_not_copied() -> None:
    data = b"event: entry\n\n"
    [first], [second] = started().body(data), started().body(data)
    assert first is second
    large = b"x" * 100_000
    assert started().body(large)[1] is large
