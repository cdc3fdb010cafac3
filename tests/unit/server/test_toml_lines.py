"""Lines of keys in TOML, for errors that say where."""

from __future__ import annotations

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longwire.server.toml_lines import find_key_lines, line_of

DOCUMENT = '''\
# comment with [brackets] and "quotes"
top = 1
"quoted key" = 2 # trailing = comment

[server]
host = "a # b" # c
  port = 8080
dotted.inner = 'literal # [x]'

[websocket] # comment
text = """
not = "a key"
[nor.a.table] \\""" "
"""
raw = \'\'\'
also = 'not'
\'\'\'
after = [
  1, # ]
  "]",
  [2, { three = 3 }],
]
[ "spaced" . 'table' ]
deep = { port = 1, x = [
  ] }
last = true
[[many]]
a = 1
[[many]]
b = 2'''


def test_scan_finds_every_key() -> None:
    tomllib.loads(DOCUMENT)
    assert find_key_lines(DOCUMENT) == {
        ("top",): 2,
        ("quoted key",): 3,
        ("server",): 5,
        ("server", "host"): 6,
        ("server", "port"): 7,
        ("server", "dotted"): 8,
        ("server", "dotted", "inner"): 8,
        ("websocket",): 10,
        ("websocket", "text"): 11,
        ("websocket", "raw"): 15,
        ("websocket", "after"): 18,
        ("spaced", "table"): 23,
        ("spaced", "table", "deep"): 24,
        ("spaced", "table", "last"): 26,
        ("many",): 27,
        ("many", "a"): 28,
        ("many", "b"): 30,
    }


def test_scan_reads_carriage_returns() -> None:
    text = '[a]\r\nb = """x\r\ny"""\r\nc = 1\r\n'
    tomllib.loads(text)
    assert find_key_lines(text) == {("a",): 1, ("a", "b"): 2, ("a", "c"): 4}


@pytest.mark.parametrize(
    ("path", "line"), [(("a", "b"), 2), (("a", "b", "inside"), 2), (("a", "x"), 1), (("z",), 1)]
)
def test_line_of_falls_back_to_what_is_around(path: tuple[str, ...], line: int) -> None:
    assert line_of({("a",): 1, ("a", "b"): 2}, path) == line


@given(st.text())
def test_scan_ends_for_any_text(text: str) -> None:
    find_key_lines(text)


values = st.sampled_from(
    ["1", '"x"', "'y # ]'", '"""\nmulti = 1\n[x]\n"""', "[1,\n  2, # c ]\n]", "{ a = 1, b = [2] }"]
)


@given(st.lists(st.tuples(st.integers(0, 3), values), max_size=8))
def test_scan_agrees_with_where_keys_were_written(entries: list[tuple[int, str]]) -> None:
    text, expected = "", {}
    for number, (blank_lines, value) in enumerate(entries):
        text += "\n" * blank_lines
        expected[(f"k{number}",)] = text.count("\n") + 1
        text += f"k{number} = {value}  # note\n"
    tomllib.loads(text)
    assert find_key_lines(text) == expected
