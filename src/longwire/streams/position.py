# cython: annotation_typing=False
"""Positions: how far somebody has read a stream, as a value that every transport spells alike.

The text is ``OFFSET_EPOCHLINK`` (docs/protocol.md, 1.2): 16 decimal digits, an underscore, 8
base-36 characters and 16 hexadecimal digits. It sorts as text like positions do as values.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from typing import NamedTuple

from longwire.streams.errors import PositionError

__all__ = [
    "FIRST_LINK",
    "OFFSET_MAX",
    "POSITION_CHARACTERS",
    "START",
    "Position",
    "draw_epoch",
    "next_link",
    "parse_position",
    "spell_position",
]

POSITION_CHARACTERS = 41
OFFSET_MAX = 10**16 - 1
FIRST_LINK = bytes(8)
"""The link before the first entry."""

# No secret and no signature (docs/protocol.md, 1.3), so that a build of OpenSSL that forbids SHA-1
# for those must not refuse it.
_blank_sha1 = hashlib.sha1(usedforsecurity=False)
_EPOCH_CHARACTERS = "0123456789abcdefghijklmnopqrstuvwxyz"
_START_PREFIX = "0" * 16 + "_"
_START_TEXT_CHARACTERS_MAX = 256
_TEXT = re.compile(r"([0-9]{16})_([0-9a-z]{8})([0-9a-f]{16})")
# What may stand in a URL as it is: RFC 3986 section 2.3, unreserved = ALPHA DIGIT - . _ ~
_UNRESERVED = re.compile(r"[A-Za-z0-9._~-]*")


class Position(NamedTuple):
    """A place between two entries: just after the entry of this offset.

    ``offset`` counts from 1, 0 is the start. ``epoch`` belongs to one life of the stream.
    ``link`` ties the entry to all before it. Ordered by offset first, as its text is.
    """

    offset: int
    epoch: str
    link: bytes

    def __str__(self) -> str:
        return spell_position(self.offset, self.epoch, self.link)

    @property
    def is_start(self) -> bool:
        """Whether nothing lies before it."""
        return self.offset == 0


def spell_position(offset: int, epoch: str, link: bytes) -> str:
    """The text of the position with these parts."""
    number = 0
    for byte in link:  # as one number: nothing is looked up and called for it in compiled code
        number = number << 8 | byte
    return f"{offset:016d}_{epoch}{number:016x}"


START = Position(0, "0" * 8, FIRST_LINK)
"""The start of every stream, in every life of it."""


def parse_position(text: str) -> Position:
    """Read the text of a position; raise :exc:`PositionError` that says what is wrong with it.

    Offset 0 is the start whatever follows the underscore, so that the start of other systems
    that write offsets in this manner is understood.
    """
    match = _TEXT.fullmatch(text)
    if match is not None:
        offset = int(match[1])
        return Position(offset, match[2], bytes.fromhex(match[3])) if offset else START
    if (
        text.startswith(_START_PREFIX)
        and len(text) <= _START_TEXT_CHARACTERS_MAX
        and _UNRESERVED.fullmatch(text)
    ):
        return START
    raise PositionError(text, _find_problem(text))


def _find_problem(text: str) -> str:
    if len(text) != POSITION_CHARACTERS:
        return f"it has {len(text)} characters, a position has {POSITION_CHARACTERS}"
    if not re.fullmatch(r"[0-9]{16}", text[:16], re.ASCII):
        return "the first 16 characters must be decimal digits"
    if text[16] != "_":
        return 'the 17th character must be "_"'
    if not re.fullmatch(r"[0-9a-z]{8}", text[17:25]):
        return "characters 18 to 25 (the epoch) must be 0-9 or a-z"
    return "characters 26 to 41 (the link) must be 0-9 or a-f"


def next_link(link: bytes, payload: bytes) -> bytes:
    """Return the link of the entry with this payload that follows ``link``."""
    digest = _blank_sha1.copy()  # to make a new one costs as much as to hash a small payload
    digest.update(link + payload)
    return digest.digest()[:8]


def draw_epoch(entropy: Callable[[int], bytes]) -> str:
    """Draw the epoch of a new life of a stream.

    36 to the power of 8 values: two lives of one name share their epoch once in 2.8 million
    million times, and then the link still differs.
    """
    number = int.from_bytes(entropy(8), "big")
    characters = []
    for _ in range(8):
        number, digit = divmod(number, 36)
        characters.append(_EPOCH_CHARACTERS[digit])
    epoch = "".join(characters)
    # All zeros stands for "no epoch" in the text of the start.
    return epoch if epoch != START.epoch else draw_epoch(entropy)
