"""What is worth another attempt, and when."""

from __future__ import annotations

import itertools
import socket
import ssl

import pytest

from longwire.base.errors import ProtocolError
from longwire.net.retry import (
    RETRY_AFTER_S_MAX,
    has_come_back_hint,
    is_retryable,
    jittered_delays,
    retry_after_s,
)
from longwire.websocket.handshake import HandshakeError, UriError


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (HandshakeError(500, "x"), True),
        (HandshakeError(503, "x"), True),
        (HandshakeError(429, "x"), True),
        (HandshakeError(408, "x"), True),
        (HandshakeError(400, "x"), False),
        (HandshakeError(404, "x"), False),
        (HandshakeError(101, "wrong accept"), False),
        (ConnectionRefusedError(), True),
        (ConnectionResetError(), True),
        (TimeoutError(), True),
        (socket.gaierror(socket.EAI_AGAIN, "x"), True),
        (ssl.SSLEOFError(8, "x"), True),
        (ssl.SSLCertVerificationError(1, "x"), False),
        (ssl.SSLError(1, "wrong version number"), False),
        (UriError("x"), False),
        (ProtocolError(1002, "x"), False),
        (ValueError("x"), False),
        (ZeroDivisionError(), False),
    ],
)
def test_retryable_errors(error: Exception, expected: bool) -> None:
    assert is_retryable(error) is expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("0", 0.0),
        (" 120 ", 120.0),
        ("99999999", RETRY_AFTER_S_MAX),
        ("Sun, 06 Nov 1994 08:49:37 GMT", 37.0),
        ("Sun, 06 Nov 1994 08:48:00 GMT", 0.0),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
        ("1 Jan 2020 99999999999999999999:0:0", None),
        ("", None),
    ],
)
def test_9110_10_2_3_retry_after(value: str, expected: float | None) -> None:
    error = HandshakeError(503, "x", [("Retry-After", value)])
    assert retry_after_s(error, lambda: 784111740.0) == expected


def test_retry_after_of_other_errors_is_none() -> None:
    assert retry_after_s(HandshakeError(503, "x")) is None
    assert retry_after_s(OSError()) is None


def test_delays_are_drawn_from_a_range_that_doubles_up_to_a_limit() -> None:
    series = [list(itertools.islice(jittered_delays(1.0, 30.0), 10)) for _ in range(500)]
    for position, limit_s in enumerate([1, 2, 4, 8, 16, 30, 30, 30, 30, 30]):
        drawn = [delays[position] for delays in series]
        assert all(0 <= delay_s <= limit_s for delay_s in drawn)
        # Full jitter: the whole range is used, its lower part too.
        assert min(drawn) < limit_s * 0.1
        assert max(drawn) > limit_s * 0.9


def test_herd_hints() -> None:
    assert has_come_back_hint("service_restart")
    assert has_come_back_hint("going_away")
    assert not has_come_back_hint("reset_by_peer")
