"""The grammars that header fields share."""

from __future__ import annotations

import pytest

from longwire.http.field_values import is_host, is_token, split_list, split_parameters, tokens


@pytest.mark.parametrize("text", ["GET", "x-y", "!#$%&'*+-.^_`|~09azAZ"])
def test_9110_5_6_2_token_is_recognised(text: str) -> None:
    assert is_token(text)


@pytest.mark.parametrize("text", ["", " ", "a b", "a:", "a\n", "a/b", "(a)", '"a"', "\xe9", "a@"])
def test_9110_5_6_2_other_text_is_no_token(text: str) -> None:
    assert not is_token(text)


@pytest.mark.parametrize(
    ("value", "elements"),
    [
        ("", []),
        (" , ,\t,", []),
        ("a", ["a"]),
        ("a,b ,\tc", ["a", "b", "c"]),
        ('a;x="1,2", b', ['a;x="1,2"', "b"]),
        ('"a\\",b", c', ['"a\\",b"', "c"]),
        ('"open, b', ['"open, b']),
        ('a", b', ['a", b']),
        ('a, "b\\', ["a", '"b\\']),
        ('"a\nb,c", d', ['"a\nb,c"', "d"]),
    ],
)
def test_9110_5_6_1_list_is_split(value: str, elements: list[str]) -> None:
    assert split_list(value) == elements


@pytest.mark.timeout(20)
@pytest.mark.parametrize("unit", ['"', ",", '\\"', '"\\"', '"a",', '";', " ,", '="'])
def test_lists_and_parameters_take_time_in_proportion(unit: str) -> None:
    for value in (unit * 50_000, '"' + unit * 50_000, "a;b=" + unit * 50_000):
        split_list(value)
        split_parameters(value)


def test_tokens_of_all_lines_come_in_lower_case() -> None:
    assert tokens(["Upgrade, keep-alive", "", "CLOSE"]) == {"upgrade", "keep-alive", "close"}


@pytest.mark.parametrize(
    ("value", "first", "parameters"),
    [
        ("text/html", "text/html", {}),
        ("text/html;q=0.5", "text/html", {"q": "0.5"}),
        ("text/html ; Charset=utf-8 ;q=1", "text/html", {"charset": "utf-8", "q": "1"}),
        ('a/b;x="y;z, \\" \\\\"; w=1', "a/b", {"x": 'y;z, " \\', "w": "1"}),
        ("a/b;;;x=1;", "a/b", {"x": "1"}),
        ("a/b;x=1;x=2", "a/b", {"x": "1"}),
        ("a/b; x = 1; y=2", "a/b", {}),
        ('a/b;x=""', "a/b", {"x": ""}),
        ('a/b;y=1;x="open', "a/b", {"y": "1"}),
    ],
)
def test_9110_5_6_6_parameters_are_split(
    value: str, first: str, parameters: dict[str, str]
) -> None:
    assert split_parameters(value) == (first, parameters)


@pytest.mark.parametrize(
    "text", ["a", "a.b-c_d~e:80", "a:", "1.2.3.4:0", "[::]", "[::ffff:1.2.3.4]:65535", "%41", "a,b"]
)
def test_3986_3_2_2_host_is_recognised(text: str) -> None:
    assert is_host(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        ":80",
        "a:65536",
        "a:b",
        "a:1:2",
        "a/b",
        "a b",
        "a@b",
        "a#b",
        "a?b",
        "[::1",
        "::1",
        "[]",
        "[1.2.3.4]",
        "[::1]a",
        "[fe80::1%eth0]",
        "%4",
        "a\\b",
        "\xe9",
        "a\n",
        '"a"',
        "<a>",
    ],
)
def test_3986_3_2_2_other_text_is_no_host(text: str) -> None:
    assert not is_host(text)
