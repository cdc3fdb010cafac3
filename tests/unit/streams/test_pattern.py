"""Patterns over stream names (docs/protocol.md, 4.4)."""

from __future__ import annotations

from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from longwire.streams.errors import StreamNameError
from longwire.streams.name import check_stream_name
from longwire.streams.pattern import PATTERN_BYTES_MAX, PatternError, StreamPattern

PARTS = st.lists(st.text("ab.*", min_size=1, max_size=6), min_size=1, max_size=5)
NAMES = st.lists(st.text("ab.", min_size=1, max_size=8), min_size=1, max_size=6)


def is_meant(pattern: str, name: str) -> bool:
    """What the words of the docs say, tried out in every way there is."""

    @cache
    def parts_match(patterns: tuple[str, ...], parts: tuple[str, ...]) -> bool:
        if not patterns:
            return not parts
        first, rest = patterns[0], patterns[1:]
        if first == "**":
            return any(parts_match(rest, parts[n:]) for n in range(1, len(parts) + 1))
        return bool(parts) and text_matches(first, parts[0]) and parts_match(rest, parts[1:])

    @cache
    def piece_matches(pattern: str, text: str) -> bool:
        if not pattern:
            return not text
        if pattern[0] == "*":
            return any(piece_matches(pattern[1:], text[n:]) for n in range(len(text) + 1))
        return text[:1] == pattern[0] and piece_matches(pattern[1:], text[1:])

    def text_matches(pattern: str, text: str) -> bool:
        return bool(text) if pattern == "*" else piece_matches(pattern, text)

    return parts_match(tuple(pattern.split("/")), tuple(name.split("/")))


@settings(max_examples=600)
@given(PARTS, NAMES)
def test_pattern_means_what_the_docs_say(patterns, parts):
    text, name = "/".join(patterns), "/".join(parts)
    try:
        pattern = StreamPattern(text)
    except PatternError:
        return
    assert pattern.matches(name) is is_meant(text, name)


@pytest.mark.parametrize(
    ("text", "name", "expected"),
    [
        ("*a*a*", "aa", True),
        ("*a*a*", "a", False),
        ("a*a", "a", False),
        ("*ab*b", "abab", True),
        ("**/a/**/a", "x/a/a", False),
        ("**/a/**/a", "x/a/a/a", True),
        ("**/**", "a", False),
        ("**/**", "a/b", True),
        ("a/**/*", "a/b/c", True),
        ("a.b", "a/b", False),
    ],
)
def test_wildcards_share_a_name_out(text, name, expected):
    assert StreamPattern(text).matches(name) is expected
    assert is_meant(text, name) is expected


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("*a" * 200 + "*c", "a" * 500),
        ("*aab" * 100 + "c", "a" * 500),
        ("**/" * 150 + "c", "a/" * 250 + "b"),
        ("**/a/" * 90 + "c", "a/" * 250 + "b"),
        ("**/*a*a*a/" * 40 + "c", "aaa/" * 120 + "b"),
    ],
)
def test_pattern_with_many_wildcards_is_no_work_without_end(text, name):
    # Tried out in every way these take longer than anybody lives.
    assert not StreamPattern(text).matches(name)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "is empty"),
        ("a//b", "has an empty part"),
        ("/a", "has an empty part"),
        ("a/./*", 'has the part "."'),
        ("../*", 'has the part ".."'),
        ("a**", 'has "**" in "a**"'),
        ("***", 'has "**" in "***"'),
        ("a/\ud800*", "half of a surrogate pair as character 3"),
        ("$SYS/*", "belong to the server"),
        ("a\n*", "holds a control character"),
        ("*" + "a" * PATTERN_BYTES_MAX, "more than 512 bytes"),
    ],
)
def test_pattern_that_no_stream_can_match_is_refused(text, problem):
    with pytest.raises(PatternError) as caught:
        StreamPattern(text)
    assert problem in str(caught.value)
    assert str(caught.value).isprintable()
    with pytest.raises(StreamNameError):
        check_stream_name(text.replace("*", "x") if text.count("*") == 1 else text)


def test_pattern_of_the_longest_name_is_accepted():
    assert StreamPattern("a" * PATTERN_BYTES_MAX).matches("a" * PATTERN_BYTES_MAX)


def test_server_may_mean_its_own_streams():
    assert StreamPattern("$user/*", is_reserved_allowed=True).matches("$user/ann")
