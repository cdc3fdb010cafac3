"""Heads that come again are not read again, and nobody can tell but by the clock."""

from __future__ import annotations

import pytest

from longwire.base.errors import ProtocolError
from longwire.base.headers import Headers
from longwire.base.limits import HttpLimits
from longwire.http.events import (
    Body,
    ConnectionEnded,
    End,
    RequestEnded,
    RequestReceived,
    Response,
    StreamClosed,
)
from longwire.http.h1 import Http1Engine
from longwire.http.h1_head import RequestHead, parse_head
from longwire.http.h1_known_heads import HEAD_BYTES_MAX, HEADS_MAX, KnownHeads

GET = b"GET /a?b HTTP/1.1\r\nHost: example.com\r\nX-One: 1\r\n\r\n"


def read(data: bytes) -> RequestHead:
    return parse_head(data, HttpLimits())


def get(number: int) -> bytes:
    return b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n" % number


def engine_that_knows(*heads: bytes) -> Http1Engine:
    """An engine of a server to which somebody sent these heads before."""
    known = KnownHeads()
    for head in heads:
        engine = Http1Engine(now=0, known_heads=known)
        engine.receive(head, 0)
    return Http1Engine(now=0, known_heads=known, server=None)


def test_a_head_is_found_by_all_of_its_bytes_and_by_no_others() -> None:
    known = KnownHeads()
    known.keep(GET, read(GET))
    assert known.find(GET) == read(GET)
    assert known.hits == 1
    for other in (GET[:-1], GET + b"G", GET.replace(b"/a", b"/A"), GET.replace(b" 1", b"  1")):
        assert known.find(other) is None
    assert known.hits == 1


@pytest.mark.parametrize(
    "head",
    [
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        b"GET / HTTP/1.0\r\nHost: a\r\n\r\n",
        b"GET https://a/ HTTP/1.1\r\nHost: a\r\n\r\n",  # whether it is taken depends on TLS
        b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
    ],
)
def test_what_is_not_plain_is_not_kept(head: bytes) -> None:
    known = KnownHeads()
    known.keep(head, read(head))
    assert known.find(head) is None


@pytest.mark.parametrize("excess", [0, 1])
def test_heads_are_kept_up_to_a_length(excess: int) -> None:
    start = b"GET / HTTP/1.1\r\nHost: a\r\nX: "
    head = start + b"x" * (HEAD_BYTES_MAX - len(start) - 4 + excess) + b"\r\n\r\n"
    engine = engine_that_knows(head)
    assert (engine.receive_whole(head, 1) is None) is bool(excess)


def test_what_is_used_stays_and_what_is_not_goes() -> None:
    known = KnownHeads()
    for number in range(5 * HEADS_MAX):
        known.keep(get(number), read(get(0)))
        assert number < 10 or known.find(get(7)) is not None
        if number == 9:
            known.keep(get(7), read(get(7)))
    held = sum(known.find(get(number)) is not None for number in range(5 * HEADS_MAX))
    assert held <= 2 * HEADS_MAX
    assert known.find(get(8)) is None


def test_a_known_request_is_the_same_as_one_that_is_read() -> None:
    engine = engine_that_knows(GET)
    [read_one, ended] = Http1Engine(now=0).receive(GET, 1)
    assert engine.receive_whole(GET, 1) == read_one
    assert isinstance(ended, RequestEnded)
    assert engine.take_events() == []
    assert engine.deadline is None  # it is our turn


def test_nothing_is_taken_of_a_head_that_is_not_known() -> None:
    engine = engine_that_knows(GET)
    assert engine.receive_whole(get(1), 1) is None
    [request, _] = engine.receive(get(1), 1)
    assert isinstance(request, RequestReceived)
    assert request.stream == 1
    assert Http1Engine(now=0).receive_whole(GET, 1) is None


def test_nothing_is_taken_while_something_else_is_going_on() -> None:
    engine = engine_that_knows(GET)
    engine.receive(GET[:5], 0)  # inside a head
    assert engine.receive_whole(GET, 0) is None

    engine = engine_that_knows(GET)
    assert engine.receive_whole(GET, 0) is not None
    assert engine.receive_whole(GET, 0) is None  # pipelined: it comes after the first answer
    assert engine.receive(GET, 0) == []
    engine.respond(1, 200, Headers(), b"one", 0)
    assert [type(event) for event in engine.take_events()] == [
        StreamClosed,
        RequestReceived,
        RequestEnded,
    ]

    engine = engine_that_knows(GET)
    engine.receive_eof(0)
    assert engine.receive_whole(GET, 0) is None

    engine = engine_that_knows(GET)
    engine.shutdown(0)
    assert engine.receive_whole(GET, 0) is None

    engine = engine_that_knows(GET)
    engine.receive(b"what\r\n", 0)  # refused: nothing more is read
    assert engine.receive_whole(GET, 0) is None


def test_headers_of_one_request_may_be_changed() -> None:
    engine = engine_that_knows(GET)
    first = engine.receive_whole(GET, 0)
    assert first is not None
    first.headers.set("X-One", "2")
    engine.respond(1, 204, Headers(), b"", 0)
    second = engine.receive_whole(GET, 0)
    assert second is not None
    assert second.headers["X-One"] == "1"


@pytest.mark.parametrize("method", [b"GET", b"HEAD", b"OPTIONS"])
@pytest.mark.parametrize("version", [b"1.1", b"1.0"])
@pytest.mark.parametrize("status", [200, 204, 205, 304, 404])
@pytest.mark.parametrize("body", [b"", b"text", b"x" * 10_000])
@pytest.mark.parametrize("fields", [[], [("Content-Length", "4")], [("Connection", "close")]])
def test_responding_at_once_is_the_same_as_in_parts(
    method: bytes, version: bytes, status: int, body: bytes, fields: list[tuple[str, str]]
) -> None:
    request = method + b" / HTTP/" + version + b"\r\nHost: a\r\nConnection: keep-alive\r\n\r\n"
    outcomes = []
    for in_parts in (False, True):
        engine = Http1Engine(now=0)
        engine.receive(request, 0)
        error, is_over = "", False
        try:
            if in_parts:
                parts = (Response(1, status, Headers(fields)), Body(1, body), End(1))
                engine.send(*parts, now=1)
            else:
                is_over = engine.respond(1, status, Headers(fields), body, 1)
        except ProtocolError as problem:
            error = problem.message
        events = [*engine.take_events(), *([StreamClosed(1, None)] if is_over else [])]
        outcomes.append((error, b"".join(engine.take_output()), events, engine.wants_close))
    assert outcomes[0] == outcomes[1]


def test_who_is_idle_after_a_known_request_is_let_go_in_time() -> None:
    limits = HttpLimits()
    engine = engine_that_knows(GET)
    engine.receive_whole(GET, 5)
    engine.respond(1, 200, Headers(), b"", 7)
    assert engine.deadline == 7 + limits.idle_timeout_s
    engine.take_events()
    [ended] = engine.handle_deadline(7 + limits.idle_timeout_s)
    assert isinstance(ended, ConnectionEnded)
