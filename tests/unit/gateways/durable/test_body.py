"""Bodies and entries (Durable Streams 9)."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longwire.gateways.durable.body import Kind, cut_body, join_body, kind_of
from longwire.streams.entry import Entry
from longwire.streams.errors import EntryLimitError, PayloadError
from longwire.streams.position import START

LIMITS = {"entry_bytes_max": 8, "entries_max": 4, "json_depth_max": 3}


def cut(body, content_type="application/json", **limits):
    return [entry.payload for entry in cut_body(body, content_type, **{**LIMITS, **limits})]


def entries(payloads):
    return [Entry(START, START, payload, 0, "") for payload in payloads]


@pytest.mark.parametrize(
    ("content_type", "kind"),
    [
        ("application/json", Kind.JSON),
        ("application/json;charset=utf-8", Kind.JSON),
        ("application/ld+json", Kind.BINARY),
        ("text/plain;charset=utf-8", Kind.TEXT),
        ("text/html", Kind.TEXT),
        ("application/octet-stream", Kind.BINARY),
        ("application/x-ndjson", Kind.BINARY),
    ],
)
def test_9_kind_follows_the_content_type(content_type, kind):
    assert kind_of(content_type) is kind


@pytest.mark.parametrize(
    ("body", "payloads"),
    [
        (b'{"a": 1}', [b'{"a": 1}']),
        (b' \r\n[1, [2,3] ,"x"]\n', [b"1", b"[2,3]", b'"x"']),
        (b"[[[1,2]]]", [b"[[1,2]]"]),
        (b"[]", []),
        (b"", []),
        (b'"[1]"', [b'"[1]"']),
        (b"[ 1.50 , 1e2 ]", [b"1.50", b"1e2"]),
    ],
)
def test_9_1_2_one_level_of_an_array_is_taken_off_and_bytes_are_kept(body, payloads):
    assert cut(body) == payloads


@pytest.mark.parametrize(
    "body", [b"{", b"[1,", b"[1,]", b"1 2", b"\xff", b'["\xff"]', b"nan", b"\xef\xbb\xbf1", b"[1]]"]
)
def test_9_1_4_what_is_no_json_is_refused(body):
    with pytest.raises(PayloadError):
        cut(body)


def test_depth_counts_within_a_message_and_not_the_array_around_it():
    assert cut(b"[[[[]]]]") == [b"[[[]]]"]
    for body in (b"[[[[[]]]]]", b'{"a":{"b":{"c":{}}}}', b"[" * 100_000):
        with pytest.raises(PayloadError):
            cut(body)


def test_entries_of_one_body_are_limited():
    assert len(cut(b"[1,2,3,4]")) == 4
    with pytest.raises(EntryLimitError, match="5 entries"):
        cut(b"[1,2,3,4,5]")
    assert len(cut(b"x" * 32, "application/octet-stream")) == 4
    with pytest.raises(EntryLimitError):
        cut(b"x" * 33, "application/octet-stream")


def test_long_bytes_become_several_entries_but_json_of_another_name_does_not():
    assert cut(b"0123456789", "image/png") == [b"01234567", b"89"]
    assert cut(b"[1,2,3,4,5,6]", "application/ld+json") == [b"[1,2,3,4,5,6]"]


@given(st.text(max_size=40).map(str.encode), st.integers(4, 12))
def test_text_is_cut_between_characters(body, size):
    pieces = cut(body, "text/plain", entry_bytes_max=size, entries_max=100)
    assert b"".join(pieces) == body
    assert all(0 < len(piece) <= size for piece in pieces)
    assert "".join(piece.decode() for piece in pieces) == body.decode()


@given(st.binary(max_size=60), st.integers(1, 9))
def test_bytes_that_are_no_text_are_cut_all_the_same(body, size):
    for content_type in ("text/plain", "image/png"):
        pieces = cut(body, content_type, entry_bytes_max=size, entries_max=100)
        assert b"".join(pieces) == body
        assert all(0 < len(piece) <= size for piece in pieces)


@given(st.lists(st.recursive(st.integers() | st.text(max_size=4), st.lists, max_leaves=4)))
def test_9_1_5_what_was_posted_as_an_array_is_read_as_one(values):
    body = json.dumps(values, ensure_ascii=False).encode()
    payloads = cut(body, entries_max=10_000, json_depth_max=100)
    assert json.loads(join_body(Kind.JSON, entries(payloads))) == values


def test_erased_payloads_are_left_out():
    kept, erased = entries([b"1", b""])
    erased = erased._replace(is_erased=True)
    assert join_body(Kind.JSON, [kept, erased, kept]) == b"[1,1]"
    assert join_body(Kind.BINARY, [erased]) == b""
