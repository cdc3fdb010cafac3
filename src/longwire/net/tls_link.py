# cython: annotation_typing=False, auto_pickle=False
"""One TLS connection in the reactor: a ``ReactorLink`` whose bytes are a session's records.

What is written stays held as it is until the records that carry it have left, at most
``ENCRYPT_BYTES_MAX`` of it at a time: so ``held_bytes`` means the same as without TLS, and a peer
that takes nothing costs no second copy of what waits for it.
"""

from __future__ import annotations

import errno
import ssl
from collections.abc import Callable
from typing import TYPE_CHECKING

from longwire.net.link import Address
from longwire.net.reactor_link import ReactorLink
from longwire.net.socket_calls import SocketCalls
from longwire.net.tls_session import TlsSession

if TYPE_CHECKING:
    from longwire.net.reactor import Reactor

__all__ = ["ENCRYPT_BYTES_MAX", "OUTPUT_BYTES_MAX", "TlsLink"]

ENCRYPT_BYTES_MAX = 64 * 1024
"""What is encrypted at once, before the network has taken what was encrypted earlier."""

OUTPUT_BYTES_MAX = 256 * 1024
"""What waits at most for a peer that makes TLS answer (a new key, say) and does not read."""

_ENCRYPT_BYTES_MAX = ENCRYPT_BYTES_MAX


class TlsLink(ReactorLink):
    """A ``Link`` on a descriptor that the reactor watches, encrypted.

    Until ``session.is_established`` its handler is the one that shakes hands and gets the peer's
    bytes as they are; from then on what they hold.
    """

    __slots__ = ("_encrypted_bytes", "_sent_output", "session")

    def __init__(
        self,
        reactor: Reactor,
        calls: SocketCalls,
        descriptor: int,
        peer: Address | bytes,
        on_lost: Callable[[ReactorLink], None] | None,
        session: TlsSession,
    ) -> None:
        super().__init__(reactor, calls, descriptor, peer, on_lost)
        self.session = session
        # Of what is pending, so many bytes are in the session's output already...
        self._encrypted_bytes = 0
        # ... of which the network has taken so many.
        self._sent_output = 0

    @property
    def tls(self) -> ssl.SSLObject | None:
        return self.session.tls

    # -- in ---------------------------------------------------------------------------------

    def _receive(self) -> None:
        if not self.session.is_established and not self._reactor.may_shake_hands():
            return  # epoll says it again in the next batch
        ReactorLink._receive(self)
        self._follow_session()

    def _take_some(self) -> bytes | None:
        session = self.session
        data = ReactorLink._take_some(self)
        if not data or not session.is_established:
            return data
        plain = session.decrypt(data)
        if not plain and session.has_peer_closed:
            return b""
        return plain or None

    def _follow_session(self) -> None:
        """Do what the session asks for behind the bytes that it gave."""
        session = self.session
        if session.output and not self._is_blocked and not self._is_ending:
            self._send_pending()
        if session.failure is not None:
            self._is_closing = True
            self._end_soon(session.failure)
        elif len(session.output) > OUTPUT_BYTES_MAX:
            self._is_closing = True
            self._end_soon(
                OSError(errno.ENOBUFS, f"over {OUTPUT_BYTES_MAX} bytes of TLS wait for the peer")
            )
        elif session.has_peer_closed and not (
            self._has_eof or self._is_closing or self.is_reading_paused
        ):
            self._deliver(b"")

    def resume_reading(self) -> None:
        ReactorLink.resume_reading(self)
        if self.session.has_peer_closed:
            # No event of the descriptor will say it: the peer may wait for us to close.
            self._reactor.state.loop.call_soon(self._follow_session)

    # -- out --------------------------------------------------------------------------------

    def can_write_alone(self) -> bool:
        """Never: the socket is only given what is encrypted."""
        return False

    def write_alone(self, buffer: bytes) -> int:
        if self._is_in_burst or self._is_corked or self._held > 0:
            self.write_all([buffer])
        elif not self._is_closing and not self._is_eof_wanted:
            self._pending = [buffer]
            self._held = len(buffer)
            self._is_over_high = self._held > self._write_high
            self._send_pending()
        return self._held

    def write_eof(self) -> None:
        if not self._pending:
            self.session.close()
        ReactorLink.write_eof(self)

    def close(self) -> None:
        if not self._pending:
            self.session.close()
        ReactorLink.close(self)

    def _has_unsent(self) -> bool:
        return bool(self._pending) or bool(self.session.output)

    def _send_some(self) -> None:
        session = self.session
        while True:
            if session.output and not self._send_output():
                return
            if self._encrypted_bytes:
                self._forget_sent(self._encrypted_bytes)
                self._encrypted_bytes = 0
            if self._pending:
                self._encrypt_some()
            elif self._is_closing or self._is_eof_wanted:
                session.close()
            if not session.output:
                return

    def _send_output(self) -> bool:
        """Send what the session has for the network; return whether all of it left."""
        output = self.session.output
        self._sent_output += self.calls.send(self.descriptor, [output], self._sent_output)
        if self._sent_output < len(output):
            return False
        self.session.output = b""
        self._sent_output = 0
        return True

    def _encrypt_some(self) -> None:
        """Encrypt what is pending first: small buffers together, a large one by parts."""
        pending = self._pending
        assert pending is not None
        first = pending[0]
        data: bytes | memoryview
        if self._skipped or len(first) >= _ENCRYPT_BYTES_MAX:
            data = memoryview(first)[self._skipped : self._skipped + _ENCRYPT_BYTES_MAX]
        else:
            together: list[bytes] = []
            size = 0
            for buffer in pending:
                size += len(buffer)
                if size > _ENCRYPT_BYTES_MAX:
                    break
                together.append(buffer)
            data = together[0] if len(together) == 1 else b"".join(together)
        self.session.encrypt(data)
        self._encrypted_bytes = len(data)

    def _drop_pending(self) -> None:
        ReactorLink._drop_pending(self)
        self.session.output = b""
        self._encrypted_bytes = self._sent_output = 0
