"""Every rule of the verdict, on made-up evidence; the faults themselves are caused elsewhere."""

from __future__ import annotations

import errno
import re
import ssl
from dataclasses import replace
from typing import Any

import pytest

import longwire.net.verdict as verdict_module
from longwire.base.errors import LimitError, ProtocolError
from longwire.net.closed import Closed, ConnectionClosedError, ConnectionClosedOK
from longwire.net.evidence import Evidence
from longwire.net.kernel import TcpInfo
from longwire.net.loop_lag import Block
from longwire.net.verdict import Ending, judge
from longwire.websocket.closing import Close

HEALTHY = TcpInfo(
    state="ESTABLISHED",
    retransmits=0,
    probes=0,
    backoff=0,
    unacked=0,
    lost=0,
    retrans=0,
    total_retrans=0,
    rto_s=0.2,
    rtt_s=0.01,
    rtt_variance_s=0.001,
    last_data_sent_age_s=1.0,
    last_data_received_age_s=1.0,
    last_ack_received_age_s=1.0,
    snd_mss=1448,
    snd_cwnd=10,
    unsent_bytes=0,
    snd_wnd=65535,
)
NOTHING = Ending(received=None, sent=None, initiator=None, failure=None)
SILENT = replace(NOTHING, failure=ProtocolError(1011, "no pong"), sent=Close(1011, ""))
BLOCK = Block(duration_s=3.0, ended_s=10.0)


def evidence(**changes: Any) -> Evidence:
    return Evidence(**{"link_end": "open", "tcp": HEALTHY, **changes})


def code_of(ending: Ending, **changes: Any) -> str:
    return judge(ending, evidence(**changes)).code


def remote_close(code: int, reason: str = "") -> Ending:
    close = Close(code, reason)
    return Ending(received=close, sent=close, initiator="remote", failure=None)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "peer_process_stuck"),
        ({"unacked": 1}, "path_dead"),
        ({"unacked": 3, "retransmits": 4, "backoff": 4, "lost": 3}, "path_dead"),
        ({"retransmits": 1}, "path_dead"),
        ({"total_retrans": 50}, "peer_process_stuck"),  # lost packets of long ago
        ({"snd_wnd": 0, "unsent_bytes": 90_000}, "peer_process_stuck"),
        ({"snd_wnd": 0, "probes": 1, "backoff": 3}, "peer_process_stuck"),
        ({"snd_wnd": 0, "probes": 2, "backoff": 2}, "path_dead"),
        ({"snd_wnd": None, "unsent_bytes": None}, "peer_process_stuck"),
    ],
)
def test_silence_is_judged_by_the_kernel(changes: dict[str, Any], expected: str) -> None:
    tcp = replace(HEALTHY, **changes)
    assert code_of(SILENT, has_keepalive_expired=True, tcp=tcp) == expected


def test_silence_without_figures() -> None:
    assert code_of(SILENT, has_keepalive_expired=True, tcp=None) == "peer_silent"
    assert (
        code_of(SILENT, has_keepalive_expired=True, tcp=None, is_local_socket=True)
        == "peer_process_stuck"
    )


def test_failures_tell_who_is_at_fault() -> None:
    limit = replace(NOTHING, failure=LimitError(1009, "message_bytes_max", 11, 10))
    verdict = judge(limit, evidence())
    assert verdict.code == "our_limit"
    assert "message_bytes_max" in verdict.sentence and "message_bytes_max" in verdict.hint
    assert code_of(replace(NOTHING, failure=ProtocolError(1002, "x"))) == "peer_protocol_error"
    local = ProtocolError(1011, "x", side="local")
    assert code_of(replace(NOTHING, failure=local)) == "our_error"


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (1000, "clean"),
        (1005, "clean"),
        (1001, "going_away"),
        (1012, "service_restart"),
        (1013, "try_again_later"),
        (1002, "peer_said_error"),
        (1008, "peer_said_error"),
        (1011, "peer_said_error"),
        (4999, "peer_said_error"),
    ],
)
def test_close_frames_of_the_peer(code: int, expected: str) -> None:
    assert code_of(remote_close(code, "why")) == expected


def test_own_block_explains_what_peers_do_out_of_impatience() -> None:
    impatient = remote_close(1011, "keepalive ping timeout")
    assert code_of(impatient, loop_block=BLOCK) == "own_loop_blocked"
    assert code_of(remote_close(1011), loop_block=BLOCK) == "own_loop_blocked"
    assert code_of(NOTHING, link_end="eof", loop_block=BLOCK) == "own_loop_blocked"
    error = ConnectionResetError(errno.ECONNRESET, "reset")
    assert (
        code_of(NOTHING, link_end="error", link_error=error, loop_block=BLOCK) == "own_loop_blocked"
    )


def test_own_block_does_not_explain_everything() -> None:
    assert code_of(remote_close(1000), loop_block=BLOCK) == "clean"
    assert code_of(remote_close(1011, "division by zero"), loop_block=BLOCK) == "peer_said_error"
    short = Block(duration_s=0.6, ended_s=10.0)
    assert code_of(NOTHING, link_end="eof", loop_block=short) == "no_close_frame"


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (ConnectionResetError(errno.ECONNRESET, "x"), "reset_by_peer"),
        (BrokenPipeError(errno.EPIPE, "x"), "reset_by_peer"),
        (TimeoutError(errno.ETIMEDOUT, "x"), "path_dead"),
        (OSError(errno.EHOSTUNREACH, "x"), "path_dead"),
        (OSError(errno.ENETUNREACH, "x"), "path_dead"),
        (ssl.SSLError(1, "[SSL] bad record mac"), "tls_error"),
        (OSError(errno.EIO, "x"), "link_error"),
    ],
)
def test_errors_of_the_transport(error: OSError, expected: str) -> None:
    assert code_of(NOTHING, link_end="error", link_error=error) == expected


def test_our_own_close() -> None:
    sent = Close(1000, "")
    answered = Ending(received=sent, sent=sent, initiator="local", failure=None)
    assert code_of(answered) == "closed_by_us"
    unanswered = Ending(received=None, sent=sent, initiator="local", failure=None)
    assert code_of(unanswered, link_end="aborted_by_us") == "close_timeout"
    assert (
        code_of(unanswered, link_end="aborted_by_us", tcp=replace(HEALTHY, unacked=1))
        == "path_dead"
    )
    assert code_of(unanswered, link_end="eof") == "no_close_frame"
    assert code_of(NOTHING, link_end="aborted_by_us") == "aborted_by_us"


def test_every_code_is_documented_and_reachable_here() -> None:
    source = verdict_module.__doc__ or ""
    documented = set(re.findall(r"^([a-z_]+)  ", source, re.MULTILINE)) - {"code"}
    assert len(documented) == 19


def test_error_is_ok_only_when_both_frames_are() -> None:
    for ending, kind in (
        (remote_close(1000), ConnectionClosedOK),
        (remote_close(1001), ConnectionClosedOK),
        (remote_close(1005), ConnectionClosedOK),
        (remote_close(1011), ConnectionClosedError),
        (replace(remote_close(1000), sent=None), ConnectionClosedError),
        (NOTHING, ConnectionClosedError),
    ):
        closed = Closed.from_evidence(ending, evidence(link_end="eof"))
        assert type(closed.error()) is kind
        assert closed.error() is not closed.error()


def test_error_reads_as_a_sentence() -> None:
    error = Closed.from_evidence(remote_close(1011, "boom"), evidence()).error()
    assert str(error).startswith(
        "received 1011 (internal error) boom; then sent 1011 (internal error) boom"
        " [peer_said_error: The peer closed with"
    )
    assert (error.code, error.reason, error.rcvd_then_sent) == (1011, "boom", True)
    silent = Closed.from_evidence(SILENT, evidence(has_keepalive_expired=True)).error()
    assert str(silent).startswith("sent 1011 (internal error); no Close frame received [")
    assert (silent.code, silent.reason, silent.rcvd_then_sent) == (1006, "", None)
    nothing = Closed.from_evidence(NOTHING, evidence(link_end="eof")).error()
    assert str(nothing).startswith("no Close frame received or sent [no_close_frame: ")


def test_evidence_describes_itself() -> None:
    text = evidence(
        link_end="error",
        link_error=OSError(5, "x"),
        last_ping_age_s=1.5,
        latency_s=0.25,
        reading_paused=True,
        loop_block=BLOCK,
        loop_block_age_s=0.1,
    ).describe()
    for part in ("ping sent 1.500 s ago", "pong received never", "250.0 ms", "3.000 s", "OSError"):
        assert part in text
    plain = evidence(loop_block=BLOCK, link_error=OSError(5, "x")).as_dict()
    assert plain["loop_block"] == 3.0
    assert plain["tcp"]["state"] == "ESTABLISHED"
    assert isinstance(plain["link_error"], str)
