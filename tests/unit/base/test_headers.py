"""Header fields that are copied share their list until one of the two changes."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from longwire.base.headers import Headers

FIELDS = [("A", "1"), ("B", "2"), ("a", "3")]


@pytest.mark.parametrize(
    ("change", "after"),
    [
        (lambda headers: headers.add("C", "4"), [*FIELDS, ("C", "4")]),
        (lambda headers: headers.set("A", "4"), [("B", "2"), ("A", "4")]),
        (lambda headers: headers.remove("a"), [("B", "2")]),
    ],
)
@pytest.mark.parametrize("is_copy_changed", [False, True])
def test_a_change_stays_where_it_was_made(
    change: Callable[[Headers], None], after: list[tuple[str, str]], is_copy_changed: bool
) -> None:
    first = Headers(FIELDS)
    second = Headers(first)
    third = Headers(second)
    changed, kept = (second, first) if is_copy_changed else (first, second)
    change(changed)
    assert changed.items() == after
    assert kept.items() == third.items() == FIELDS
    changed.add("D", "5")
    third.add("E", "6")
    assert changed.items() == [*after, ("D", "5")]
    assert third.items() == [*FIELDS, ("E", "6")]
    assert kept.items() == FIELDS


def test_the_list_that_headers_were_made_of_stays_the_callers() -> None:
    fields = list(FIELDS)
    headers = Headers(fields)
    headers.add("C", "4")
    fields.clear()
    assert headers.items() == [*FIELDS, ("C", "4")]


def test_names_are_found_without_case() -> None:
    headers = Headers([("If-Match", "*"), ("X", "y")])
    assert headers.has_any(frozenset({"if-match", "range"}))
    assert not headers.has_any(frozenset({"range"}))
    assert not Headers().has_any(frozenset({"range"}))
    assert headers.as_tuple() == (("If-Match", "*"), ("X", "y"))
