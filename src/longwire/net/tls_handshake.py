"""The TLS handshake of a connection in the reactor: who speaks on it before its real handler."""

from __future__ import annotations

import logging
from collections.abc import Callable

from longwire.net.link import Link, LinkHandler
from longwire.net.tls_link import TlsLink

__all__ = ["TlsHandshake"]

logger = logging.getLogger("longwire.net")


class TlsHandshake:
    """Completes the handshake within ``timeout_s``, then hands over to ``make_handler``'s.

    A client that breaks it gets TLS's own alert. Nothing of it reaches the application.
    """

    __slots__ = ("_link", "_make_handler", "_timeout_s")

    is_opening = True

    _link: TlsLink

    def __init__(
        self, make_handler: Callable[[Link], LinkHandler], timeout_s: float | None
    ) -> None:
        self._make_handler = make_handler
        self._timeout_s = timeout_s

    def link_made(self, link: Link) -> None:
        assert isinstance(link, TlsLink)
        self._link = link
        if self._timeout_s is not None:
            link.set_deadline(link.now() + self._timeout_s)

    def data_received(self, data: bytes | bytearray | memoryview) -> None:
        link, session = self._link, self._link.session
        early = session.shake_hands(bytes(data))
        if not session.is_established:
            return
        link.set_deadline(None)
        link.switch_handler(self._make_handler(link))
        if early and not link.is_closing:
            link.handler.data_received(early)

    def eof_received(self) -> None:
        self._link.abort()

    def link_lost(self, error: OSError | None) -> None:
        logger.debug("no TLS handshake with %s: %s", self._link.remote_address, error)

    def link_drained(self) -> None:
        pass

    def deadline_reached(self, now: float) -> None:
        logger.debug("no TLS handshake with %s in %s s", self._link.remote_address, self._timeout_s)
        self._link.abort()

    def shutdown(self) -> None:
        self._link.abort()
