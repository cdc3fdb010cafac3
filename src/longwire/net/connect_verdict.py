"""Why an attempt to connect failed, in the same shape as why a connection ended.

=======================  ========================================================================
code                     what happened
=======================  ========================================================================
handshake_unauthorized   401 or 407: credentials are missing or wrong
handshake_forbidden      403: this client, or its Origin, may not
handshake_not_found      404 or 410: nothing answers at this path
handshake_redirected     a redirect that was not followed
handshake_overloaded     429 or 503: later
handshake_server_error   another 5xx: the server, or a proxy before it, failed
handshake_no_websocket   the server answered, but speaks no WebSocket here
handshake_invalid        the answer was no proper handshake
connect_timeout          no answer in time
connect_refused          nobody listens there
connect_reset            the connection broke before the answer
name_unknown             the host name has no address
path_dead                the network does not lead there
tls_certificate          the server's certificate does not verify
tls_error                TLS failed in another way
bad_request              the attempt itself was wrong: a URI or an argument
connect_error            anything else
=======================  ========================================================================
"""

from __future__ import annotations

import errno
import socket
import ssl

from longwire.net.verdict import Verdict
from longwire.websocket.handshake import HandshakeError

__all__ = ["explain_connect_error"]

_STATUS_VERDICTS = {
    401: ("handshake_unauthorized", "Send the credentials that the server asks for."),
    407: ("handshake_unauthorized", "The proxy wants credentials."),
    403: ("handshake_forbidden", "Check the Origin and what this client may do."),
    404: ("handshake_not_found", "Check the path of the URI, and what a proxy makes of it."),
    410: ("handshake_not_found", "What was there is gone."),
    429: ("handshake_overloaded", "Come back later, and less often."),
    503: ("handshake_overloaded", "Come back later; the server starts, stops or is full."),
}

_PATH_ERRNOS = frozenset({errno.EHOSTUNREACH, errno.ENETUNREACH, errno.ENETDOWN, errno.EHOSTDOWN})


def explain_connect_error(error: BaseException) -> Verdict:
    """Say why ``connect`` raised ``error``."""
    if isinstance(error, HandshakeError):
        return _explain_refusal(error)
    text = str(error) or type(error).__name__
    if isinstance(error, ssl.SSLCertVerificationError):
        return Verdict(
            "tls_certificate",
            f"The server's certificate does not verify: {error.verify_message}.",
            "Trust its authority (ssl=), ask for the name that it is for (server_hostname=), or"
            " renew it.",
        )
    if isinstance(error, ssl.SSLError):
        return Verdict(
            "tls_error",
            f"TLS failed: {getattr(error, 'reason', None) or text}.",
            "Check that this port speaks TLS: wss:// here, ws:// for plain ones.",
        )
    if isinstance(error, socket.gaierror):
        return Verdict("name_unknown", f"The host name has no address: {text}.", "Check the name.")
    if isinstance(error, ConnectionRefusedError):
        return Verdict(
            "connect_refused", f"Nobody listens there: {text}.", "Check host, port and the server."
        )
    if isinstance(error, TimeoutError):
        return Verdict(
            "connect_timeout",
            f"There was no answer in time: {text}.",
            "A firewall may swallow the packets, or the server may be busy.",
        )
    if isinstance(error, ConnectionError):
        return Verdict(
            "connect_reset",
            f"The connection broke before the answer: {text}.",
            "A proxy or firewall between may have cut it, or the port speaks something else.",
        )
    if isinstance(error, OSError) and error.errno in _PATH_ERRNOS:
        return Verdict("path_dead", f"The network does not lead there: {text}.")
    if isinstance(error, (ValueError, TypeError)):
        return Verdict("bad_request", text)
    return Verdict("connect_error", f"Connecting failed: {text}.")


def _explain_refusal(error: HandshakeError) -> Verdict:
    sentence = error.message[:1].upper() + error.message[1:]
    if not sentence.endswith("."):
        sentence += "."
    if error.status in _STATUS_VERDICTS:
        code, hint = _STATUS_VERDICTS[error.status]
        return Verdict(code, sentence, hint)
    if error.status == 101:
        return Verdict("handshake_invalid", sentence, "Something between changed the answer.")
    if 300 <= error.status <= 399:
        return Verdict("handshake_redirected", sentence)
    if 500 <= error.status <= 599:
        return Verdict("handshake_server_error", sentence, "The server's log has more.")
    return Verdict(
        "handshake_no_websocket",
        sentence,
        "Check the path; a proxy on the way must pass Upgrade and Connection on.",
    )
