"""Patterns over stream names."""

from __future__ import annotations

import pytest

from longwire.base.errors import ConfigError
from longwire.server.patterns import StreamPattern


@pytest.mark.parametrize(
    ("pattern", "stream", "expected"),
    [
        ("chat", "chat", True),
        ("chat", "chat/room", False),
        ("chat", "chats", False),
        ("chat/*", "chat/room", True),
        ("chat/*", "chat/", False),
        ("chat/*", "chat/room/x", False),
        ("chat/room-*", "chat/room-1", True),
        ("chat/room-*", "chat/room-", True),
        ("chat/room-*", "chat/room-1/x", False),
        ("*/typing", "room/typing", True),
        ("chat/**", "chat", False),
        ("chat/**", "chat/a", True),
        ("chat/**", "chat/a/b", True),
        ("chat/**/end", "chat/a/b/end", True),
        ("chat/**/end", "chat/end", False),
        ("**", "anything/at/all", True),
        ("a.c", "abc", False),
        ("*", "line\nbreak", True),
    ],
)
def test_pattern_matches_stream(pattern: str, stream: str, expected: bool) -> None:
    assert StreamPattern(pattern).matches(stream) is expected


@pytest.mark.parametrize("pattern", ["", "/", "/chat", "chat/", "a//b", "a**", "a/**b"])
def test_what_is_no_pattern_is_refused(pattern: str) -> None:
    with pytest.raises(ConfigError, match="a pattern is a stream name"):
        StreamPattern(pattern)
