"""The tree keeps its shape: file sizes, names, and links between pages."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from tests.needs import ROOT

# Aim at 400; the trees that are good to enter have few files above it.
FILE_LINES_MAX = 800
EMPTY_NAMES = {"utils", "util", "helpers", "helper", "common", "misc", "manager"}
OWN_FOLDERS = ("src", "tests", "scripts", "fuzz")
LINK = re.compile(r"\]\(([^)\s]+)\)")
CODE = re.compile(r"```.*?```|`[^`]*`", re.DOTALL)


def python_files() -> list[Path]:
    return [
        path
        for folder in OWN_FOLDERS
        for path in sorted((ROOT / folder).rglob("*.py"))
        if "node_modules" not in path.parts
    ]


def test_no_file_is_longer_than_the_cap() -> None:
    lines = {str(path.relative_to(ROOT)): path.read_text().count("\n") for path in python_files()}
    assert {name: count for name, count in lines.items() if count > FILE_LINES_MAX} == {}


def test_no_module_has_a_name_that_says_nothing() -> None:
    assert [str(path) for path in python_files() if path.stem in EMPTY_NAMES] == []


def pages() -> list[Path]:
    return [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]


@pytest.mark.parametrize("page", pages(), ids=lambda path: str(path.relative_to(ROOT)))
def test_relative_links_of_page_lead_somewhere(page: Path) -> None:
    text = CODE.sub("", page.read_text())
    targets = [target.partition("#")[0] for target in LINK.findall(text) if "://" not in target]
    assert [target for target in targets if target and not (page.parent / target).exists()] == []


def test_index_names_every_page() -> None:
    index = (ROOT / "docs" / "index.md").read_text()
    named = {target.partition("#")[0] for target in LINK.findall(index)}
    found = {path.name for path in (ROOT / "docs").glob("*.md")} - {"index.md"}
    assert found - named == set()


# CPython before 3.11.5 (gh-106052) keeps half of a repetition that failed, when what is repeated
# possessively, or atomic, is a group: "5;" then matches `5(?:;[a-z]+)*+`.
POSSESSIVE_GROUP = re.compile(r"(?<![\\(])\)(?:[*+?]|\{\d+(?:,\d*)?\})\+|\(\?>")
CHARACTER_CLASS = re.compile(r"\[(?:\\.|[^\]\\])+\]")


def string_constants(path: Path) -> list[str]:
    tree = ast.parse(path.read_text())
    texts = [
        node.value if isinstance(node.value, str) else node.value.decode("latin-1")
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str | bytes)
    ]
    return [CHARACTER_CLASS.sub("[]", text) for text in texts]


def test_no_pattern_repeats_a_group_possessively() -> None:
    assert POSSESSIVE_GROUP.search("5(?:;[a-z]+)*+")
    assert not POSSESSIVE_GROUP.search(r"[a-z]++\)+")
    found = [
        f"{path.relative_to(ROOT)}: {text}"
        for path in sorted((ROOT / "src").rglob("*.py"))
        for text in string_constants(path)
        if POSSESSIVE_GROUP.search(text)
    ]
    assert found == []
