"""Why a connection ended: one code, one sentence, one hint, out of the evidence.

The rules are a pure function, read from the top; the first that fits decides. The codes are stable:
programs may compare them.

=====================  ==========================================================================
code                   what happened
=====================  ==========================================================================
clean                  the peer closed with 1000 or without a code, and we answered
closed_by_us           we closed, and the peer answered
going_away             the peer closed with 1001: a server stops, a browser leaves the page
service_restart        the peer closed with 1012; come back soon
try_again_later        the peer closed with 1013; it is overloaded
peer_said_error        the peer closed with a code that names an error
peer_protocol_error    the peer broke the protocol, and we failed the connection
our_limit              something was over one of our limits, and we failed the connection
our_error              our own code failed, and we closed with 1011
peer_process_stuck     the peer's kernel acknowledges our bytes, its process does not answer
path_dead              our bytes are not acknowledged: the network, or the whole machine, is gone
peer_silent            nobody answers pings, and the kernel cannot tell which of these two it is
close_timeout          we closed, and the peer answered neither with its Close nor by hanging up
reset_by_peer          the peer's kernel reset the connection
no_close_frame         the peer ended the transport in order, without a Close frame
own_loop_blocked       our own event loop did not run, and the peer gave us up meanwhile
aborted_by_us          we dropped the connection without a closing handshake
tls_error              TLS failed
link_error             the transport failed in another way
=====================  ==========================================================================
"""

from __future__ import annotations

import errno
import ssl
from dataclasses import dataclass
from typing import Literal

from longwire.base.codes import close_code_name
from longwire.base.errors import LimitError, ProtocolError
from longwire.net.evidence import Evidence
from longwire.net.kernel import TcpInfo
from longwire.websocket.closing import Close

__all__ = ["Ending", "Verdict", "judge"]

BLOCKED_S_MIN = 1.0
"""A block of our own loop shorter than this is not what a peer gives up over."""

PROBES_UNANSWERED_MIN = 2
"""Window probes without an answer from which the path, and not the peer's process, is silent."""

_RESET_ERRNOS = frozenset({errno.ECONNRESET, errno.EPIPE, errno.ECONNABORTED, errno.ESHUTDOWN})
_PATH_ERRNOS = frozenset(
    {
        errno.ETIMEDOUT,
        errno.EHOSTUNREACH,
        errno.ENETUNREACH,
        errno.ENETDOWN,
        errno.EHOSTDOWN,
        errno.ENETRESET,
    }
)
# What peers write in a Close frame when they heard nothing from us for too long.
_SILENCE_WORDS = ("ping", "pong", "keepalive", "keep-alive", "heartbeat", "timeout", "timed out")
_NORMAL_CODES = frozenset({1000, 1005})
_POLITE_VERDICTS = {1001: "going_away", 1012: "service_restart", 1013: "try_again_later"}


@dataclass(frozen=True, slots=True)
class Verdict:
    """Why a connection ended."""

    code: str
    sentence: str
    """For people: what happened."""
    hint: str = ""
    """What to look at or to change; empty when nothing is wrong."""

    def __str__(self) -> str:
        return f"{self.code}: {self.sentence}" + (f" {self.hint}" if self.hint else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How the WebSocket connection itself ended."""

    received: Close | None
    sent: Close | None
    initiator: Literal["local", "remote"] | None
    failure: ProtocolError | None


def judge(ending: Ending, evidence: Evidence) -> Verdict:
    """Say why the connection ended."""
    if evidence.has_keepalive_expired:
        return _judge_silence(evidence)
    if ending.failure is not None:
        return _judge_failure(ending.failure)
    if ending.received is not None:
        return _judge_close_frame(ending, ending.received, evidence)
    if evidence.link_error is not None:
        return _judge_link_error(evidence.link_error, evidence)
    if evidence.link_end == "eof":
        return _judge_eof(ending, evidence)
    if ending.sent is not None:
        return _judge_unanswered_close(evidence)
    return Verdict(
        "aborted_by_us",
        "The connection was dropped by us without a closing handshake.",
        "This happens when a drain runs out of time or the program ends.",
    )


def _judge_silence(evidence: Evidence) -> Verdict:
    """Nobody answered our ping, or took what we sent, in time: whose silence is it?"""
    if evidence.reading_paused and not _is_path_dead(evidence.tcp):
        return Verdict(
            "peer_process_stuck",
            f"The peer took nothing of what we sent, of which {evidence.bytes_unsent} bytes wait,"
            " while we did not read from it.",
            "Its process does not read: it is stopped or blocked, or it only ever sends.",
        )
    age = "" if evidence.last_ping_age_s is None else f" sent {evidence.last_ping_age_s:.1f} s ago"
    path = _is_path_dead(evidence.tcp)
    if path is None and not evidence.is_local_socket:
        return Verdict(
            "peer_silent",
            f"The peer did not answer the ping{age}.",
            "This system's kernel does not say whether the path or the peer's process is silent.",
        )
    if path:
        return Verdict(
            "path_dead",
            f"The ping{age} was not even acknowledged by the peer's kernel ({evidence.tcp}).",
            "The network between us is broken, a NAT or firewall forgot the connection, or the"
            " peer's machine is gone. Reconnect.",
        )
    return Verdict(
        "peer_process_stuck",
        f"The peer's kernel took the ping{age}, but its process did not answer.",
        "The peer's process is stopped, swapped out, deadlocked, or its event loop is blocked.",
    )


def _is_path_dead(tcp: TcpInfo | None) -> bool | None:
    """Tell whether our bytes fail to reach the peer's kernel; ``None`` when nobody knows."""
    if tcp is None:
        return None
    if tcp.snd_wnd == 0 and tcp.unacked == 0:
        # RFC 9293 section 3.8.6.1: a peer that does not read closes its window, and its kernel
        # goes on to answer probes.
        return tcp.probes >= PROBES_UNANSWERED_MIN
    return tcp.unacked > 0 or tcp.retransmits > 0 or tcp.backoff > 0


def _judge_failure(failure: ProtocolError) -> Verdict:
    if isinstance(failure, LimitError):
        return Verdict(
            "our_limit",
            f"The peer went over our limit {failure.limit_name}: {failure.message}.",
            f"Raise {failure.limit_name} if the peer is right.",
        )
    if failure.side == "remote":
        return Verdict(
            "peer_protocol_error",
            f"The peer broke the protocol: {failure.message} (we closed with {failure.code}).",
            "The fault is in the peer's implementation, or in something between that is no"
            " WebSocket proxy.",
        )
    return Verdict(
        "our_error",
        f"Our own code failed: {failure.message} (we closed with {failure.code}).",
        "The log has the traceback.",
    )


def _judge_close_frame(ending: Ending, received: Close, evidence: Evidence) -> Verdict:
    text = f"{received.code} ({close_code_name(received.code)})"
    if received.reason:
        text += f' "{received.reason}"'
    if ending.initiator == "local":
        code = ending.sent.code if ending.sent is not None else 1005
        return Verdict("closed_by_us", f"We closed with {code}, and the peer answered {text}.")
    if received.code in _NORMAL_CODES:
        return Verdict("clean", f"The peer closed with {text}.")
    if received.code in _POLITE_VERDICTS:
        return Verdict(
            _POLITE_VERDICTS[received.code],
            f"The peer closed with {text}.",
            "Reconnect after a short, random wait.",
        )
    # RFC 6455 section 7.4.1: 1011 is what peers send when a keepalive fails.
    reason = received.reason.lower()
    if received.code in (1002, 1006, 1008, 1011) or received.code >= 3000:
        is_about_silence = not reason or any(word in reason for word in _SILENCE_WORDS)
        blocked = _judge_own_block(evidence, f"the peer closed with {text}")
        if blocked is not None and is_about_silence:
            return blocked
    return Verdict(
        "peer_said_error",
        f"The peer closed with {text}.",
        "The reason stands in the peer's log.",
    )


def _judge_own_block(evidence: Evidence, what: str) -> Verdict | None:
    block = evidence.loop_block
    if block is None or block.duration_s < BLOCKED_S_MIN:
        return None
    return Verdict(
        "own_loop_blocked",
        f"Our own event loop did not run for {block.duration_s:.1f} s, in which time {what}.",
        "Something blocked the loop (a long computation, a blocking call, a stopped process)."
        " Move it to a thread or process; asyncio's debug mode names slow callbacks.",
    )


def _judge_link_error(error: OSError, evidence: Evidence) -> Verdict:
    if isinstance(error, ssl.SSLError):
        return Verdict(
            "tls_error",
            f"TLS failed: {getattr(error, 'reason', None) or error}.",
            "Something between broke the stream, or the peer's TLS is at fault.",
        )
    if error.errno in _RESET_ERRNOS or isinstance(error, ConnectionError):
        blocked = _judge_own_block(evidence, "the peer reset the connection")
        return blocked or Verdict(
            "reset_by_peer",
            f"The peer's kernel reset the connection ({error.strerror or error}).",
            "The peer's process died or dropped the connection, or a proxy or firewall between"
            " cut it.",
        )
    if error.errno in _PATH_ERRNOS or isinstance(error, TimeoutError):
        return Verdict(
            "path_dead",
            f"The network gave up: {error.strerror or error}.",
            "The network between us is broken, or the peer's machine is gone. Reconnect.",
        )
    return Verdict("link_error", f"The transport failed: {error!r}.")


def _judge_eof(ending: Ending, evidence: Evidence) -> Verdict:
    what = "the peer ended TCP without a Close frame"
    if ending.sent is not None:
        return Verdict(
            "no_close_frame",
            f"We closed with {ending.sent.code}, and {what}.",
            "RFC 6455 section 5.5.1 asks for a Close frame in answer; many peers just hang up.",
        )
    return _judge_own_block(evidence, what) or Verdict(
        "no_close_frame",
        f"{what[0].upper()}{what[1:]}.",
        "The peer's process ended or dropped the connection, or a proxy between timed out an"
        " idle connection: compare its idle limit with ping_interval.",
    )


def _judge_unanswered_close(evidence: Evidence) -> Verdict:
    if _is_path_dead(evidence.tcp):
        return Verdict(
            "path_dead",
            f"Our Close frame was not even acknowledged by the peer's kernel ({evidence.tcp}).",
            "The network between us is broken, or the peer's machine is gone.",
        )
    return Verdict(
        "close_timeout",
        "The peer did not answer our Close frame in time.",
        "Its process is busy or stuck, or it still sends what came before its Close frame.",
    )
