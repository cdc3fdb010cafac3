"""How responses are framed, and what the application is told when it may not do something."""

from __future__ import annotations

import pytest

from longwire.base.dates import DateSource
from longwire.base.errors import ProtocolError
from longwire.base.headers import Headers, HeadersLike
from longwire.http.events import (
    Body,
    BodyConsumed,
    BodyWanted,
    End,
    Informational,
    Reset,
    Response,
    StreamClosed,
)
from longwire.http.h1 import Http1Engine
from tests.unit.http.wire import Answer, Conversation, chunked, get, post, silent


def ask(
    request: bytes = b"", *, is_kept: bool = True, method: str = "GET", version: str = "1.1"
) -> Conversation:
    """A conversation with one request that waits for its answer."""
    conversation = Conversation(application=silent)
    fields = ["Connection: keep-alive"] if version == "1.0" and is_kept else []
    conversation.feed(request or get("/", *fields, method=method, version=version))
    return conversation


def response(status: int = 200, headers: HeadersLike = (), *, end: bool = False) -> Response:
    return Response(1, status, Headers(headers), end=end)


def only_answer(conversation: Conversation, method: str = "GET") -> Answer:
    [answer] = conversation.answers(method)
    return answer


# Framing


def test_9112_6_2_body_given_at_once_gets_its_length() -> None:
    conversation = ask()
    conversation.answer(response(), Body(1, b"one"), Body(1, b"two"), End(1))
    answer = only_answer(conversation)
    assert answer.body == b"onetwo"
    assert answer.headers["content-length"] == "6"
    assert not conversation.engine.wants_close
    assert conversation.closed == [StreamClosed(1, None)]


def test_9112_7_1_body_given_later_is_chunked() -> None:
    conversation = ask()
    conversation.answer(response())
    assert b"\r\nTransfer-Encoding: chunked\r\n" in conversation.output
    conversation.answer(Body(1, b"hello"), Body(1, b""))
    assert conversation.output.endswith(b"\r\n\r\n5\r\nhello\r\n")
    conversation.answer(End(1))
    assert conversation.output.endswith(b"\r\n0\r\n\r\n")
    assert only_answer(conversation).body == b"hello"
    assert not conversation.engine.wants_close


def test_9112_6_3_body_given_later_to_http_1_0_ends_with_the_connection() -> None:
    conversation = ask(version="1.0")
    conversation.answer(response())
    conversation.answer(Body(1, b"hello"))
    conversation.answer(End(1))
    answer = only_answer(conversation)
    assert answer.body == b"hello"
    assert answer.headers["connection"] == "close"
    assert "transfer-encoding" not in answer.headers
    assert conversation.engine.wants_close


def test_9112_9_3_http_1_0_is_kept_when_the_length_is_known() -> None:
    conversation = ask(version="1.0")
    conversation.answer(response(), Body(1, b"hello"), End(1))
    answer = only_answer(conversation)
    assert answer.headers["connection"] == "keep-alive"
    assert not conversation.engine.wants_close


def test_length_of_the_application_is_used() -> None:
    conversation = ask()
    conversation.answer(response(headers=[("content-length", "5")]))
    conversation.answer(Body(1, b"hel"))
    conversation.answer(Body(1, b"lo"))
    conversation.answer(End(1))
    answer = only_answer(conversation)
    assert answer.body == b"hello"
    assert answer.headers.get_all("content-length") == ["5"]
    assert not conversation.engine.wants_close


def test_response_without_body_says_length_zero() -> None:
    conversation = ask()
    conversation.answer(response(404, end=True))
    answer = only_answer(conversation)
    assert answer.headers["content-length"] == "0"
    assert conversation.output.startswith(b"HTTP/1.1 404 Not Found\r\n")


@pytest.mark.parametrize("status", [204, 304])
def test_9112_6_3_status_without_body_has_none(status: int) -> None:
    conversation = ask()
    conversation.answer(response(status), End(1))
    answer = only_answer(conversation)
    assert answer.body == b""
    assert "content-length" not in answer.headers
    assert "transfer-encoding" not in answer.headers
    assert conversation.output.endswith(b"\r\n\r\n")
    assert not conversation.engine.wants_close


def test_9110_8_6_no_length_in_204_but_in_304() -> None:
    for status, length in ((204, None), (304, "7")):
        conversation = ask()
        conversation.answer(response(status, [("Content-Length", "7")], end=True))
        assert only_answer(conversation).headers.get("content-length") == length


def test_9110_15_3_6_205_says_length_zero() -> None:
    conversation = ask()
    conversation.answer(response(205))
    conversation.answer(End(1))
    assert only_answer(conversation).headers["content-length"] == "0"


@pytest.mark.parametrize("status", [204, 205, 304])
def test_body_with_status_that_has_none_is_refused_before_anything_is_sent(status: int) -> None:
    conversation = ask()
    with pytest.raises(ProtocolError) as caught:
        conversation.answer(response(status), Body(1, b"x"), End(1))
    assert caught.value.side == "local"
    assert conversation.output == b""
    conversation.answer(response(200), Body(1, b"x"), End(1))
    assert only_answer(conversation).body == b"x"


def test_body_after_head_of_status_that_has_none_is_refused_and_changes_nothing() -> None:
    conversation = ask()
    conversation.answer(response(204))
    with pytest.raises(ProtocolError, match="has no body"):
        conversation.send(Body(1, b"x"))
    conversation.answer(End(1))
    assert only_answer(conversation).status == 204
    assert not conversation.engine.wants_close


def test_9110_9_3_2_head_gets_the_head_alone() -> None:
    conversation = ask(method="HEAD")
    conversation.answer(response(), Body(1, b"hello"), End(1))
    answer = only_answer(conversation, "HEAD")
    assert answer.headers["content-length"] == "5"
    assert conversation.output.endswith(b"\r\n\r\n")
    assert not conversation.engine.wants_close


def test_9110_9_3_2_head_drops_a_stream_of_any_length() -> None:
    conversation = ask(method="HEAD")
    conversation.answer(response(headers=[("Content-Length", "3")]))
    conversation.answer(Body(1, b"hello"))
    conversation.answer(End(1))
    assert conversation.output.endswith(b"Content-Length: 3\r\n\r\n")
    assert not conversation.engine.wants_close


def test_head_of_unknown_length_says_none() -> None:
    for version in ("1.0", "1.1"):
        conversation = ask(method="HEAD", version=version)
        conversation.answer(response(end=True))
        answer = only_answer(conversation, "HEAD")
        assert "content-length" not in answer.headers
        assert not conversation.engine.wants_close


def test_9112_7_1_2_trailers_follow_chunks() -> None:
    conversation = ask()
    conversation.answer(
        response(), Body(1, b"hello"), End(1, Headers([("X-Sum", "1"), ("X-More", "2")]))
    )
    answer = only_answer(conversation)
    assert answer.body == b"hello"
    assert answer.trailers == Headers([("X-Sum", "1"), ("X-More", "2")])


def test_trailers_are_dropped_where_the_framing_has_no_place() -> None:
    conversation = ask()
    conversation.answer(response(headers=[("Content-Length", "2")]))
    conversation.answer(Body(1, b"hi"), End(1, Headers([("X-Sum", "1")])))
    assert conversation.output.endswith(b"\r\n\r\nhi")


@pytest.mark.parametrize("name", ["Content-Length", "transfer-encoding", "Set-Cookie", "Host"])
def test_9110_6_5_1_trailer_that_belongs_before_the_body_is_refused(name: str) -> None:
    conversation = ask()
    conversation.answer(response())
    with pytest.raises(ProtocolError, match="trailers"):
        conversation.send(End(1, Headers([(name, "1")])))
    conversation.answer(End(1))
    assert only_answer(conversation).trailers == Headers()


def test_body_is_not_copied_into_the_framing() -> None:
    conversation = ask()
    data = b"x" * 100_000
    conversation.engine.send(response(), now=0)
    conversation.engine.send(Body(1, data), now=0)
    assert any(piece is data for piece in conversation.engine.take_output())


# Headers


def test_9110_6_6_1_date_and_server_are_added() -> None:
    engine = Http1Engine(now=0, server="longwire/1", date=DateSource(lambda: 784111777.9))
    engine.receive(get(), 0)
    engine.send(response(end=True), now=0)
    output = b"".join(engine.take_output())
    assert b"\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n" in output
    assert b"\r\nServer: longwire/1\r\n" in output


def test_date_and_server_of_the_application_stay() -> None:
    engine = Http1Engine(now=0, date=DateSource(lambda: 0))
    engine.receive(get(), 0)
    engine.send(response(headers=[("date", "then"), ("SERVER", "mine")], end=True), now=0)
    output = b"".join(engine.take_output()).lower()
    assert output.count(b"\r\ndate:") == output.count(b"\r\nserver:") == 1
    assert b"\r\ndate: then\r\nserver: mine\r\n" in output


def test_headers_keep_order_and_repetition() -> None:
    conversation = ask()
    fields = [("Set-Cookie", "a=1"), ("X-A", ""), ("set-cookie", "b=2"), ("X-B", "\xe9 \t x")]
    conversation.answer(response(headers=fields, end=True))
    assert only_answer(conversation).headers.items()[:4] == fields


def test_9112_9_6_application_may_close_the_connection() -> None:
    conversation = ask(get() + get("/next"))
    conversation.answer(response(headers=[("Connection", "Close")], end=True))
    assert only_answer(conversation).headers["connection"] == "close"
    assert conversation.engine.wants_close
    assert conversation.lines == ["GET /"]
    assert conversation.closed == [StreamClosed(1, None)]


def test_other_connection_options_stay() -> None:
    conversation = ask()
    fields = [("Connection", "Upgrade, keep-alive"), ("Upgrade", "websocket")]
    conversation.answer(response(426, fields, end=True))
    assert only_answer(conversation).headers.get_all("connection") == ["upgrade"]


def test_transfer_encoding_chunked_of_the_application_is_the_engines() -> None:
    conversation = ask()
    conversation.answer(response(headers=[("Transfer-Encoding", "chunked")]))
    conversation.answer(Body(1, b"a"), End(1))
    answer = only_answer(conversation)
    assert answer.headers.get_all("transfer-encoding") == ["chunked"]
    assert answer.body == b"a"


INJECTIONS = [
    ("X", "a\r\nSet-Cookie: b"),
    ("X", "a\nb"),
    ("X", "a\rb"),
    ("X", "a\x00b"),
    ("X", "a\x7f"),
    ("X", "a\r\n"),
    ("X", "\u0100"),
    ("X", "a\u010ab"),
    ("X\r\nY", "a"),
    ("X Y", "a"),
    ("X:", "a"),
    ("", "a"),
    ("\xc4", "a"),
]


@pytest.mark.parametrize(("name", "value"), INJECTIONS)
def test_9110_5_5_header_that_would_become_another_is_refused(name: str, value: str) -> None:
    conversation = ask()
    for command in (
        response(headers=[(name, value)]),
        Informational(1, 103, Headers([(name, value)])),
    ):
        with pytest.raises(ProtocolError) as caught:
            conversation.send(command)
        assert caught.value.side == "local"
    conversation.answer(response())
    with pytest.raises(ProtocolError):
        conversation.send(End(1, Headers([(name, value)])))
    conversation.answer(End(1))
    assert only_answer(conversation).headers.items() == [("Transfer-Encoding", "chunked")]


@pytest.mark.parametrize(
    "headers",
    [
        [("Content-Length", "5"), ("Content-Length", "5")],
        [("Content-Length", "five")],
        [("Content-Length", "-1")],
        [("Content-Length", "+1")],
        [("Content-Length", "")],
        [("Content-Length", "\xb2")],
        [("Transfer-Encoding", "gzip")],
        [("Transfer-Encoding", "gzip, chunked")],
    ],
)
def test_headers_that_frame_the_body_wrongly_are_refused(headers: HeadersLike) -> None:
    conversation = ask()
    with pytest.raises(ProtocolError) as caught:
        conversation.send(response(headers=headers))
    assert caught.value.side == "local"
    assert conversation.output == b""
    conversation.answer(response(500, end=True))
    assert only_answer(conversation).status == 500


# What the application may not do


def test_body_longer_than_its_length_closes_the_connection() -> None:
    conversation = ask(get() + get("/next"))
    conversation.answer(response(headers=[("Content-Length", "5")]), Body(1, b"hel"))
    with pytest.raises(ProtocolError, match="1 bytes longer than its Content-Length"):
        conversation.send(Body(1, b"lo!"))
    conversation.handle(conversation.engine.take_events())
    assert conversation.output.endswith(b"\r\n\r\nhel")
    assert conversation.engine.wants_close
    assert conversation.closed == [StreamClosed(1, conversation.ended.error)]
    assert conversation.lines == ["GET /"]


def test_body_shorter_than_its_length_closes_the_connection() -> None:
    conversation = ask(get() + get("/next"))
    conversation.answer(response(headers=[("Content-Length", "5")]), Body(1, b"hel"))
    with pytest.raises(ProtocolError, match="2 bytes shorter than its Content-Length"):
        conversation.send(End(1))
    conversation.handle(conversation.engine.take_events())
    assert conversation.engine.wants_close
    assert conversation.lines == ["GET /"]


@pytest.mark.parametrize("given", [b"hell", b"hello!", b""])
def test_wrong_length_of_a_body_given_at_once_is_refused_before_anything_is_sent(
    given: bytes,
) -> None:
    conversation = ask()
    with pytest.raises(ProtocolError, match="Content-Length is 5"):
        conversation.send(response(headers=[("Content-Length", "5")]), Body(1, given), End(1))
    assert conversation.output == b""
    assert not conversation.engine.wants_close
    conversation.answer(response(500, end=True))
    assert only_answer(conversation).status == 500


@pytest.mark.parametrize("status", [0, 99, 100, 101, 199, 600, 1000, -200])
def test_status_that_is_not_final_is_refused(status: int) -> None:
    conversation = ask()
    with pytest.raises(ProtocolError, match="final status"):
        conversation.send(response(status))
    assert conversation.output == b""


@pytest.mark.parametrize("status", [0, 99, 200, 404])
def test_status_that_is_not_interim_is_refused(status: int) -> None:
    with pytest.raises(ProtocolError, match="interim status"):
        ask().send(Informational(1, status))


def test_commands_out_of_order_are_refused_and_change_nothing() -> None:
    conversation = ask()
    for command, sentence in (
        (Body(1, b"x"), "before its response"),
        (End(1), "before it was started"),
        (Informational(1, 101), "did not ask for another protocol"),
        (Response(2, 200, Headers()), "request 2 is not being answered"),
        (Body(0, b"x"), "request 0 is not being answered"),
    ):
        with pytest.raises(ProtocolError, match=sentence) as caught:
            conversation.send(command)
        assert caught.value.side == "local"
    conversation.answer(response())
    for command, sentence in (
        (response(), "started already"),
        (Informational(1, 103), "has been started"),
    ):
        with pytest.raises(ProtocolError, match=sentence):
            conversation.send(command)
    conversation.answer(End(1))
    for command in (response(), Body(1, b"x"), End(1), Reset(1, "x"), BodyWanted(1)):
        with pytest.raises(ProtocolError, match="request 1 is not being answered"):
            conversation.send(command)
    assert len(conversation.answers()) == 1


def test_request_read_ahead_cannot_be_answered_before_its_turn() -> None:
    conversation = ask(get() + get("/next"))
    with pytest.raises(ProtocolError, match="request 2 is not being answered"):
        conversation.send(Response(2, 200, Headers(), end=True))


def test_reset_closes_the_connection() -> None:
    conversation = ask(get() + get("/next"))
    conversation.answer(response(), Body(1, b"x"))
    conversation.answer(Reset(1, "the backend went away"))
    assert conversation.closed == [StreamClosed(1, "the backend went away")]
    assert conversation.engine.wants_close
    assert not conversation.output.endswith(b"0\r\n\r\n")


def test_consumption_of_the_body_means_nothing_on_http_1() -> None:
    conversation = ask(post(b"hello"))
    conversation.answer(BodyConsumed(1, 5), BodyWanted(1))
    assert conversation.output == b""


# The response before the end of the request


def test_rest_of_a_short_body_is_dropped_and_the_connection_kept() -> None:
    conversation = ask(get("/", "Content-Length: 10", method="POST") + b"hello")
    conversation.answer(response(end=True))
    assert conversation.closed == [StreamClosed(1, None)]
    assert not conversation.engine.wants_close
    conversation.feed(b"world" + get("/next"))
    assert conversation.lines == ["POST /", "GET /next"]
    assert conversation.seen[0].body == b"hello"


def test_rest_of_a_long_body_is_not_waited_for() -> None:
    conversation = ask(get("/", "Content-Length: 1000000", method="POST") + b"hello")
    conversation.answer(response(413, end=True))
    assert only_answer(conversation).headers["connection"] == "close"
    assert conversation.engine.wants_close
    assert conversation.engine.wants_linger


def test_rest_of_a_long_body_after_a_streamed_response_closes_the_connection() -> None:
    conversation = ask(get("/", "Content-Length: 1000000", method="POST") + b"hello")
    conversation.answer(response())
    conversation.answer(End(1))
    assert conversation.engine.wants_close
    assert conversation.engine.wants_linger


def test_rest_of_chunks_is_dropped_up_to_a_bound() -> None:
    conversation = ask(chunked(b"5\r\nhello\r\n"))
    conversation.answer(response(end=True))
    fed = 0
    while not conversation.engine.wants_close and fed < 1_000_000:
        conversation.feed(b"1000\r\n" + b"x" * 4096 + b"\r\n")
        fed += 4096
    assert 60_000 < fed < 80_000
    assert conversation.ended.error is None


def test_rest_of_chunks_that_is_broken_ends_the_connection_without_second_answer() -> None:
    conversation = ask(chunked(b"5\r\nhello\r\n"))
    conversation.answer(response(end=True))
    conversation.feed(b"nonsense\r\n" + get("/next"))
    assert len(conversation.answers()) == 1
    assert conversation.engine.wants_close
    assert conversation.lines == ["POST /"]


def test_response_may_go_on_while_the_body_comes() -> None:
    conversation = ask(get("/", "Content-Length: 4", method="POST"))
    conversation.answer(response())
    for piece in (b"a", b"b", b"c", b"d"):
        conversation.feed(piece)
        conversation.answer(Body(1, piece.upper()))
    conversation.answer(End(1))
    assert conversation.seen[0].body == b"abcd"
    assert only_answer(conversation).body == b"ABCD"
    assert not conversation.engine.wants_close


def test_broken_body_after_the_response_began_cuts_the_response_off() -> None:
    conversation = ask(chunked(b"1\r\na\r\n"))
    conversation.answer(response(), Body(1, b"begun"))
    conversation.feed(b"x\r\n")
    assert conversation.output.endswith(b"5\r\nbegun\r\n")
    assert conversation.engine.wants_close
    assert conversation.closed[0].error == conversation.ended.error
    assert conversation.ended.error is not None
    assert conversation.ended.status is None


def test_failure_of_a_head_request_is_answered_without_body() -> None:
    for data in (
        b"HEAD / HTTP/1.1\r\nHost: a b\r\n\r\n",
        get(method="HEAD").replace(b": e", b" : e"),
    ):
        conversation = Conversation()
        conversation.feed(data)
        assert conversation.output.startswith(b"HTTP/1.1 400 ")
        assert conversation.output.endswith(b"\r\n\r\n")


# Stopping


def test_shutdown_of_an_idle_connection_ends_it() -> None:
    for data in (b"", get()):
        conversation = Conversation()
        conversation.feed(data)
        conversation.engine.shutdown(0)
        conversation.handle(conversation.engine.take_events())
        assert conversation.engine.wants_close
        assert conversation.ended.error is None


def test_shutdown_lets_the_response_end_and_takes_no_other_request() -> None:
    conversation = ask(get() + get("/next"))
    conversation.engine.shutdown(0)
    assert not conversation.engine.wants_close
    conversation.feed(get("/late"))
    conversation.answer(response(), Body(1, b"done"), End(1))
    assert only_answer(conversation).headers["connection"] == "close"
    assert conversation.engine.wants_close
    assert conversation.lines == ["GET /"]


def test_shutdown_during_a_response_closes_after_it() -> None:
    conversation = ask()
    conversation.answer(response(), Body(1, b"begun"))
    conversation.engine.shutdown(0)
    conversation.answer(Body(1, b", done"))
    assert not conversation.engine.wants_close
    conversation.answer(End(1))
    assert only_answer(conversation).body == b"begun, done"
    assert conversation.engine.wants_close


def test_shutdown_inside_a_head_answers_that_request() -> None:
    conversation = Conversation()
    conversation.feed(get()[:10])
    conversation.engine.shutdown(0)
    assert not conversation.engine.wants_close
    conversation.feed(get()[10:])
    assert only_answer(conversation).headers["connection"] == "close"
    assert conversation.engine.wants_close


def test_ended_connection_takes_no_notice_of_anything_more() -> None:
    conversation = ask()
    conversation.answer(response(headers=[("Connection", "close")], end=True))
    engine = conversation.engine
    engine.shutdown(1)
    assert engine.receive(get(), 1) == engine.receive_eof(1) == engine.handle_deadline(99) == []
    assert engine.deadline is None
    assert engine.take_output() == []
