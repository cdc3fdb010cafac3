"""The event stream format (WHATWG HTML 9.2), read back by a reader written from the standard."""

import base64
import json

import pytest

from longwire.gateways.event_stream import HEARTBEAT
from longwire.gateways.events.encoding import EVENTS, encode_event, payload_encoding
from longwire.hub.sinks import SUPERSEDED, Gap
from longwire.streams.entry import Entry
from longwire.streams.position import FIRST_LINK, START, Position, next_link
from tests.unit.gateways.events.reading import read_events

POSITION = Position(1, "k3v9x0qa", next_link(FIRST_LINK, b"1"))


def entry(payload, content_type="application/json"):
    return Entry(POSITION, START, payload, 0, content_type)


@pytest.mark.parametrize(
    "payload",
    [
        b"1",
        b'{"a":"\xc3\xa9"}',
        b"[1,\n 2,\n\n 3]",
        b" leading space",
        b"\n",
        b"a\n",
        b"\n\nb",
        b"",
    ],
)
def test_payload_survives_the_format(payload):
    (event,) = read_events(EVENTS.encode_entry("s", entry(payload)))
    assert event == ("message", payload.decode(), str(POSITION))


@pytest.mark.parametrize(
    ("payload", "seen"), [(b"a\r\nb", "a\nb"), (b"a\rb", "a\nb"), (b"\r", "\n"), (b"\n\r", "\n\n")]
)
def test_carriage_returns_reach_the_client_as_line_feeds(payload, seen):
    (event,) = read_events(EVENTS.encode_entry("s", entry(payload, "text/plain")))
    assert event[1] == seen


def test_other_payloads_are_base64():
    payload = bytes(range(256))
    (event,) = read_events(EVENTS.encode_entry("s", entry(payload, "image/png")))
    assert base64.b64decode(event[1]) == payload


@pytest.mark.parametrize(
    ("content_type", "encoding"),
    [
        ("application/json", "json"),
        ("application/vnd.x+json;v=1", "json"),
        ("text/plain;charset=utf-8", "text"),
        ("application/octet-stream", "base64"),
    ],
)
def test_content_type_tells_the_encoding(content_type, encoding):
    assert payload_encoding(content_type) == encoding


def test_gap_and_end_move_the_position():
    gap = Gap(START, POSITION, "trimmed")
    (event,) = read_events(EVENTS.encode_gap("s", gap))
    assert event[::2] == ("gap", str(POSITION))
    assert json.loads(event[1]) == {
        "after": str(START),
        "upto": str(POSITION),
        "reason": "trimmed",
        "lost": True,
    }
    (event,) = read_events(EVENTS.encode_gap("s", Gap(START, POSITION, SUPERSEDED)))
    assert json.loads(event[1])["lost"] is False
    (event,) = read_events(EVENTS.encode_closed("s", POSITION))
    assert event == (
        "closed",
        json.dumps({"position": str(POSITION)}, separators=(",", ":")),
        str(POSITION),
    )


def test_heartbeat_is_no_event():
    assert read_events(HEARTBEAT + encode_event("x", POSITION, {}) + HEARTBEAT) == [
        ("x", "{}", str(POSITION))
    ]


def test_erased_entry_has_its_place_and_no_payload():
    erased = entry(b"")._replace(is_erased=True)
    (event,) = read_events(EVENTS.encode_entry("s", erased))
    assert event == (
        "erased",
        json.dumps({"position": str(POSITION)}, separators=(",", ":")),
        str(POSITION),
    )
