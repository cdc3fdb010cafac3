"""Errors of HTTP/2, each on its level (RFC 9113 section 5.4), and what is no error."""

from __future__ import annotations

import pytest

from longwire.base.headers import Headers
from longwire.base.limits import Http2Limits
from longwire.http.events import ConnectionEnded, End, Response, StreamClosed
from tests.unit.http.h2_breaches import (
    CONNECTION_ERRORS,
    IGNORED,
    PREFACES,
    STREAM_ERRORS,
    Breach,
    Ignored,
)
from tests.unit.http.h2_wire import (
    DATA,
    END_HEADERS,
    END_STREAM,
    GOAWAY,
    HEADERS,
    PING,
    PREFACE,
    RST_STREAM,
    SETTINGS,
    Conversation,
    frame,
    request,
)
from tests.unit.http.wire import Cut

PROTOCOL_ERROR, REFUSED_STREAM = 0x1, 0x7


@pytest.mark.parametrize("breach", CONNECTION_ERRORS, ids=lambda breach: breach.name)
def test_5_4_1_an_error_of_the_connection_ends_it_with_its_code(breach: Breach, cut: Cut) -> None:
    talk = Conversation(cut=cut, echo=False)
    breach.act(talk)
    assert talk.goaways, "the connection goes on"
    assert [each.error_code for each in talk.goaways] == [breach.code], "said once, rightly"
    assert talk.engine.wants_close
    assert isinstance(talk.events[-1], ConnectionEnded)
    before = len(talk.frames)
    talk.feed(frame(PING, 0, bytes(8)))
    assert len(talk.frames) == before, "nothing more is answered"


@pytest.mark.parametrize("breach", STREAM_ERRORS, ids=lambda breach: breach.name)
def test_5_4_2_an_error_of_a_stream_ends_that_alone(breach: Breach, cut: Cut) -> None:
    talk = Conversation(cut=cut, echo=False)
    breach.act(talk)
    assert talk.goaway is None
    assert talk.resets == {1: breach.code}
    assert len([each for each in talk.of(StreamClosed) if each.stream == 1]) <= 1  # type: ignore[union-attr]
    talk.headers(5, request())
    talk.send(Response(5, 200, Headers()), End(5))
    assert talk.answers[5].has_ended


@pytest.mark.parametrize("ignored", IGNORED, ids=lambda ignored: ignored.name)
def test_what_must_be_ignored_changes_nothing(ignored: Ignored, cut: Cut) -> None:
    talk = Conversation(cut=cut, echo=False)
    ignored.act(talk)
    assert talk.goaway is None
    assert list(talk.resets.values()) in ([], [PROTOCOL_ERROR]), "reset by what came before"
    talk.headers(11, request())
    talk.send(Response(11, 200, Headers()), End(11))
    assert talk.answers[11].has_ended


@pytest.mark.parametrize(
    "first", [first for _, first in PREFACES], ids=[name for name, _ in PREFACES]
)
def test_3_4_the_preface_is_asked_for(first: bytes, cut: Cut) -> None:
    talk = Conversation(cut=cut, begin=False)
    talk.feed(first)
    assert talk.goaway is not None
    assert talk.goaway.error_code == PROTOCOL_ERROR


def test_a_head_with_a_priority_and_padding_is_read_without_them(cut: Cut) -> None:
    talk = Conversation(cut=cut)
    payload = b"\3" + bytes(4) + b"\x10" + talk.block(request("/a")) + bytes(3)
    talk.feed(frame(HEADERS, 1, payload, END_HEADERS | END_STREAM | 0x8 | 0x20))
    assert talk.answers[1].status == 200


def test_a_body_as_long_as_announced_is_whole(cut: Cut) -> None:
    talk = Conversation(cut=cut)
    talk.headers(1, request("/", "POST", content_length="5"), END_HEADERS)
    talk.feed(frame(DATA, 1, b"abc") + frame(DATA, 1, b"de") + frame(DATA, 1, b"", END_STREAM))
    assert talk.answers[1].body == b"abcde"


def test_what_came_before_a_breach_is_given_out() -> None:
    talk = Conversation(echo=False)
    talk.feed(
        frame(HEADERS, 1, talk.block(request()), END_HEADERS | END_STREAM) + frame(DATA, 0, b"x")
    )
    kinds = [type(event).__name__ for event in talk.events]
    assert kinds == ["RequestReceived", "RequestEnded", "StreamClosed", "ConnectionEnded"]
    assert talk.goaway is not None
    assert talk.goaway.last_stream_id == 1


def test_what_waits_to_leave_goes_before_the_goaway() -> None:
    talk = Conversation(echo=False)
    talk.feed(frame(PING, 0, bytes(8)) + frame(HEADERS, 1, b"\x80", END_HEADERS | END_STREAM))
    kinds = [type(each).__name__ for each in talk.frames[-2:]]
    assert kinds == ["PingFrame", "GoAwayFrame"]


def test_more_streams_than_announced_are_refused_before_the_client_can_know() -> None:
    talk = Conversation(http2=Http2Limits(concurrent_streams_max=2), echo=False, begin=False)
    talk.feed(PREFACE + frame(SETTINGS, 0))
    for stream in (1, 3, 5):
        talk.headers(stream, request())
    assert talk.resets == {5: REFUSED_STREAM}
    assert talk.goaway is None


def test_a_client_that_says_goodbye_gets_its_answers() -> None:
    talk = Conversation(echo=False)
    talk.headers(1, request())
    talk.feed(frame(GOAWAY, 0, bytes(8)))
    assert not talk.engine.wants_close
    talk.send(Response(1, 200, Headers()), End(1))
    assert talk.answers[1].status == 200
    assert talk.engine.wants_close
    assert talk.events[-2:] == [StreamClosed(1, None), ConnectionEnded(None)]


def test_a_client_that_leaves_in_anger_closes_everything() -> None:
    talk = Conversation(echo=False)
    talk.headers(1, request())
    talk.feed(frame(GOAWAY, 0, bytes(4) + (2).to_bytes(4, "big")))
    assert talk.engine.wants_close
    assert isinstance(talk.events[-2], StreamClosed)


def test_a_stream_that_the_client_resets_is_closed() -> None:
    talk = Conversation()
    talk.headers(1, request("/", "POST"), END_HEADERS)
    talk.feed(frame(RST_STREAM, 1, (8).to_bytes(4, "big")))
    assert talk.events[-1] == StreamClosed(1, "the client reset the stream (error code 8)")
    assert talk.is_alive()
