"""Whether a failed attempt to connect is worth another one, and when.

Full jitter: each wait is drawn evenly between zero and a limit that doubles, so that a thousand
clients which lost one server do not come back in one second.
"""

from __future__ import annotations

import random
import ssl
import time
from collections.abc import Callable, Iterator
from email.utils import parsedate_to_datetime

from longwire.base.errors import LongwireError
from longwire.net.closed import ConnectionClosed
from longwire.websocket.handshake import HandshakeError

__all__ = [
    "LIVED_S_MIN",
    "RETRY_AFTER_S_MAX",
    "has_come_back_hint",
    "is_retryable",
    "jittered_delays",
    "parse_retry_after",
    "retry_after_s",
]

LIVED_S_MIN = 5.0
"""A connection that lived this long is tried again at once after it broke."""

RETRY_AFTER_S_MAX = 300.0
"""A server's Retry-After is honoured up to here."""

DELAY_FIRST_S = 1.0
DELAY_S_MAX = 30.0

# TLS errors that are the network's: the peer hung up in the middle.
_TLS_HANGUPS = (ssl.SSLEOFError, ssl.SSLZeroReturnError, ssl.SSLSyscallError)

_HERD_VERDICTS = frozenset({"going_away", "service_restart", "try_again_later"})


def is_retryable(error: Exception) -> bool:
    """Tell whether the same attempt may succeed later.

    The network's failures, time-outs, and the statuses 408, 425, 429 and 5xx may; another status,
    a certificate that does not verify, and a bad URI or argument will not.
    """
    if isinstance(error, HandshakeError):
        return error.status in (408, 425, 429) or 500 <= error.status <= 599
    if isinstance(error, ConnectionClosed):
        return True
    if isinstance(error, ssl.SSLError):
        return isinstance(error, _TLS_HANGUPS)
    if isinstance(error, LongwireError):
        return False
    return isinstance(error, (OSError, EOFError, TimeoutError))


def retry_after_s(error: Exception, unix_time: Callable[[], float] = time.time) -> float | None:
    """Return the wait in seconds that a refusal asks for (RFC 9110 section 10.2.3), or ``None``."""
    value = error.headers.get("Retry-After") if isinstance(error, HandshakeError) else None
    return parse_retry_after(value, unix_time)


def parse_retry_after(
    value: str | None, unix_time: Callable[[], float] = time.time
) -> float | None:
    """Return the wait in seconds that the value of Retry-After means, ``None`` if it is none."""
    if value is None:
        return None
    value = value.strip()
    if value.isascii() and value.isdigit():
        wait_s = float(value)
    else:
        try:
            wait_s = parsedate_to_datetime(value).timestamp() - unix_time()
        except (ValueError, OverflowError):
            return None
    return min(max(0.0, wait_s), RETRY_AFTER_S_MAX)


def has_come_back_hint(verdict_code: str) -> bool:
    """Tell whether the server sent everyone away at once, so that all come back together."""
    return verdict_code in _HERD_VERDICTS


def jittered_delays(
    first_s: float = DELAY_FIRST_S, maximum_s: float = DELAY_S_MAX
) -> Iterator[float]:
    """Yield the waits between attempts, in seconds, without end."""
    limit_s = first_s
    while True:
        yield random.uniform(0.0, limit_s)
        limit_s = min(limit_s * 2, maximum_s)
