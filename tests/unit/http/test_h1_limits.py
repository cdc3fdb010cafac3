"""Each limit at its edge: what just fits is served, one more is refused with the right status."""

from __future__ import annotations

import tracemalloc

import pytest

from longwire.base.headers import Headers
from longwire.base.limits import HttpLimits
from longwire.http.events import Response
from longwire.http.h1 import Http1Engine
from tests.unit.http.wire import Conversation, Cut, chunked, get, post, silent

LIMITS = HttpLimits(
    request_line_bytes_max=60,
    header_bytes_max=200,
    headers_max=5,
    body_bytes_max=20,
    chunk_extension_bytes_max=10,
    pipelined_requests_max=3,
)


def talk(cut: Cut, data: bytes) -> Conversation:
    conversation = Conversation(limits=LIMITS)
    conversation.feed(cut(data))
    return conversation


def statuses(conversation: Conversation) -> list[int]:
    return [answer.status for answer in conversation.answers()]


def line_of(size: int) -> bytes:
    """A request line of this size, without its CRLF."""
    return b"GET /" + b"a" * (size - 14) + b" HTTP/1.1"


def test_request_line_of_the_limit_is_served(cut: Cut) -> None:
    line = line_of(60)
    assert len(line) == 60
    assert statuses(talk(cut, line + b"\r\nHost: h\r\n\r\n")) == [200]


@pytest.mark.parametrize("rest", [b"\r\nHost: h\r\n\r\n", b"\r\n", b""])
def test_9110_15_5_15_longer_request_line_is_414_before_its_end_came(rest: bytes, cut: Cut) -> None:
    conversation = talk(cut, line_of(61) + rest)
    assert statuses(conversation) == [414]
    assert conversation.ended.status == 414
    assert "request_line_bytes_max" in str(conversation.ended.error)


def test_endless_first_word_is_414(cut: Cut) -> None:
    assert statuses(talk(cut, b"A" * 61)) == [414]
    assert talk(cut, b"A" * 60).output == b""


def test_wrong_byte_in_an_endless_request_line_is_400_at_once(cut: Cut) -> None:
    assert statuses(talk(cut, b"GET /\x00")) == [400]


def test_tls_to_a_plain_port_is_told_so(cut: Cut) -> None:
    conversation = talk(cut, bytes.fromhex("16030100c8010000c40303") + bytes(80))
    assert statuses(conversation) == [400]
    assert "TLS" in str(conversation.ended.error)


def test_http2_preface_is_answered_505_before_its_end_came(cut: Cut) -> None:
    conversation = talk(cut, b"PRI * HTTP/2.0\r\n")
    assert statuses(conversation) == [505]
    assert "HTTP/2" in str(conversation.ended.error)


def fields_of(size: int) -> bytes:
    """Header lines of this size together, with their CRLFs."""
    start = b"Host: h\r\nX: "
    return start + b"a" * (size - len(start) - 2) + b"\r\n"


def test_headers_of_the_limit_are_served(cut: Cut) -> None:
    assert statuses(talk(cut, b"GET / HTTP/1.1\r\n" + fields_of(200) + b"\r\n")) == [200]


@pytest.mark.parametrize("kept", [201, 202, 230])
def test_6585_5_larger_headers_are_431_before_their_end_came(kept: int, cut: Cut) -> None:
    fields = fields_of(230)[:kept]
    conversation = talk(cut, b"GET / HTTP/1.1\r\n" + fields)
    assert statuses(conversation) == [431]
    assert "header_bytes_max" in str(conversation.ended.error)


def test_one_byte_too_many_of_headers_is_431(cut: Cut) -> None:
    assert statuses(talk(cut, b"GET / HTTP/1.1\r\n" + fields_of(201) + b"\r\n")) == [431]


def test_as_many_headers_as_the_limit_are_served(cut: Cut) -> None:
    assert statuses(talk(cut, get("/", *["A: b"] * 4))) == [200]


def test_6585_5_one_header_too_many_is_431(cut: Cut) -> None:
    conversation = talk(cut, get("/", *["A: b"] * 5))
    assert statuses(conversation) == [431]
    assert "headers_max" in str(conversation.ended.error)


def test_body_of_the_limit_is_served(cut: Cut) -> None:
    assert statuses(talk(cut, post(b"a" * 20))) == [200]
    assert statuses(talk(cut, chunked(b"a\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n"))) == [200]


def test_9110_15_5_14_larger_body_is_413_before_it_came(cut: Cut) -> None:
    conversation = talk(cut, get("/", "Content-Length: 21"))
    assert statuses(conversation) == [413]
    assert conversation.seen == []
    assert conversation.engine.wants_linger


def test_9110_15_5_14_expected_body_is_413_instead_of_100(cut: Cut) -> None:
    conversation = talk(cut, get("/", "Content-Length: 21", "Expect: 100-continue"))
    assert statuses(conversation) == [413]


@pytest.mark.parametrize("body", [b"15\r\n", b"a\r\n0123456789\r\nb\r\n", b"7fffffffffffffff\r\n"])
def test_9110_15_5_14_larger_chunk_is_413_before_it_came(body: bytes, cut: Cut) -> None:
    conversation = talk(cut, chunked(body))
    assert statuses(conversation) == [413]
    assert conversation.closed[0].error == conversation.ended.error


def test_no_body_limit_lets_any_length_begin(cut: Cut) -> None:
    conversation = Conversation(limits=HttpLimits(body_bytes_max=None), application=silent)
    conversation.feed(cut(get("/", "Content-Length: 9000000000000000000") + b"abc"))
    assert conversation.seen[0].body == b"abc"


def test_9112_7_1_1_chunk_extensions_have_a_limit_together(cut: Cut) -> None:
    fits = b"1;aaaa\r\na\r\n1;bbbb\r\nb\r\n0\r\n\r\n"
    assert statuses(talk(cut, chunked(fits))) == [200]
    over = b"1;aaaa\r\na\r\n1;bbbbb\r\nb\r\n0\r\n\r\n"
    assert statuses(talk(cut, chunked(over))) == [400]
    endless = b"1;" + b"a" * 10
    assert statuses(talk(cut, chunked(endless))) == [400]


def test_trailers_have_the_limits_of_headers(cut: Cut) -> None:
    assert statuses(talk(cut, chunked(b"0\r\n" + b"A: b\r\n" * 5 + b"\r\n"))) == [200]
    assert statuses(talk(cut, chunked(b"0\r\n" + b"A: b\r\n" * 6 + b"\r\n"))) == [431]
    assert statuses(talk(cut, chunked(b"0\r\n" + fields_of(200)[9:] + b"\r\n"))) == [200]
    assert statuses(talk(cut, chunked(b"0\r\nX: " + b"a" * 198))) == [431]


ENDLESS = {
    "request line": (b"", b"a" * 100),
    "method": (b"", b"A"),
    "header lines": (get()[:-2], b"X: y\r\n"),
    "header value": (get()[:-2] + b"X: ", b"a" * 100),
    "header name": (get()[:-2], b"a" * 100),
    "blanks after a colon": (get()[:-2] + b"X:", b" " * 100),
    "empty lines": (b"", b"\r\n"),
    "chunk size": (chunked(b""), b"0"),
    "chunk extension": (chunked(b""), b"1;" + b"a" * 100),
    "chunk extensions": (chunked(b""), b"1;a=b\r\nx\r\n"),
    "chunks": (chunked(b""), b"1\r\nx\r\n" * 100),
    "trailers": (chunked(b"0\r\n"), b"X: y\r\n"),
    "trailer": (chunked(b"0\r\nX: "), b"a" * 100),
    "requests": (b"", get()),
    "requests with bodies": (b"", post(b"a")),
    "bytes after close": (get("/", "Connection: close"), b"a" * 100),
    "body": (get("/", "Content-Length: 100000"), b"a" * 10_000),
}


@pytest.mark.parametrize(("start", "unit"), ENDLESS.values(), ids=ENDLESS.keys())
def test_nothing_endless_is_held_without_bound(start: bytes, unit: bytes) -> None:
    # Bodies are handed on and not held; here nobody takes them, and no answer comes.
    engine = Http1Engine(now=0, limits=HttpLimits(body_bytes_max=100_000))
    engine.receive(start, 0)
    tracemalloc.start()
    try:
        fed = 0
        while engine.wants_read and fed < 3_000_000 and not engine.wants_close:
            data = unit * max(1, 10_000 // len(unit))
            engine.receive(data, 0)
            fed += len(data)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 1_000_000


# Pipelining


def requests(count: int) -> bytes:
    return b"".join(get(f"/{number}") for number in range(1, count + 1))


def test_9112_9_3_2_pipelined_requests_are_answered_in_order(cut: Cut) -> None:
    conversation = talk(cut, requests(30))
    assert [answer.body for answer in conversation.answers()] == [
        b"GET /%d\n" % number for number in range(1, 31)
    ]


def test_next_request_waits_for_the_response_before_it(cut: Cut) -> None:
    conversation = Conversation(limits=LIMITS, application=silent)
    conversation.feed(cut(requests(3)))
    assert conversation.lines == ["GET /1"]
    assert conversation.output == b""


def test_reading_pauses_when_the_limit_of_requests_is_read_ahead() -> None:
    conversation = Conversation(limits=LIMITS, application=silent)
    conversation.feed(requests(3))
    assert conversation.engine.wants_read
    conversation.feed(get("/4"))
    assert not conversation.engine.wants_read  # one being answered, three ahead
    conversation.feed(get("/5"))  # had been read already: kept
    respond(conversation, 1)
    assert not conversation.engine.wants_read
    respond(conversation, 2)
    assert conversation.engine.wants_read
    for stream in (3, 4, 5):
        respond(conversation, stream)
    assert conversation.lines == [f"GET /{number}" for number in range(1, 6)]


def respond(conversation: Conversation, stream: int) -> None:
    conversation.answer(Response(stream, 200, Headers(), end=True))


def test_body_of_a_request_read_ahead_is_held_up_to_a_bound() -> None:
    conversation = Conversation(application=silent)
    conversation.feed(get("/1") + get("/2", "Content-Length: 1000000", method="POST"))
    fed = 0
    while conversation.engine.wants_read and fed < 1_000_000:
        conversation.feed(b"a" * 1000)
        fed += 1000
    assert fed < 70_000
    respond(conversation, 1)
    assert conversation.engine.wants_read
    assert len(conversation.seen[1].body) == fed


def test_what_is_wrong_with_a_later_request_waits_for_its_turn(cut: Cut) -> None:
    conversation = Conversation(application=silent)
    conversation.feed(cut(get("/1") + get("/2") + b"bad\r\n" + get("/3")))
    assert not conversation.has_ended
    respond(conversation, 1)
    respond(conversation, 2)
    assert [answer.status for answer in conversation.answers()] == [200, 200, 400]
    assert conversation.lines == ["GET /1", "GET /2"]
    assert conversation.engine.wants_close
