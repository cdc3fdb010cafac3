# cython: annotation_typing=False, auto_pickle=False
"""Messages put together from pieces: inflated, checked as UTF-8, kept within the limit."""

from __future__ import annotations

import codecs

from longwire.base.codes import CloseCode
from longwire.base.errors import ProtocolError
from longwire.websocket._utf8 import Utf8Validator
from longwire.websocket.deflate import Inflater
from longwire.websocket.events import Fragment
from longwire.websocket.frames import Piece

__all__ = ["MessageAssembler"]

_new_decoder = codecs.getincrementaldecoder("utf-8")


def _not_utf8(text: bytes, offset: int = 0) -> ProtocolError:
    """Return the error for a text that breaks off or goes wrong; ``offset`` bytes came before."""
    start = 0
    try:
        text.decode()
    except UnicodeDecodeError as error:
        start = error.start
    # RFC 6455 section 8.1.
    return ProtocolError(
        CloseCode.INVALID_FRAME_PAYLOAD_DATA,
        f"a text message is not UTF-8: the character at byte {offset + start} is broken",
    )


class MessageAssembler:
    """Joins the pieces of one connection's messages.

    With ``is_streaming`` a message that begins is given on in fragments, otherwise whole. The
    payload is kept once, as bytes, in a buffer that grows with what arrived and never with what a
    header announced.
    """

    __slots__ = (
        "_buffer",
        "_decoder",
        "_inflated_bytes",
        "_inflater",
        "_is_open_streaming",
        "_message_bytes_max",
        "_text_bytes",
        "_validator",
        "is_streaming",
    )

    def __init__(
        self, *, inflater: Inflater | None, message_bytes_max: int | None, is_streaming: bool
    ) -> None:
        self._inflater = inflater
        self._message_bytes_max = message_bytes_max
        self.is_streaming = is_streaming
        # Of the message that is arriving:
        self._is_open_streaming = False
        self._inflated_bytes = 0
        self._buffer = bytearray()
        self._validator: Utf8Validator | None = None
        self._text_bytes = 0
        self._decoder: codecs.IncrementalDecoder | None = None

    def add(self, piece: Piece) -> str | bytes | Fragment | None:
        """Return the message or the fragment that ``piece`` completes, if it does.

        Raises :exc:`ProtocolError` or :exc:`LimitError`; the assembler is not to be used after.
        """
        if piece.is_first:
            self._is_open_streaming = self.is_streaming
            self._inflated_bytes = 0
        payload = piece.payload
        if piece.is_compressed:
            payload = self._inflate(payload, piece.is_final)
        if piece.is_first and piece.is_final and not self._is_open_streaming:
            if not piece.is_text:
                return payload
            try:
                return payload.decode()
            except UnicodeDecodeError:
                raise _not_utf8(payload) from None
        if piece.is_text:
            self._check_text(piece, payload)
        if self._is_open_streaming:
            return self._add_streaming(piece, payload)
        return self._add_whole(piece, payload)

    def drop(self) -> None:
        """Forget the message that was arriving and all state of inflating: no more will come."""
        self._buffer = bytearray()
        self._validator = None
        self._decoder = None
        self._inflater = None

    def _inflate(self, payload: bytes, is_final: bool) -> bytes:
        assert self._inflater is not None, "RSV1 is refused unless deflate was agreed"
        inflated = self._inflater.inflate(
            payload, is_final=is_final, before=self._inflated_bytes, maximum=self._message_bytes_max
        )
        self._inflated_bytes += len(inflated)
        return inflated

    def _check_text(self, piece: Piece, payload: bytes) -> None:
        """Fail a text at its first wrong octet, wherever it is cut."""
        if piece.is_first:
            self._validator = Utf8Validator()
            self._text_bytes = 0
            self._decoder = _new_decoder() if self._is_open_streaming else None
        assert self._validator is not None, "the first piece of a text made it"
        is_valid = self._validator.feed(payload)
        if not is_valid or (piece.is_final and not self._validator.is_complete()):
            if self._decoder is None:
                raise _not_utf8(bytes(self._buffer) + payload)
            begun = self._decoder.getstate()[0]
            raise _not_utf8(begun + payload, self._text_bytes - len(begun))
        self._text_bytes += len(payload)
        if piece.is_final:
            self._validator = None

    def _add_whole(self, piece: Piece, payload: bytes) -> str | bytes | None:
        self._buffer += payload
        if not piece.is_final:
            return None
        buffer, self._buffer = self._buffer, bytearray()
        return buffer.decode() if piece.is_text else bytes(buffer)

    def _add_streaming(self, piece: Piece, payload: bytes) -> Fragment | None:
        data: str | bytes = payload
        if piece.is_text:
            assert self._decoder is not None, "the first piece of a text made it"
            data = self._decoder.decode(payload, piece.is_final)
        if piece.is_final:
            self._decoder = None
        if data or piece.is_first or piece.is_final:
            return Fragment(data, piece.is_first, piece.is_final)
        return None
