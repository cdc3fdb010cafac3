"""Requests as they are meant to be: what the application gets to see."""

from __future__ import annotations

import pytest

from longwire.base.headers import Headers
from longwire.http.events import BodyReceived, RequestEnded, RequestReceived, StreamClosed
from longwire.http.h1 import Http1Engine
from tests.unit.http.wire import Conversation, Cut, chunked, get, post, silent


def test_9112_3_engine_reports_request(cut: Cut) -> None:
    conversation = Conversation(application=silent)
    conversation.feed(cut(get("/a/b?c=d", "X-One: 1", "x-one:2", "Empty:")))
    headers = Headers(
        [("Host", "example.org"), ("X-One", "1"), ("x-one", "2"), ("Empty", "")],
    )
    assert conversation.events == [
        RequestReceived(1, "GET", "/a/b?c=d", "1.1", headers, "http", "example.org", None),
        RequestEnded(1, Headers()),
    ]
    assert conversation.seen[0].head.headers.get_all("X-ONE") == ["1", "2"]
    assert conversation.output == b""


def test_9110_5_5_white_space_around_value_is_no_part_of_it(cut: Cut) -> None:
    conversation = Conversation(application=silent)
    conversation.feed(cut(get("/", "A: \t b \t c \t ", "B:d", "C:\te")))
    headers = conversation.seen[0].head.headers
    assert [headers["a"], headers["b"], headers["c"]] == ["b \t c", "d", "e"]


def test_9110_5_5_value_keeps_octets_above_ascii(cut: Cut) -> None:
    conversation = Conversation(application=silent)
    conversation.feed(cut(b"GET / HTTP/1.1\r\nHost: h\r\nX: \xe9\xff\x80\r\n\r\n"))
    assert conversation.seen[0].head.headers["x"].encode("latin-1") == b"\xe9\xff\x80"


def test_engine_names_https_under_tls() -> None:
    [request, _] = Http1Engine(now=0, scheme="https").receive(get(), 0)
    assert isinstance(request, RequestReceived)
    assert request.scheme == "https"


@pytest.mark.parametrize(
    "method", ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH", "QUERY"]
)
def test_9110_9_engine_passes_methods_on(method: str, cut: Cut) -> None:
    conversation = Conversation()
    conversation.feed(cut(get(method=method)))
    assert conversation.lines == [f"{method} /"]
    assert [answer.status for answer in conversation.answers(method)] == [200]


def test_9112_2_2_one_empty_line_before_request_is_passed_over(cut: Cut) -> None:
    conversation = Conversation()
    conversation.feed(cut(b"\r\n" + get("/a") + b"\r\n" + get("/b")))
    assert conversation.lines == ["GET /a", "GET /b"]


def test_9110_2_5_higher_minor_version_is_read_as_1_1(cut: Cut) -> None:
    conversation = Conversation()
    conversation.feed(cut(get("/a", version="1.7") + get("/b")))
    assert conversation.lines == ["GET /a", "GET /b"]
    assert conversation.seen[0].head.version == "1.1"


@pytest.mark.parametrize(
    ("target", "path", "authority"),
    [
        ("http://other.example/a?b", "/a?b", "other.example"),
        ("HTTP://other.example:8443/", "/", "other.example:8443"),
        ("http://other.example", "/", "other.example"),
        ("http://other.example?b", "/?b", "other.example"),
        ("http://[::1]:80/a", "/a", "[::1]:80"),
    ],
)
def test_9112_3_2_2_absolute_target_beats_host(
    target: str, path: str, authority: str, cut: Cut
) -> None:
    conversation = Conversation(application=silent)
    conversation.feed(cut(get(target)))
    head = conversation.seen[0].head
    assert (head.target, head.authority, head.scheme) == (path, authority, "http")
    assert head.headers.get_all("host") == [authority]


@pytest.mark.parametrize("target", ["https://example.org/", "HTTPS://example.org?q"])
@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_9110_7_4_https_target_needs_a_secured_connection(
    method: str, target: str, cut: Cut
) -> None:
    conversation = Conversation()
    conversation.feed(cut(get(target, method=method) + get("/b")))
    assert conversation.output.startswith(b"HTTP/1.1 421 ")
    assert conversation.output.endswith(b"\r\n\r\n") is (method == "HEAD")
    assert (conversation.lines, conversation.engine.wants_close) == ([], True)


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_9110_7_4_secured_connection_takes_either_scheme(scheme: str, cut: Cut) -> None:
    conversation = Conversation(scheme="https")
    conversation.feed(cut(get(f"{scheme}://example.org/a")))
    head = conversation.seen[0].head
    assert (head.target, head.authority, head.scheme) == ("/a", "example.org", "https")


@pytest.mark.parametrize("target", ["*", "http://example.org"])
def test_9112_3_2_4_options_may_be_for_the_whole_server(target: str, cut: Cut) -> None:
    conversation = Conversation(application=silent)
    conversation.feed(cut(get(target, method="OPTIONS")))
    assert conversation.lines == ["OPTIONS *"]


@pytest.mark.parametrize(
    "host",
    [
        "a",
        "a.example:80",
        "a:",
        "127.0.0.1",
        "[::1]",
        "[2001:db8::1]:443",
        "xn--bcher-kva.example",
        "a_b",
        "%c3%a9",
        "a:65535",
    ],
)
def test_9110_7_2_valid_host_is_taken(host: str, cut: Cut) -> None:
    conversation = Conversation(application=silent)
    conversation.feed(cut(f"GET / HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()))
    assert conversation.seen[0].head.authority == host


def test_9112_3_2_http_1_0_needs_no_host(cut: Cut) -> None:
    conversation = Conversation()
    conversation.feed(cut(b"GET /a HTTP/1.0\r\n\r\n"))
    head = conversation.seen[0].head
    assert (head.version, head.authority) == ("1.0", "")
    assert conversation.engine.wants_close


def test_target_with_characters_that_browsers_leave_as_they_are(cut: Cut) -> None:
    conversation = Conversation(application=silent)
    target = '/a|b?q={"x":[1,2]}&r=^`\\<>\''
    conversation.feed(cut(get(target)))
    assert conversation.seen[0].head.target == target


# Bodies


def test_9112_6_2_body_with_length_is_delivered(cut: Cut) -> None:
    conversation = Conversation(application=silent)
    conversation.feed(cut(post(b"hello\r\n\r\nworld")))
    assert conversation.events[1:] == [
        BodyReceived(1, b"hello\r\n\r\nworld"),
        RequestEnded(1, Headers()),
    ]


def test_9112_6_3_length_of_zero_is_no_body(cut: Cut) -> None:
    conversation = Conversation(application=silent)
    conversation.feed(cut(post(b"")))
    assert conversation.events[1:] == [RequestEnded(1, Headers())]


def test_9112_7_1_chunks_are_joined(cut: Cut) -> None:
    body = b"5\r\nhello\r\n0a\r\n, worldly \r\n0000000000000006\r\n\r\nmen!\r\n0\r\n\r\n"
    conversation = Conversation(application=silent)
    conversation.feed(cut(chunked(body)))
    assert conversation.events[1:] == [
        BodyReceived(1, b"hello, worldly \r\nmen!"),
        RequestEnded(1, Headers()),
    ]


@pytest.mark.parametrize("coding", ["chunked", "Chunked", "CHUNKED", "\tchunked "])
def test_9112_7_coding_is_compared_without_case(coding: str, cut: Cut) -> None:
    conversation = Conversation()
    conversation.feed(cut(get("/", f"Transfer-Encoding:{coding}") + b"1\r\na\r\n0\r\n\r\n"))
    assert conversation.seen[0].body == b"a"


@pytest.mark.parametrize(
    "extension", [";a", ";a=b", ";a=b;c", ';a="b"', ';a="\\";\t\\"";d="é"', ";a=" + "b" * 1000]
)
def test_9112_7_1_1_chunk_extensions_are_read_and_dropped(extension: str, cut: Cut) -> None:
    line = extension.encode("latin-1") + b"\r\n"
    conversation = Conversation(application=silent)
    conversation.feed(cut(chunked(b"5" + line + b"hello\r\n0" + line + b"\r\n")))
    assert conversation.events[1:] == [BodyReceived(1, b"hello"), RequestEnded(1, Headers())]


def test_9112_7_1_2_trailers_stay_apart_from_headers(cut: Cut) -> None:
    conversation = Conversation(application=silent)
    conversation.feed(cut(chunked(b"2\r\nhi\r\n0\r\nX-Sum: 1 \r\nX-Sum:2\r\n\r\n")))
    seen = conversation.seen[0]
    assert seen.trailers == Headers([("X-Sum", "1"), ("X-Sum", "2")])
    assert "x-sum" not in seen.head.headers


def test_body_is_delivered_before_it_is_complete() -> None:
    conversation = Conversation(application=silent)
    conversation.feed(get("/", "Content-Length: 10", method="POST"))
    conversation.feed(b"hello")
    assert conversation.seen[0].body == b"hello"
    assert conversation.seen[0].trailers is None
    conversation.feed(b"world")
    assert conversation.seen[0].trailers == Headers()


def test_memory_views_and_bytearrays_are_copied() -> None:
    conversation = Conversation()
    data = bytearray(post(b"hello"))
    conversation.handle(conversation.engine.receive(memoryview(data), 0))
    data[:] = b"X" * len(data)
    assert conversation.seen[0].body == b"hello"


# Keeping the connection


@pytest.mark.parametrize(
    ("version", "connection", "is_kept"),
    [
        ("1.1", None, True),
        ("1.1", "keep-alive", True),
        ("1.1", "close", False),
        ("1.1", "CLOSE", False),
        ("1.1", "keep-alive, close", False),
        ("1.1", "x-close", True),
        ("1.0", None, False),
        ("1.0", "keep-alive", True),
        ("1.0", "Keep-Alive", True),
        ("1.0", "x, keep-alive", True),
        ("1.0", "keep-alive, close", False),
    ],
)
def test_9112_9_3_connection_is_kept(
    version: str, connection: str | None, is_kept: bool, cut: Cut
) -> None:
    conversation = Conversation()
    fields = [f"Connection: {connection}"] if connection else []
    conversation.feed(cut(get("/a", *fields, version=version)))
    [answer] = conversation.answers()
    assert conversation.engine.wants_close is not is_kept
    assert answer.headers.get("connection") == (
        "close" if not is_kept else "keep-alive" if version == "1.0" else None
    )
    if is_kept:
        conversation.feed(cut(get("/b")))
        assert conversation.lines == ["GET /a", "GET /b"]
    else:
        assert conversation.ended.error is None
        assert not conversation.engine.wants_linger


# The end of the input


def test_eof_between_requests_ends_the_connection(cut: Cut) -> None:
    conversation = Conversation()
    conversation.feed(cut(get()))
    assert not conversation.engine.wants_close
    conversation.eof()
    assert conversation.engine.wants_close
    assert conversation.ended.error is None
    assert len(conversation.answers()) == 1


def test_eof_before_any_byte_ends_the_connection() -> None:
    conversation = Conversation()
    conversation.eof()
    assert conversation.ended.error is None
    assert conversation.output == b""


def test_eof_inside_head_ends_the_connection_without_answer(cut: Cut) -> None:
    conversation = Conversation()
    conversation.feed(cut(get()[:-1]))
    conversation.eof()
    assert "inside a request's head" in str(conversation.ended.error)
    assert conversation.output == b""


@pytest.mark.parametrize("data", [post(b"hello")[:-1], chunked(b"5\r\nhello\r\n0\r\n")])
def test_9112_8_eof_inside_body_is_answered_400(data: bytes, cut: Cut) -> None:
    conversation = Conversation()
    conversation.feed(cut(data))
    conversation.eof()
    assert [answer.status for answer in conversation.answers()] == [400]
    assert conversation.closed[0].error == conversation.ended.error
    assert "before the request's body did" in str(conversation.ended.error)


def test_request_before_eof_is_still_answered(cut: Cut) -> None:
    conversation = Conversation(application=silent)
    conversation.feed(cut(post(b"a", target="/a") + post(b"b", target="/b")))
    conversation.eof()
    assert not conversation.engine.wants_close
    conversation.application = Conversation().application
    conversation.application(conversation.engine, RequestEnded(1, Headers()), conversation)
    conversation.handle(conversation.engine.take_events())
    assert conversation.lines == ["POST /a", "POST /b"]
    answers = conversation.answers()
    assert [answer.body for answer in answers] == [b"POST /a\na", b"POST /b\nb"]
    assert answers[1].headers["connection"] == "close"
    assert conversation.closed == [StreamClosed(1, None), StreamClosed(2, None)]
    assert conversation.ended.error is None
