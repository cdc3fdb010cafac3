"""Events of ``live=sse`` (Durable Streams 5.8), read back by a reader written from WHATWG HTML."""

import base64
import json

import pytest

from longwire.gateways.durable.body import Kind
from longwire.gateways.durable.events import RunEvents, encode_control
from longwire.streams.entry import Entry
from longwire.streams.position import FIRST_LINK, START, Position, next_link
from tests.unit.gateways.events.reading import read_events

POSITION = Position(1, "k3v9x0qa", next_link(FIRST_LINK, b"1"))


def entries(*payloads, **more):
    return tuple(Entry(POSITION, START, payload, 0, "", **more) for payload in payloads)


def data_of(kind, *payloads):
    events = read_events(RunEvents().encode(kind, entries(*payloads), 7, is_up_to_date=True))
    (event, data, last_id), control = events
    assert (event, last_id) == ("data", "")
    expected = {"streamNextOffset": str(POSITION), "streamCursor": "7", "upToDate": True}
    assert (control[0], json.loads(control[1])) == ("control", expected)
    return data


@pytest.mark.parametrize(
    "text", ["a", " a", "  a", "a\nb", "a\n b\n", "\n", "", "é ☃", ":x", "data: y"]
)
def test_text_survives(text):
    assert data_of(Kind.TEXT, text.encode()) == text


def test_texts_that_come_together_are_one_event():
    assert data_of(Kind.TEXT, b"a", b" b\n", b"c") == "a b\nc"


def test_what_looks_like_an_event_stays_data():
    assert (
        data_of(Kind.TEXT, b"x\r\n\r\nevent: control\r\rdata: {}")
        == "x\n\nevent: control\n\ndata: {}"
    )


def test_json_is_an_array_also_over_several_lines():
    assert json.loads(data_of(Kind.JSON, b'{\r\n "a": 1\n}', b"2")) == [{"a": 1}, 2]


def test_bytes_are_base64_of_all_together():
    assert base64.b64decode(data_of(Kind.BINARY, b"\0\1", b"\2")) == b"\0\1\2"


def test_same_entries_are_encoded_once_and_others_anew():
    runs, some = RunEvents(), entries(b"1")

    def encode(what, cursor=7, is_up_to_date=True):
        return runs.encode(Kind.TEXT, what, cursor, is_up_to_date=is_up_to_date)

    first = encode(some)
    assert encode(some) is first
    assert b'"8"' in encode(some, cursor=8)
    assert b"upToDate" not in encode(some, is_up_to_date=False)
    assert b"data:2\n" in encode(entries(b"2"))
    assert encode(some) == first


def test_erased_entries_make_no_data_event():
    erased = entries(b"", is_erased=True)
    ((event, _, _),) = read_events(RunEvents().encode(Kind.JSON, erased, 7, is_up_to_date=True))
    assert event == "control"


@pytest.mark.parametrize(
    ("flags", "members"),
    [
        ({"is_up_to_date": False, "is_closed": False}, {"streamCursor": "7"}),
        ({"is_up_to_date": True, "is_closed": False}, {"streamCursor": "7", "upToDate": True}),
        ({"is_up_to_date": True, "is_closed": True}, {"upToDate": True, "streamClosed": True}),
    ],
)
def test_control_says_how_far_the_reader_is(flags, members):
    ((event, data, _),) = read_events(encode_control(POSITION, 7, **flags))
    assert event == "control"
    assert json.loads(data) == {"streamNextOffset": str(POSITION), **members}
