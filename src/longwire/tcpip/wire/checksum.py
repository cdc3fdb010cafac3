"""The Internet checksum (RFC 1071): the ones' complement of a ones' complement sum.

Sixteen-bit words added with end-around carry are the whole number modulo 65,535, which Python's
integers compute in C. The cost of that division grows faster than the length, so long data is cut.
"""

from __future__ import annotations

__all__ = ["checksum", "pseudo_header", "word_sum"]

_CHUNK_OCTETS = 2048


def word_sum(data: bytes | memoryview) -> int:
    """Return a number congruent to the sum of the words of ``data``; zero only if all are zero.

    Sums of parts may be added when every part but the last has an even length.
    """
    length = len(data)
    if length <= _CHUNK_OCTETS:
        total = int.from_bytes(data, "big")
        return _fold(total << 8 if length & 1 else total)
    return sum(
        word_sum(data[start : start + _CHUNK_OCTETS]) for start in range(0, length, _CHUNK_OCTETS)
    )


def _fold(total: int) -> int:
    # 0xFFFF and 0 are both zero in ones' complement; only words that are all zero add up to 0.
    return total % 0xFFFF or (0xFFFF if total else 0)


def checksum(total: int) -> int:
    """Return the checksum field for words whose sum is ``total``.

    Over data that already holds its checksum the result is 0 when nothing was changed.
    """
    return _fold(total) ^ 0xFFFF


def pseudo_header(source: bytes, destination: bytes, protocol: int, length: int) -> int:
    """Return the word sum of the pseudo-header (RFC 9293 section 3.1, RFC 8200 section 8.1)."""
    return word_sum(source + destination) + protocol + (length >> 16) + (length & 0xFFFF)
