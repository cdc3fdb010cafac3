"""Content codings: which one, of what, and back again (RFC 9110 sections 8.4 and 12.5.3)."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import AsyncIterator, Callable

import brotli
import pytest
import zstandard

from longwire.base.errors import ConfigError
from longwire.base.headers import Headers
from longwire.http.coding import CODINGS, Codings, encode_pieces
from longwire.http.negotiation import choose_coding

ALL = ["zstd", "br", "gzip"]

DECODERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.decompress,
    "br": brotli.decompress,
    "zstd": lambda data: zstandard.ZstdDecompressor().decompressobj().decompress(data),
}


@pytest.mark.parametrize(
    ("accept", "available", "expected"),
    [
        (None, ALL, "identity"),
        ("", ALL, "identity"),
        ("gzip", ALL, "gzip"),
        ("GZip", ALL, "gzip"),
        ("x-gzip", ALL, "gzip"),
        ("gzip, br, zstd", ALL, "zstd"),
        ("gzip, deflate, br", ALL, "br"),
        ("gzip, br;q=0.5", ALL, "gzip"),
        ("gzip;q=0.001", ALL, "gzip"),
        ("gzip;q=0", ALL, "identity"),
        ("gzip;q=0.0, br", ["gzip"], "identity"),
        ("compress, deflate", ALL, "identity"),
        ("*", ALL, "zstd"),
        ("*, zstd;q=0", ALL, "br"),
        ("*;q=0, gzip", ALL, "gzip"),
        ("identity", ALL, "identity"),
        ("identity, gzip;q=0.5", ALL, "identity"),
        ("identity;q=0.5, gzip", ALL, "gzip"),
        ("identity;q=0.5, gzip;q=0.5", ALL, "gzip"),
        ("identity;q=0, gzip", ALL, "gzip"),
        ("*;q=0, identity", ALL, "identity"),
        ("*;q=0, identity;q=0.1", ALL, "identity"),
        # None that there is.
        ("identity;q=0", ALL, None),
        ("*;q=0", ALL, None),
        ("identity;q=0, gzip", [], None),
        ("gzip;q=0, identity;q=0", ["gzip"], None),
        ("br, *;q=0", ["gzip"], None),
        # A weight that is none makes an element count for nothing.
        ("gzip;q=2", ALL, "identity"),
        ("gzip;q=, br", ALL, "br"),
        ("gzip;q=1.0000, br;q=0.1", ALL, "br"),
    ],
)
def test_9110_12_5_3_coding(accept: str | None, available: list[str], expected: str | None) -> None:
    assert choose_coding(accept, available) == expected


def test_all_codings_are_there_with_their_packages() -> None:
    assert Codings().names == list(CODINGS) == ALL
    assert Codings(["gzip", "br"]).names == ["gzip", "br"]
    with pytest.raises(ConfigError, match="zip"):
        Codings(["zip"])


@pytest.mark.parametrize("coding", ALL)
async def test_what_is_coded_can_be_decoded(coding: str) -> None:
    codings = Codings()
    body = b"long enough to be worth it " * 200
    coded = codings.encode(coding, body)
    assert len(coded) < len(body) / 5
    assert DECODERS[coding](coded) == body

    async def pieces() -> AsyncIterator[bytes]:
        for piece in (b"one ", b"", b"two ", b"three"):
            yield piece

    sent = [piece async for piece in encode_pieces(codings.encoder(coding), pieces())]
    assert DECODERS[coding](b"".join(sent)) == b"one two three"


async def test_each_piece_can_be_decoded_when_it_arrives() -> None:
    async def pieces() -> AsyncIterator[bytes]:
        yield b"first"
        yield b"second"

    unzip = zlib.decompressobj(16 + zlib.MAX_WBITS)
    coded = encode_pieces(Codings().encoder("gzip"), pieces())
    assert unzip.decompress(await anext(coded)) == b"first"
    assert unzip.decompress(await anext(coded)) == b"second"
    assert unzip.decompress(await anext(coded)) == b"" and unzip.eof


async def test_pieces_that_nobody_takes_are_closed() -> None:
    is_closed = False

    async def pieces() -> AsyncIterator[bytes]:
        nonlocal is_closed
        try:
            yield b"first"
            yield b"second"
        finally:
            is_closed = True

    coded = encode_pieces(Codings().encoder("gzip"), pieces())
    await anext(coded)
    await coded.aclose()  # type: ignore[attr-defined]
    assert is_closed


@pytest.mark.parametrize(
    ("content_type", "size", "is_worthwhile"),
    [
        ("text/html; charset=utf-8", 1024, True),
        ("text/html; charset=utf-8", 1023, False),
        ("TEXT/PLAIN", None, True),
        ("application/json", 2000, True),
        ("application/geo+json", 2000, True),
        ("image/svg+xml", 2000, True),
        ("text/event-stream", None, False),
        ("image/png", 2000, False),
        ("application/octet-stream", 2000, False),
        (None, 2000, False),
    ],
)
def test_what_is_worth_it(content_type: str | None, size: int | None, is_worthwhile: bool) -> None:
    headers = Headers() if content_type is None else Headers({"Content-Type": content_type})
    assert Codings(threshold_bytes=1024).is_worthwhile(headers, size) is is_worthwhile


@pytest.mark.parametrize(
    ("fields", "may_code"),
    [
        ({}, True),
        ({"Cache-Control": "public, max-age=5"}, True),
        ({"Cache-Control": "private, No-Transform"}, False),
        ({"Content-Encoding": "br"}, False),
        ({"Content-Range": "bytes 0-0/5"}, False),
    ],
)
def test_what_may_not_be_coded(fields: dict[str, str], may_code: bool) -> None:
    assert Codings().may_code(Headers(fields)) is may_code


def test_coded_bodies_are_kept_up_to_a_limit() -> None:
    codings = Codings(cache_bytes_max=40_000)
    bodies = [bytes([number]) * 4_000 for number in range(12)]
    for body in bodies:
        codings.encode("gzip", body)
        assert codings.kept_bytes <= 40_000
    assert codings.find("gzip", bodies[0]) is None
    assert codings.find("gzip", bodies[-1]) is codings.encode("gzip", bodies[-1])
    assert codings.find("br", bodies[-1]) is None
    kept = codings.kept_bytes
    codings.encode("gzip", b"x" * 10_001)  # a quarter of the cache at most
    assert codings.kept_bytes == kept
