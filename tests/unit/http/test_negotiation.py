"""Which representation a client would rather have."""

from __future__ import annotations

import pytest

from longwire.http.negotiation import choose_media_type, parse_accept

OFFERED = ("text/plain", "application/json", "text/html")
FIREFOX = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"


@pytest.mark.parametrize(
    ("accept", "chosen"),
    [
        (None, "text/plain"),
        ("", "text/plain"),
        ("*/*", "text/plain"),
        (FIREFOX, "text/html"),
        ("application/json", "application/json"),
        ("Application/JSON", "application/json"),
        ("application/json, text/plain, */*", "application/json"),
        ("text/plain, application/json", "text/plain"),
        ("application/json;q=0.5, text/html;q=0.6", "text/html"),
        ("text/*", "text/plain"),
        ("text/*;q=0.1, */*;q=0.2", "application/json"),
        ("text/html;q=0.1, text/*;q=0.5", "text/plain"),
        ("text/plain;q=0, */*;q=0.1", "application/json"),
        ("*/*;q=0.1, text/html", "text/html"),
        ("*/*, text/html;q=0.9", "text/plain"),
        ("application/json; charset=utf-8", "application/json"),
        ('application/json; profile="a,b"; q=0.4, text/html;q=0.3', "text/html"),
        ("image/png", None),
        ("*/*;q=0", None),
        ("text/html;q=0", None),
        ("image/*, application/x;q=0.9", None),
    ],
)
def test_9110_12_5_1_media_type_is_chosen(accept: str | None, chosen: str | None) -> None:
    assert choose_media_type(accept, OFFERED) == chosen


def test_9110_12_5_1_more_specific_range_gives_the_weight() -> None:
    accept = "text/*;q=0.3, text/plain;q=0.7, text/plain;format=flowed, */*;q=0.5"
    available = {
        "text/plain;format=flowed": 1,
        "text/plain": 0.7,
        "text/html": 0.3,
        "image/jpeg": 0.5,
    }
    by_weight = sorted(available, key=lambda name: -available[name])
    for index in range(4):
        assert choose_media_type(accept, by_weight[index:][::-1]) == by_weight[index]


def test_nothing_available_is_nothing_chosen() -> None:
    assert choose_media_type("*/*", ()) is None
    assert choose_media_type(None, ()) is None


@pytest.mark.parametrize(
    "element",
    [
        "html",
        "/html",
        "text/",
        "*/html",
        "text/html;q=2",
        "text/html;q=1.001",
        "text/html;q=0.0001",
        "text/html;q=-1",
        "text/html;q=.5",
        "text/html;q=nan",
        ";q=1",
    ],
)
def test_malformed_element_is_passed_over(element: str) -> None:
    assert [found.type for found in parse_accept(f"{element}, text/plain")] == ["text/plain"]


def test_what_is_no_parameter_ends_the_element() -> None:
    assert [found.quality for found in parse_accept("text/html;q=")] == [1.0]
