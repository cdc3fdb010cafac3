"""UTF-8 checked as it arrives (RFC 3629, RFC 6455 section 8.1)."""

from __future__ import annotations

import codecs

__all__ = ["Utf8Validator"]

_new_decoder = codecs.getincrementaldecoder("utf-8")


class Utf8Validator:
    """Says at the first wrong octet that a text is not UTF-8, however it is cut."""

    __slots__ = ("_decoder",)

    def __init__(self) -> None:
        self._decoder = _new_decoder()

    def feed(self, data: bytes) -> bool:
        """Return whether the text may still be UTF-8. After ``False`` the validator is spent."""
        try:
            self._decoder.decode(data)
        except UnicodeDecodeError:
            return False
        return True

    def is_complete(self) -> bool:
        """Return whether the text ends between characters."""
        return not self._decoder.getstate()[0]
