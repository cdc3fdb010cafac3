"""Stream names (docs/protocol.md, 1.1)."""

import pytest

from longwire.streams.errors import StreamNameError
from longwire.streams.name import NAME_BYTES_MAX, check_stream_name


@pytest.mark.parametrize(
    "name",
    [
        "a",
        "chat/room-7",
        "c++",
        "c#/x",
        "聊天/大厅",
        "a b",
        "a" * NAME_BYTES_MAX,
        "x/...",
        "a$",
        "é",
    ],
)
def test_name_is_accepted(name):
    assert check_stream_name(name) == name


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("", "it is empty"),
        ("/", "a segment"),
        ("/a", "a segment"),
        ("a/", "a segment"),
        ("a//b", "a segment"),
        ("a/./b", '"." is no segment'),
        ("..", '".." is no segment'),
        ("a\nb", "character 2 is the control character U+000A"),
        ("a\x85", "character 2 is the control character U+0085"),
        ("chat/*", 'character 6 is "*"'),
        ("$SYS/load", "belong to the server"),
        ("a\ud800", "character 2 is half of a surrogate pair"),
        ("a" * (NAME_BYTES_MAX + 1), "it has 513 bytes, at most 512"),
        ("é" * 257, "it has 514 bytes"),
    ],
)
def test_name_is_refused_with_what_is_wrong(name, problem):
    with pytest.raises(StreamNameError) as caught:
        check_stream_name(name)
    assert problem in str(caught.value)
    assert str(caught.value).isprintable()
    assert caught.value.code == "bad_stream_name"


def test_server_may_use_reserved_names():
    assert check_stream_name("$SYS/load", is_reserved_allowed=True) == "$SYS/load"
