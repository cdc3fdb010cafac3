"""Upgrades and expectations: what the client asks for besides the response."""

from __future__ import annotations

import pytest

from longwire.base.errors import ProtocolError
from longwire.base.headers import Headers
from longwire.http.events import (
    Body,
    BodyWanted,
    End,
    Informational,
    RequestEnded,
    Response,
    StreamClosed,
    Upgraded,
)
from tests.unit.http.wire import Conversation, Cut, chunked, get, silent

UPGRADE = ("Connection: Upgrade", "Upgrade: websocket")


def ask(cut: Cut, data: bytes) -> Conversation:
    conversation = Conversation(application=silent)
    conversation.feed(cut(data))
    return conversation


@pytest.mark.parametrize(
    "fields",
    [
        UPGRADE,
        ("Connection: keep-alive, upgrade", "Upgrade: WebSocket"),
        ("Connection: keep-alive", "Connection: UPGRADE", "Upgrade: h2c, websocket"),
        ("Connection: upgrade", "Upgrade: h2c", "upgrade: websocket"),
        ("Connection: upgrade", "Upgrade: websocket", "Content-Length: 0"),
    ],
)
def test_9110_7_8_upgrade_to_websocket_is_reported(fields: tuple[str, ...], cut: Cut) -> None:
    conversation = ask(cut, get("/chat", *fields))
    assert conversation.seen[0].head.protocol == "websocket"
    assert conversation.events[-1] == RequestEnded(1, Headers())


@pytest.mark.parametrize(
    "data",
    [
        get("/", "Upgrade: websocket"),
        get("/", "Connection: upgrade"),
        get("/", "Connection: upgrade", "Upgrade: h2c"),
        get("/", "Connection: x-upgrade", "Upgrade: websocket"),
        get("/", "Connection: upgrade", "Upgrade: websockets"),
        get("/", *UPGRADE, version="1.0"),
        get("/", *UPGRADE, method="POST"),
        get("/", *UPGRADE, "Content-Length: 1") + b"a",
        get("/", *UPGRADE, "Transfer-Encoding: chunked") + b"0\r\n\r\n",
    ],
)
def test_9110_7_8_other_upgrades_are_ignored(data: bytes, cut: Cut) -> None:
    conversation = Conversation()
    conversation.feed(cut(data))
    assert conversation.seen[0].head.protocol is None
    assert [answer.status for answer in conversation.answers()] == [200]


def test_9110_15_2_2_upgrade_hands_over_what_follows(cut: Cut) -> None:
    rest = b"\x81\x85" + get("/smuggled")
    conversation = ask(cut, get("/chat", *UPGRADE) + rest)
    assert conversation.lines == ["GET /chat"]
    conversation.answer(Informational(1, 101, Headers([("Sec-WebSocket-Accept", "x")])))
    assert conversation.events[-1] == Upgraded(1, rest)
    assert conversation.output == (
        b"HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: x\r\n"
        b"Upgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
    )
    assert conversation.engine.deadline is None
    assert not conversation.engine.wants_read
    assert not conversation.engine.wants_close


def test_upgrade_headers_of_the_application_stay() -> None:
    conversation = Conversation(application=silent)
    conversation.feed(get("/", *UPGRADE))
    fields = [("connection", "upgrade"), ("upgrade", "websocket")]
    conversation.answer(Informational(1, 101, Headers(fields)))
    assert conversation.output.lower().count(b"upgrade: ") == 1


def test_upgrade_with_close_keeps_what_follows(cut: Cut) -> None:
    conversation = ask(cut, get("/", "Connection: close, upgrade", "Upgrade: websocket") + b"rest")
    conversation.answer(Informational(1, 101))
    assert conversation.events[-1] == Upgraded(1, b"rest")


def test_after_the_upgrade_the_engine_takes_nothing_more() -> None:
    conversation = Conversation(application=silent)
    conversation.feed(get("/", *UPGRADE))
    conversation.answer(Informational(1, 101))
    with pytest.raises(ProtocolError, match="no longer HTTP"):
        conversation.engine.receive(b"x", 0)
    with pytest.raises(ProtocolError, match="not being answered"):
        conversation.send(Response(1, 200, Headers()))
    assert conversation.engine.receive_eof(0) == []
    conversation.engine.shutdown(0)
    assert conversation.engine.take_events() == []
    assert not conversation.engine.wants_close


def test_refused_upgrade_goes_on_with_http(cut: Cut) -> None:
    conversation = ask(cut, get("/chat", *UPGRADE) + get("/next"))
    assert conversation.lines == ["GET /chat"]
    conversation.answer(Response(1, 404, Headers(), end=True))
    assert conversation.lines == ["GET /chat", "GET /next"]
    assert not conversation.engine.wants_close


def test_upgrade_that_waits_for_its_answer_holds_a_bounded_rest() -> None:
    conversation = Conversation(application=silent)
    conversation.feed(get("/", *UPGRADE))
    fed = 0
    while conversation.engine.wants_read and fed < 1_000_000:
        conversation.feed(b"\x00" * 1000)
        fed += 1000
    assert fed < 70_000
    conversation.answer(Informational(1, 101))
    assert conversation.events[-1] == Upgraded(1, b"\x00" * fed)


# Expect: 100-continue

EXPECT = "Expect: 100-continue"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


def test_9110_10_1_1_continue_is_sent_when_the_body_is_wanted(cut: Cut) -> None:
    conversation = ask(cut, get("/", "Content-Length: 5", EXPECT, method="POST"))
    assert conversation.output == b""
    conversation.answer(BodyWanted(1))
    conversation.answer(BodyWanted(1))
    assert conversation.output == CONTINUE
    conversation.feed(cut(b"hello"))
    assert conversation.seen[0].body == b"hello"
    conversation.answer(Response(1, 200, Headers(), end=True))
    assert [answer.status for answer in conversation.answers()] == [100, 200]
    assert not conversation.engine.wants_close


def test_continue_may_be_sent_at_once(cut: Cut) -> None:
    conversation = ask(cut, get("/", "Content-Length: 5", "expect: 100-Continue"))
    conversation.answer(Informational(1, 100))
    conversation.answer(BodyWanted(1))
    assert conversation.output == CONTINUE


def test_9110_10_1_1_no_continue_when_the_body_came_unasked(cut: Cut) -> None:
    conversation = ask(cut, get("/", "Content-Length: 5", EXPECT) + b"hel")
    conversation.answer(BodyWanted(1))
    assert conversation.output == b""
    conversation.feed(cut(b"lo"))
    conversation.answer(Response(1, 200, Headers(), end=True))
    assert not conversation.engine.wants_close


def test_9110_10_1_1_no_continue_without_body_or_in_http_1_0(cut: Cut) -> None:
    for data in (
        get("/", EXPECT),
        get("/", EXPECT, "Content-Length: 0"),
        get("/", EXPECT, "Content-Length: 5", "Connection: keep-alive", version="1.0"),
        get("/", "Expect: unheard-of", "Content-Length: 5", version="1.0"),
    ):
        conversation = ask(cut, data)
        conversation.answer(BodyWanted(1))
        assert conversation.output == b""


def test_9110_10_1_1_final_response_without_continue_closes_the_connection(cut: Cut) -> None:
    # The client may send the five bytes or leave them out: only closing tells them apart.
    conversation = ask(cut, get("/", "Content-Length: 5", EXPECT))
    conversation.answer(Response(1, 401, Headers(), end=True))
    [answer] = conversation.answers()
    assert answer.headers["connection"] == "close"
    conversation.feed(cut(get("/smuggled")))
    assert conversation.lines == ["GET /"]
    assert conversation.engine.wants_close


def test_early_hints_precede_the_response() -> None:
    conversation = Conversation(application=silent)
    conversation.feed(get())
    conversation.answer(Informational(1, 103, Headers([("Link", "</a.css>; rel=preload")])))
    conversation.answer(Informational(1, 103))
    conversation.answer(Response(1, 200, Headers()), Body(1, b"x"), End(1))
    assert [answer.status for answer in conversation.answers()] == [103, 103, 200]
    assert conversation.closed == [StreamClosed(1, None)]


def test_9110_15_2_no_interim_response_to_http_1_0() -> None:
    conversation = Conversation(application=silent)
    conversation.feed(get(version="1.0"))
    conversation.answer(Informational(1, 103))
    assert conversation.output == b""


@pytest.mark.parametrize("name", ["Content-Length", "Transfer-Encoding"])
def test_interim_response_has_no_framing(name: str) -> None:
    conversation = Conversation(application=silent)
    conversation.feed(chunked(b""))
    with pytest.raises(ProtocolError, match="interim response has no"):
        conversation.send(Informational(1, 103, Headers([(name, "1")])))
