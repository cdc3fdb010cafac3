"""Content types."""

import pytest

from longwire.streams.entry import is_acceptable, is_json, normalize_content_type


@pytest.mark.parametrize(
    ("text", "normalized"),
    [
        ("application/json", "application/json"),
        (" Application/JSON ", "application/json"),
        ("Text/Plain; Charset=UTF-8", "text/plain;charset=utf-8"),
        ('text/plain;charset="UTF-8"', "text/plain;charset=utf-8"),
        ('a/b;x="Y"; z="a b"', 'a/b;x=Y;z="a b"'),
        ("application/json; charset=UTF-8", "application/json"),
        ("application/ld+json; charset=utf-8; profile=x", "application/ld+json;profile=x"),
        ("text/plain;", "text/plain"),
        ("a/b ; X = y ; flag", "a/b;x=y;flag"),
    ],
)
def test_content_type_is_normalized(text, normalized):
    assert normalize_content_type(text) == normalized
    assert normalize_content_type(normalized) == normalized


@pytest.mark.parametrize(
    ("content_type", "expected"),
    [
        ("application/json", True),
        ("application/json;charset=utf-8", True),
        ("application/vnd.x+json", True),
        ("application/jsonl", False),
        ("text/plain;format=json", False),
        ("application/octet-stream", False),
    ],
)
def test_json_is_recognised(content_type, expected):
    assert is_json(content_type) is expected


@pytest.mark.parametrize(
    ("content_type", "stream_type", "expected"),
    [
        (None, "text/plain", True),
        ("text/plain", "text/plain", True),
        ("text/plain", "text/html", False),
        ("application/json", "application/vnd.x+json", True),
        ("application/vnd.x+json", "application/json", False),
        ("application/json", "text/plain", False),
        ("application/octet-stream", "text/plain", True),
        ("application/octet-stream", "application/json", False),
    ],
)
def test_stream_takes_what_suits_its_type(content_type, stream_type, expected):
    assert is_acceptable(content_type, stream_type) is expected
