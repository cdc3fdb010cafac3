"""Reasons of the stack as the ``errno`` that Linux gives for them."""

from __future__ import annotations

import errno

from longwire.tcpip.reasons import Reason

__all__ = ["errno_of"]

_NUMBERS = {
    Reason.TCP_REFUSED: errno.ECONNREFUSED,
    Reason.TCP_RESET_RECEIVED: errno.ECONNRESET,
    Reason.TCP_ABORTED: errno.ECONNABORTED,
    Reason.TCP_LISTENER_CLOSED: errno.ECONNABORTED,
    Reason.TCP_RETRANSMISSION_LIMIT: errno.ETIMEDOUT,
    Reason.TCP_USER_TIMEOUT: errno.ETIMEDOUT,
    Reason.TCP_KEEPALIVE_LIMIT: errno.ETIMEDOUT,
    Reason.TCP_ICMP_HARD_ERROR: errno.EHOSTUNREACH,
    Reason.TCP_PORT_TAKEN: errno.EADDRINUSE,
    Reason.UDP_PORT_TAKEN: errno.EADDRINUSE,
    Reason.PORTS_EXHAUSTED: errno.EADDRNOTAVAIL,
    Reason.NO_ROUTE: errno.ENETUNREACH,
    Reason.NO_SOURCE_ADDRESS: errno.EADDRNOTAVAIL,
    Reason.TCP_TO_MANY: errno.ENETUNREACH,
    Reason.PACKET_TOO_BIG: errno.EMSGSIZE,
    Reason.SOCKET_NOT_CONNECTED: errno.EDESTADDRREQ,
    Reason.SOCKET_CLOSED: errno.EPIPE,
}


def errno_of(reason: Reason) -> int:
    """Return the number for ``reason``; EPROTO for one that no application is told."""
    return _NUMBERS.get(reason, errno.EPROTO)
