"""Every failure of connect has a code; the errors are the ones that connect raises."""

from __future__ import annotations

import errno
import re
import socket
import ssl

import pytest

import longwire.net.connect_verdict as module
from longwire.net.connect_verdict import explain_connect_error
from longwire.websocket.handshake import HandshakeError, UriError

CERTIFICATE_ERROR = ssl.SSLCertVerificationError(1, "certificate verify failed")
CERTIFICATE_ERROR.verify_message = "self-signed certificate"

CASES = [
    (HandshakeError(401, "who?"), "handshake_unauthorized"),
    (HandshakeError(407, "who?"), "handshake_unauthorized"),
    (HandshakeError(403, "no"), "handshake_forbidden"),
    (HandshakeError(404, "no"), "handshake_not_found"),
    (HandshakeError(410, "no"), "handshake_not_found"),
    (HandshakeError(302, "there"), "handshake_redirected"),
    (HandshakeError(310, "too many"), "handshake_redirected"),
    (HandshakeError(429, "slow down"), "handshake_overloaded"),
    (HandshakeError(503, "later"), "handshake_overloaded"),
    (HandshakeError(500, "oops"), "handshake_server_error"),
    (HandshakeError(502, "oops"), "handshake_server_error"),
    (HandshakeError(200, "a page"), "handshake_no_websocket"),
    (HandshakeError(400, "not HTTP"), "handshake_no_websocket"),
    (HandshakeError(426, "upgrade"), "handshake_no_websocket"),
    (HandshakeError(101, "wrong accept"), "handshake_invalid"),
    (TimeoutError("connecting took longer"), "connect_timeout"),
    (ConnectionRefusedError(errno.ECONNREFUSED, "refused"), "connect_refused"),
    (ConnectionResetError("the server ended"), "connect_reset"),
    (socket.gaierror(socket.EAI_NONAME, "unknown"), "name_unknown"),
    (OSError(errno.EHOSTUNREACH, "no route"), "path_dead"),
    (CERTIFICATE_ERROR, "tls_certificate"),
    (ssl.SSLError(1, "wrong version number"), "tls_error"),
    (UriError("no URI"), "bad_request"),
    (RuntimeError("else"), "connect_error"),
]


@pytest.mark.parametrize(("error", "code"), CASES)
def test_error_is_explained(error: BaseException, code: str) -> None:
    verdict = explain_connect_error(error)
    assert verdict.code == code
    assert verdict.sentence.endswith((".", "I"))


def test_every_documented_code_is_shown_here() -> None:
    documented = set(re.findall(r"^([a-z_]+)  ", module.__doc__ or "", re.MULTILINE)) - {"code"}
    assert documented == {code for _, code in CASES}
