"""Which version of HTTP a connection in the clear begins with (RFC 9113 section 3.3)."""

from __future__ import annotations

from longwire.http.h2_frames import PREFACE

__all__ = ["VersionReader"]


class VersionReader:
    """Reads the beginning of a connection, until it is HTTP/2's preface or is not."""

    __slots__ = ("_begun", "is_http2")

    def __init__(self) -> None:
        self._begun = b""
        self.is_http2 = False

    def receive(self, data: bytes | bytearray | memoryview) -> bytes | None:
        """Return all that came so far once it shows which version is spoken, ``None`` before."""
        begun = self._begun = self._begun + bytes(data)
        size = min(len(begun), len(PREFACE))
        is_preface = begun[:size] == PREFACE[:size]
        if is_preface and size < len(PREFACE):
            return None
        self.is_http2 = is_preface
        return begun
