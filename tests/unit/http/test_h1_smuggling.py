"""No bytes are taken for a request that a reader before us could have taken for something else."""

from __future__ import annotations

import pytest

from tests.unit.http.smuggling_vectors import ONE_REQUEST, REFUSED, SMUGGLED, Vector
from tests.unit.http.wire import Conversation, Cut, get

FIRST = get("/first")


def by_name(vectors: list[Vector]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("vector", vectors, ids=lambda vector: vector.name)


def test_vectors_are_many_and_different() -> None:
    vectors = [*REFUSED, *ONE_REQUEST]
    assert len({vector.data for vector in vectors}) == len(vectors) >= 100
    assert len({vector.name for vector in vectors}) == len(vectors)


@by_name(REFUSED)
def test_ambiguous_request_is_refused_and_the_next_is_never_answered(
    vector: Vector, cut: Cut
) -> None:
    conversation = Conversation()
    conversation.feed(cut(vector.data + SMUGGLED + SMUGGLED))
    conversation.eof()
    assert not any("smuggled" in line for line in conversation.lines)
    [answer] = conversation.answers()
    assert answer.status == vector.status
    assert answer.headers["Connection"] == "close"
    assert answer.body.startswith(str(vector.status).encode())
    assert conversation.engine.wants_close
    assert conversation.engine.wants_linger
    assert conversation.ended.status == vector.status


@by_name(REFUSED)
def test_ambiguous_request_after_a_good_one_is_refused(vector: Vector, cut: Cut) -> None:
    conversation = Conversation()
    conversation.feed(cut(FIRST + vector.data + SMUGGLED))
    conversation.eof()
    assert not any("smuggled" in line for line in conversation.lines)
    assert conversation.lines[0] == "GET /first"
    first, second = conversation.answers()
    assert (first.status, second.status) == (200, vector.status)
    assert conversation.engine.wants_close


@by_name(ONE_REQUEST)
def test_bytes_that_are_a_body_are_no_request(vector: Vector, cut: Cut) -> None:
    conversation = Conversation()
    conversation.feed(cut(vector.data + SMUGGLED + b"\r\n0\r\n\r\n"))
    assert len(conversation.lines) == 1
    assert "smuggled" not in conversation.lines[0]
    method = conversation.seen[0].head.method
    assert conversation.seen[0].body in (b"", SMUGGLED)
    answers = conversation.answers(method)
    assert answers[0].status == vector.status
    # After a body of stated length the closing chunk that other vectors need is no request.
    assert [answer.status for answer in answers[1:]] in ([], [400])
