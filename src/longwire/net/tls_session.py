# cython: annotation_typing=False, auto_pickle=False
"""TLS of a server as bytes in, bytes out: what stands between a descriptor and a handler.

The standard library's ``ssl`` does the work, over memory instead of a socket. All sessions of an
event loop share one pair of memory BIOs, because each takes out at once all that it put in: an idle
session keeps OpenSSL's own state and no buffer.
"""

from __future__ import annotations

import ssl

__all__ = ["RECORD_BYTES_MAX", "TlsBuffers", "TlsSession"]

RECORD_BYTES_MAX = 16 * 1024
"""What one record holds at most (RFC 8446 section 5.1)."""

_RECORD_BYTES_MAX = RECORD_BYTES_MAX


class TlsBuffers:
    """What came from a peer and what goes there, while one session works on it."""

    __slots__ = ("incoming", "outgoing")

    def __init__(self) -> None:
        self.incoming = ssl.MemoryBIO()
        self.outgoing = ssl.MemoryBIO()


class TlsSession:
    """The server's end of one TLS connection.

    Nothing raises for what the peer does: a broken rule sets ``failure``, and what the peer has to
    be told about it, an alert, lies in ``output``.
    """

    __slots__ = (
        "_buffers",
        "failure",
        "has_peer_closed",
        "is_closed",
        "is_established",
        "output",
        "tls",
    )

    def __init__(self, context: ssl.SSLContext, buffers: TlsBuffers) -> None:
        self._buffers = buffers
        self.tls = context.wrap_bio(buffers.incoming, buffers.outgoing, server_side=True)
        self.output = b""
        """Bytes for the network; who sends them takes them away."""
        self.is_established = False
        """Whether the handshake is complete."""
        self.has_peer_closed = False
        """Whether the peer said that it sends no more."""
        self.is_closed = False
        """Whether we said so."""
        self.failure: ssl.SSLError | None = None
        """Which rule the peer broke; nothing works after that."""

    def shake_hands(self, data: bytes) -> bytes:
        """Take in what the peer sent; return what came right behind the handshake, decrypted."""
        self._buffers.incoming.write(data)
        try:
            self.tls.do_handshake()
            self.is_established = True
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError as error:
            self._fail(error)
        self._take_output()
        return self.decrypt(b"") if self.is_established else b""

    def decrypt(self, data: bytes) -> bytes:
        """Take in what the peer sent; return what the records hold that are whole now."""
        incoming = self._buffers.incoming
        pieces: list[bytes] = []
        if data:
            incoming.write(data)
        try:
            # Each call reads one record, and leaves nothing of it.
            while incoming.pending:
                piece = self.tls.read(_RECORD_BYTES_MAX)
                if not piece:
                    self.has_peer_closed = True
                    break
                pieces.append(piece)
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLZeroReturnError:
            self.has_peer_closed = True
        except ssl.SSLError as error:
            self._fail(error)
        if incoming.pending:
            incoming.read()  # whatever follows the end
        self._take_output()
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def encrypt(self, data: bytes | memoryview) -> None:
        """Add the records that hold ``data`` to ``output``."""
        try:
            self.tls.write(data)
        except ssl.SSLError as error:
            self._fail(error)
        self._take_output()

    def close(self) -> None:
        """Say that nothing more comes (RFC 8446 section 6.1); the peer may go on."""
        if self.is_closed or self.failure is not None or not self.is_established:
            return
        self.is_closed = True
        try:
            self.tls.unwrap()
        except ssl.SSLError:
            pass  # it would wait for the peer to say the same, which is not owed to us
        self._take_output()

    def _fail(self, error: ssl.SSLError) -> None:
        self.failure = error
        self._buffers.incoming.read()

    def _take_output(self) -> None:
        outgoing = self._buffers.outgoing
        if outgoing.pending:
            self.output += outgoing.read()
