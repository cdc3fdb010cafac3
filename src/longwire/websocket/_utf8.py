# cython: annotation_typing=False, boundscheck=False, wraparound=False
"""UTF-8 checked as it arrives (RFC 3629, RFC 6455 section 8.1).

Two bodies in one class, as in ``_mask.py``: compiled, a state machine over octets; plain, the
incremental decoder of the standard library, whose text is thrown away.
"""

from __future__ import annotations

import codecs

try:
    import cython
except ImportError:
    from longwire.base import cy as cython

__all__ = ["Utf8Validator"]

_new_decoder = codecs.getincrementaldecoder("utf-8")


class Utf8Validator:
    """Says at the first wrong octet that a text is not UTF-8, however the text is cut."""

    __slots__ = ("_decoder", "_high", "_low", "_needed")

    def __init__(self) -> None:
        # The octets that the character begun still needs, and the range of the next one.
        self._needed = 0
        self._low = 0x80
        self._high = 0xBF
        if not cython.compiled:
            self._decoder = _new_decoder()

    def feed(self, data: bytes) -> bool:
        """Return whether the text may still be UTF-8. After ``False`` the validator is spent."""
        if cython.compiled:
            return self._scan(data, len(data))
        else:
            try:
                self._decoder.decode(data)
            except UnicodeDecodeError:
                return False
            # Python's decoder waits for the third octet of a surrogate before it objects.
            begun = self._decoder.getstate()[0]
            return not (len(begun) == 2 and begun[0] == 0xED and begun[1] >= 0xA0)

    def is_complete(self) -> bool:
        """Return whether the text ends between characters."""
        if cython.compiled:
            return self._needed == 0
        else:
            return not self._decoder.getstate()[0]

    def _scan(self, data: bytes, length: int) -> bool:
        """Walk over ``data``; the compiled body."""
        needed = self._needed
        low = self._low
        high = self._high
        index = 0
        while index < length:
            octet = data[index]
            if needed > 0:
                if octet < low or octet > high:
                    return False
                low = 0x80
                high = 0xBF
                needed -= 1
            elif octet < 0x80:
                # Most text is ASCII: sixteen octets at a time while they all are.
                while index + 16 <= length:
                    seen = 0
                    for position in range(index, index + 16):
                        seen |= data[position]
                    if seen >= 0x80:
                        break
                    index += 16
                if index < length and data[index] < 0x80:
                    index += 1
                continue
            # RFC 3629 section 4: C0 and C1 would be overlong, F5 to FF beyond U+10FFFF; E0 and F0
            # would be overlong, ED a surrogate, and F4 too large but for these second octets.
            elif octet < 0xC2:
                return False
            elif octet < 0xE0:
                needed = 1
            elif octet < 0xF0:
                needed = 2
                if octet == 0xE0:
                    low = 0xA0
                elif octet == 0xED:
                    high = 0x9F
            elif octet < 0xF5:
                needed = 3
                if octet == 0xF0:
                    low = 0x90
                elif octet == 0xF4:
                    high = 0x8F
            else:
                return False
            index += 1
        self._needed = needed
        self._low = low
        self._high = high
        return True
