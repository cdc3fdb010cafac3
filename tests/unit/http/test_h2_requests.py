"""Requests and responses over HTTP/2 (RFC 9113 section 8)."""

from __future__ import annotations

import pytest

from longwire.base.errors import ProtocolError
from longwire.base.headers import Headers
from longwire.base.limits import HttpLimits
from longwire.http.events import (
    Body,
    BodyReceived,
    BodyWanted,
    End,
    Informational,
    RequestEnded,
    RequestReceived,
    RequestRefused,
    Reset,
    Response,
    StreamClosed,
)
from tests.unit.http.h2_wire import (
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    HEADERS,
    PADDED,
    Conversation,
    Fields,
    frame,
    request,
)
from tests.unit.http.wire import Cut


def test_a_request_is_answered(cut: Cut) -> None:
    talk = Conversation(cut=cut)
    talk.headers(1, request("/a?b=c", accept="text/html"))
    (received,) = talk.of(RequestReceived)
    assert received == RequestReceived(
        1,
        "GET",
        "/a?b=c",
        "2",
        Headers([("host", "example.org"), ("accept", "text/html")]),
        "http",
        "example.org",
        None,
    )
    assert talk.of(RequestEnded) == [RequestEnded(1, Headers())]
    assert talk.of(StreamClosed) == [StreamClosed(1, None)]
    assert talk.answers[1].status == 200
    assert talk.answers[1].has_ended


def test_a_body_comes_back_and_trailers_are_told_apart(cut: Cut) -> None:
    talk = Conversation(cut=cut)
    talk.headers(1, request("/", "POST"), END_HEADERS)
    talk.feed(frame(DATA, 1, b"one, "))
    # Padding counts for flow control and is no body.
    talk.feed(frame(DATA, 1, bytes([5]) + b"two" + bytes(5), PADDED))
    talk.headers(1, [("checksum", "7")])
    assert talk.of(RequestEnded) == [RequestEnded(1, Headers([("checksum", "7")]))]
    assert talk.answers[1].body == b"one, two"
    assert talk.answers[1].headers["content-length"] == "8"


def test_many_streams_are_answered_in_any_order(cut: Cut) -> None:
    talk = Conversation(cut=cut, echo=False)
    for stream in (1, 3, 5):
        talk.headers(stream, request(f"/{stream}"))
    for stream in (5, 1, 3):
        talk.send(Response(stream, 200, Headers()), Body(stream, b"%d" % stream), End(stream))
    assert {stream: each.body for stream, each in talk.answers.items()} == {
        5: b"5",
        1: b"1",
        3: b"3",
    }
    assert list(talk.answers) == [5, 1, 3]


def test_a_head_in_several_frames_is_one(cut: Cut) -> None:
    talk = Conversation(cut=cut)
    block = talk.block(request("/", long="x" * 300))
    talk.feed(
        frame(HEADERS, 1, block[:100], END_STREAM)
        + frame(CONTINUATION, 1, block[100:200])
        + frame(CONTINUATION, 1, block[200:], END_HEADERS)
    )
    assert talk.answers[1].status == 200


def test_cookie_crumbs_are_put_together() -> None:
    talk = Conversation()
    talk.headers(1, [*request(), ("cookie", "a=1"), ("x", "y"), ("cookie", "b=2")])
    (received,) = talk.of(RequestReceived)
    assert isinstance(received, RequestReceived)
    assert received.headers.get_all("cookie") == ["a=1; b=2"]


def test_host_stands_in_for_authority() -> None:
    talk = Conversation()
    talk.headers(1, [(":method", "GET"), (":scheme", "http"), (":path", "/"), ("host", "b.org")])
    (received,) = talk.of(RequestReceived)
    assert isinstance(received, RequestReceived)
    assert received.authority == "b.org"
    assert received.headers.get_all("host") == ["b.org"]


def test_9113_8_3_1_scheme_of_a_gateway_does_not_make_the_connection_secure() -> None:
    talk = Conversation()
    talk.headers(1, [request()[0], (":scheme", "https"), *request()[2:]])
    (received,) = talk.of(RequestReceived)
    assert isinstance(received, RequestReceived)
    assert (received.scheme, talk.answers[1].status) == ("http", 200)


MALFORMED: dict[str, Fields] = {
    "an upper-case name": [*request(), ("Upper", "1")],
    "an empty name": [*request(), ("", "1")],
    "a space in a name": [*request(), ("a b", "1")],
    "a line feed in a value": [*request(), ("a", "b\nc")],
    "a carriage return in a value": [*request(), ("a", "b\rc")],
    "a NUL in a value": [*request(), ("a", "b\0c")],
    "space before a value": [*request(), ("a", " b")],
    "space behind a value": [*request(), ("a", "b\t")],
    "connection": [*request(), ("connection", "close")],
    "keep-alive": [*request(), ("keep-alive", "1")],
    "proxy-connection": [*request(), ("proxy-connection", "close")],
    "transfer-encoding": [*request(), ("transfer-encoding", "chunked")],
    "upgrade": [*request(), ("upgrade", "websocket")],
    "te other than trailers": [*request(), ("te", "gzip")],
    "a pseudo-header of a response": [(":status", "200"), *request()],
    "an unknown pseudo-header": [(":unknown", "1"), *request()],
    "a pseudo-header behind a field": [*request()[:3], ("a", "b"), (":path", "/")],
    "a doubled pseudo-header": [*request(), (":path", "/")],
    "no method": request()[1:],
    "no scheme": [request()[0], *request()[2:]],
    "no path": request()[:3],
    "an empty path": request(""),
    "a relative path": request("a"),
    "a path with a space": request("/a b"),
    "a path with a fragment": request("/a#b"),
    "an asterisk with GET": request("*"),
    "no authority and no host": [request()[0], request()[1], request()[3]],
    "another host than the authority": [*request(), ("host", "other.org")],
    "two hosts": [
        (":method", "GET"),
        (":scheme", "http"),
        (":path", "/"),
        ("host", "a"),
        ("host", "a"),
    ],
    "CONNECT with a path": request("/", "CONNECT"),
    ":protocol without CONNECT": [(":protocol", "websocket"), *request()],
    "an extended CONNECT without authority": [
        (":method", "CONNECT"),
        (":protocol", "websocket"),
        (":scheme", "http"),
        (":path", "/"),
        ("host", "a"),
    ],
}


@pytest.mark.parametrize("fields", MALFORMED.values(), ids=MALFORMED.keys())
def test_a_malformed_request_ends_its_stream_only(fields: Fields) -> None:
    talk = Conversation()
    talk.headers(1, fields)
    assert talk.resets == {1: 0x1}
    assert talk.goaway is None
    assert not talk.of(RequestReceived)
    assert talk.is_alive()


def test_malformed_trailers_end_their_stream_only() -> None:
    talk = Conversation()
    talk.headers(1, request("/", "POST"), END_HEADERS)
    talk.headers(1, [(":path", "/")])
    assert talk.resets == {1: 0x1}
    assert isinstance(talk.events[-1], StreamClosed)
    assert talk.is_alive()


REFUSED: dict[str, tuple[Fields, int]] = {
    "a proxy's CONNECT": ([(":method", "CONNECT"), (":authority", "a.org:443")], 501),
    "an unknown scheme": ([request()[0], (":scheme", "gopher"), *request()[2:]], 400),
    "an authority that is no host": (
        [*request()[:2], (":authority", "a@b"), (":path", "/")],
        400,
    ),
    "an unknown expectation": (request(expect="miracle"), 417),
    "too many fields": ([*request(), *[("a", "b")] * 101], 431),
    "too large a head": (request(a="x" * 33_000), 431),
    "too long a target": (request("/" + "x" * 9_000), 414),
    "too large a body announced": (request("/", "POST", content_length="17"), 413),
}


@pytest.mark.parametrize(("fields", "status"), REFUSED.values(), ids=REFUSED.keys())
def test_a_refused_request_gets_a_status(fields: Fields, status: int) -> None:
    talk = Conversation(limits=HttpLimits(body_bytes_max=16))
    flags = END_HEADERS if status == 413 else END_HEADERS | END_STREAM
    block = talk.block(fields)
    first, rest = block[:16_384], block[16_384:]
    if rest:
        talk.feed(frame(HEADERS, 1, first, flags & ~END_HEADERS))
        for start in range(0, len(rest), 16_384):
            piece = rest[start : start + 16_384]
            is_last = start + 16_384 >= len(rest)
            talk.feed(frame(CONTINUATION, 1, piece, END_HEADERS if is_last else 0))
    else:
        talk.feed(frame(HEADERS, 1, first, flags))
    assert talk.answers[1].status == status
    assert talk.answers[1].body.startswith(b"%d " % status)
    assert talk.answers[1].has_ended
    (refused,) = talk.of(RequestRefused)
    assert isinstance(refused, RequestRefused)
    assert refused.status == status
    assert not talk.of(RequestReceived)
    assert talk.is_alive()


def test_a_body_that_grows_too_large_is_refused() -> None:
    talk = Conversation(limits=HttpLimits(body_bytes_max=16))
    talk.headers(1, request("/", "POST"), END_HEADERS)
    talk.feed(frame(DATA, 1, bytes(16)))
    assert not talk.answers
    talk.feed(frame(DATA, 1, bytes(1)))
    assert talk.answers[1].status == 413
    assert talk.resets == {1: 0x0}, "the rest of the body is not wanted"
    assert talk.is_alive()


def test_head_has_the_length_and_not_the_body() -> None:
    talk = Conversation(echo=False)
    talk.headers(1, request("/", "HEAD"))
    talk.send(Response(1, 200, Headers()), Body(1, b"hello"), End(1))
    assert talk.answers[1].headers["content-length"] == "5"
    assert talk.answers[1].body == b""
    assert talk.answers[1].has_ended


@pytest.mark.parametrize("status", [204, 304])
def test_a_status_without_a_body_ends_with_its_head(status: int) -> None:
    talk = Conversation(echo=False)
    talk.headers(1, request())
    talk.send(Response(1, status, Headers([("etag", '"1"')])), End(1))
    assert talk.answers[1].status == status
    assert talk.answers[1].has_ended
    assert "content-length" not in talk.answers[1].headers


def test_connection_fields_of_http1_stay_behind() -> None:
    talk = Conversation(echo=False)
    talk.headers(1, request())
    talk.send(
        Response(
            1,
            426,
            Headers(
                [
                    ("Connection", "Upgrade, Of-This-Hop"),
                    ("Upgrade", "websocket"),
                    ("Of-This-Hop", "too"),
                    ("Keep-Alive", "timeout=5"),
                    ("Transfer-Encoding", "chunked"),
                ]
            ),
        ),
        End(1),
    )
    assert talk.answers[1].headers.items() == [("content-length", "0")]


def test_interim_responses_and_trailers() -> None:
    talk = Conversation(echo=False)
    talk.headers(1, request("/", "POST", expect="100-continue"), END_HEADERS)
    talk.send(BodyWanted(1), Informational(1, 103, Headers([("Link", "</a>; rel=preload")])))
    assert talk.answers[1].interim == [100, 103]
    talk.feed(frame(DATA, 1, b"x", END_STREAM))
    assert talk.of(BodyReceived) == [BodyReceived(1, b"x")]
    talk.send(Response(1, 200, Headers()), Body(1, b"y"), End(1, Headers([("Checksum", "1")])))
    assert talk.answers[1].trailers == Headers([("checksum", "1")])
    assert talk.answers[1].has_ended


def test_a_response_that_ends_before_the_request_asks_for_no_more() -> None:
    talk = Conversation(echo=False)
    talk.headers(1, request("/", "POST"), END_HEADERS)
    talk.send(Response(1, 200, Headers()), Body(1, b"enough"), End(1))
    assert talk.answers[1].has_ended
    assert talk.resets == {1: 0x0}
    talk.feed(frame(DATA, 1, b"still on the way"))
    assert talk.goaway is None
    assert talk.of(StreamClosed) == [StreamClosed(1, None)]


def test_a_broken_off_response_is_reset() -> None:
    talk = Conversation(echo=False)
    talk.headers(1, request())
    talk.send(Response(1, 200, Headers()), Body(1, b"half"))
    talk.send(Reset(1, "the response was broken off"))
    assert talk.resets == {1: 0x2}
    assert talk.of(StreamClosed) == [StreamClosed(1, "the response was broken off")]


@pytest.mark.parametrize(
    "body", [b"too long", b"short"], ids=["longer than announced", "shorter than announced"]
)
def test_a_body_unlike_its_length_is_an_error_of_the_caller(body: bytes) -> None:
    talk = Conversation(echo=False)
    talk.headers(1, request())
    talk.send(Response(1, 200, Headers([("Content-Length", "6")])))
    with pytest.raises(ProtocolError) as caught:
        talk.send(Body(1, body), End(1))
    assert caught.value.side == "local"
    talk._handle(talk.engine.take_events())
    assert talk.resets == {1: 0x2}


def test_misuse_changes_nothing() -> None:
    talk = Conversation(echo=False)
    talk.headers(1, request())
    for commands in (
        (Body(1, b"x"),),
        (End(1),),
        (Response(1, 199, Headers()),),
        (Response(1, 200, Headers([("bad name", "x")])),),
        (Response(1, 200, Headers([("a", "b\nc")])),),
        (Informational(1, 101),),
        (Response(3, 200, Headers()),),
    ):
        with pytest.raises(ProtocolError):
            talk.send(*commands)
    talk.send(Response(1, 200, Headers()), End(1))
    assert talk.answers[1].status == 200
