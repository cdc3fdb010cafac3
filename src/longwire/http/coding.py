"""Content codings: gzip, and br and zstd where their packages are installed (RFC 9110 section 8.4).

A coded representation is another one than the plain: its entity tag is made weak, since two servers
need not code byte for byte alike, and ranges are of the plain one only. Coding what holds a secret
together with what an attacker chose lets him guess the secret by the length (BREACH): a response
with ``Cache-Control: no-transform`` is left as it is.
"""

from __future__ import annotations

import importlib
import zlib
from collections import OrderedDict
from collections.abc import AsyncIterable, AsyncIterator, Callable, Sequence
from typing import Any, Protocol

from longwire.base.errors import ConfigError
from longwire.base.headers import Headers
from longwire.http.field_values import tokens
from longwire.http.negotiation import choose_coding

__all__ = ["CODINGS", "Codings", "encode_pieces", "installed_codings"]

# Levels for what is coded while a client waits: about 50 MB/s and more.
_GZIP_LEVEL = 5
_BROTLI_QUALITY = 4
_ZSTD_LEVEL = 3

# zlib: 16 more than the size of the window means gzip's header and trailer (RFC 1952).
_GZIP_WINDOW_BITS = 16 + zlib.MAX_WBITS

_CODED_TYPES = frozenset(
    {
        "application/javascript",
        "application/json",
        "application/manifest+json",
        "application/problem+json",
        "application/wasm",
        "application/x-javascript",
        "application/x-ndjson",
        "application/xhtml+xml",
        "application/xml",
        "font/otf",
        "font/ttf",
        "image/svg+xml",
        "image/x-icon",
    }
)


class Encoder(Protocol):
    """Codes one body."""

    def encode(self, data: bytes) -> bytes:
        """Take a piece in; return what is ready."""

    def flush(self) -> bytes:
        """Return the rest of what was taken in, so that it can be decoded now."""

    def finish(self) -> bytes:
        """Return the end."""


class _GzipEncoder:
    def __init__(self) -> None:
        self._compressor = zlib.compressobj(_GZIP_LEVEL, zlib.DEFLATED, _GZIP_WINDOW_BITS)
        self.encode = self._compressor.compress

    def flush(self) -> bytes:
        return self._compressor.flush(zlib.Z_SYNC_FLUSH)

    def finish(self) -> bytes:
        return self._compressor.flush()


class _BrotliEncoder:
    def __init__(self, brotli: Any) -> None:
        compressor = brotli.Compressor(quality=_BROTLI_QUALITY)
        self.encode: Callable[[bytes], bytes] = compressor.process
        self.flush: Callable[[], bytes] = compressor.flush
        self.finish: Callable[[], bytes] = compressor.finish


class _ZstdEncoder:
    def __init__(self, zstandard: Any) -> None:
        self._compressor = zstandard.ZstdCompressor(level=_ZSTD_LEVEL).compressobj()
        self._flush_block = zstandard.COMPRESSOBJ_FLUSH_BLOCK
        self.encode: Callable[[bytes], bytes] = self._compressor.compress

    def flush(self) -> bytes:
        flushed: bytes = self._compressor.flush(self._flush_block)
        return flushed

    def finish(self) -> bytes:
        end: bytes = self._compressor.flush()
        return end


def _gzip() -> Callable[[], Encoder]:
    return _GzipEncoder


def _brotli() -> Callable[[], Encoder]:
    module = importlib.import_module("brotli")
    return lambda: _BrotliEncoder(module)


def _zstd() -> Callable[[], Encoder]:
    module = importlib.import_module("zstandard")
    return lambda: _ZstdEncoder(module)


_LOADERS: dict[str, Callable[[], Callable[[], Encoder]]] = {
    "zstd": _zstd,
    "br": _brotli,
    "gzip": _gzip,
}

CODINGS = tuple(_LOADERS)
"""What can be coded, in the order in which a client that takes all of them gets them: the one that
costs the least time first."""


def installed_codings(wanted: Sequence[str] = CODINGS) -> dict[str, Callable[[], Encoder]]:
    """Return what makes an encoder for each of the codings whose package is installed.

    Raises ``ConfigError`` for a coding that is not known.
    """
    found = {}
    for name in wanted:
        if name not in _LOADERS:
            hint = f"of {', '.join(CODINGS)}"
            raise ConfigError("content_coding.names", f'there is no coding "{name}"', hint=hint)
        try:
            found[name] = _LOADERS[name]()
        except ImportError:
            continue
    return found


class Codings:
    """Decides how a response is coded, and codes it. Belongs to one event loop.

    What was coded is kept for the next who asks for the same bytes, ``cache_bytes_max`` of it.
    """

    def __init__(
        self,
        names: Sequence[str] = CODINGS,
        *,
        threshold_bytes: int = 1024,
        cache_bytes_max: int = 4 * 1024 * 1024,
    ) -> None:
        self._encoders = installed_codings(names)
        self.threshold_bytes = threshold_bytes
        """Size from which on a body is worth it."""
        self._cache_bytes_max = cache_bytes_max
        self._kept: OrderedDict[tuple[str, bytes], bytes] = OrderedDict()
        self.kept_bytes = 0
        """What the cache costs, plain and coded bodies together."""

    @property
    def names(self) -> list[str]:
        """The codings, in order of preference."""
        return list(self._encoders)

    def is_worthwhile(self, headers: Headers, size: int | None) -> bool:
        """Tell whether a body of this size (``None``: unknown) would be coded for a client that
        takes it."""
        if size is not None and size < self.threshold_bytes:
            return False
        media_type = (headers.get("Content-Type") or "").partition(";")[0].strip().lower()
        if media_type.startswith("text/"):
            # What comes in small pieces, each at once, is no work for a coding.
            return media_type != "text/event-stream"
        return media_type in _CODED_TYPES or media_type.endswith(("+json", "+xml"))

    def may_code(self, headers: Headers) -> bool:
        """Tell whether a body may be coded at all: not what is coded already, is a part of
        something, or says ``no-transform``."""
        if "Content-Encoding" in headers or "Content-Range" in headers:
            return False
        return "no-transform" not in tokens(headers.get_all("Cache-Control"))

    def choose(self, accept_encoding: str | None, *, is_worthwhile: bool) -> str | None:
        """Return the coding for a client, or ``identity``; ``None``: it takes none that there is.

        What is not worthwhile is coded only for a client that refuses it plain.
        """
        if not is_worthwhile:
            plain = choose_coding(accept_encoding, ())
            if plain is not None:
                return plain
        return choose_coding(accept_encoding, self.names)

    def encoder(self, coding: str) -> Encoder:
        """Return an encoder for one body."""
        return self._encoders[coding]()

    def encode(self, coding: str, body: bytes) -> bytes:
        """Code a whole body, or find it coded. May run in another thread; then use ``keep``."""
        found = self.find(coding, body)
        if found is None:
            found = self.encode_anew(coding, body)
            self.keep(coding, body, found)
        return found

    def encode_anew(self, coding: str, body: bytes) -> bytes:
        """Code a whole body; safe in any thread."""
        encoder = self.encoder(coding)
        return encoder.encode(body) + encoder.finish()

    def find(self, coding: str, body: bytes) -> bytes | None:
        """Return a body as it was coded before."""
        key = (coding, body)
        found = self._kept.get(key)
        if found is not None:
            self._kept.move_to_end(key)
        return found

    def keep(self, coding: str, body: bytes, coded: bytes) -> None:
        """Keep a coded body; what was not asked for the longest goes first."""
        key = (coding, body)
        cost = len(body) + len(coded)
        if cost > self._cache_bytes_max // 4 or key in self._kept:
            return
        self._kept[key] = coded
        self.kept_bytes += cost
        while self.kept_bytes > self._cache_bytes_max:
            (_, plain), old = self._kept.popitem(last=False)
            self.kept_bytes -= len(plain) + len(old)


async def encode_pieces(encoder: Encoder, pieces: AsyncIterable[bytes]) -> AsyncIterator[bytes]:
    """Code a body piece by piece; each can be decoded when it arrives."""
    iterator = pieces.__aiter__()
    try:
        async for piece in iterator:
            if piece:
                yield encoder.encode(piece) + encoder.flush()
        yield encoder.finish()
    finally:
        close = getattr(iterator, "aclose", None)
        if close is not None:
            await close()
