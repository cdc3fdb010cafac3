"""Answers for people and for programs."""

from __future__ import annotations

import json
from html.parser import HTMLParser

import pytest

from longwire.http.pages import PROBLEM_JSON, error_page

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
NASTY = "<script>alert(1)</script>\"'&${title}$status</style> \ud800 é"


class Reader(HTMLParser):
    """Collects the tags, their attributes and the text outside of style."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        if self.tags[-1:] != ["style"]:
            self.text += data


def read(body: bytes) -> Reader:
    reader = Reader()
    reader.feed(body.decode("utf-8"))
    return reader


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        (None, "text/plain; charset=utf-8"),
        ("*/*", "text/plain; charset=utf-8"),
        ("text/plain", "text/plain; charset=utf-8"),
        ("text/event-stream", "text/plain; charset=utf-8"),
        (BROWSER, "text/html; charset=utf-8"),
        ("application/json", PROBLEM_JSON),
        ("application/problem+json", PROBLEM_JSON),
        ("application/json, text/plain, */*", PROBLEM_JSON),
    ],
)
def test_error_page_is_what_the_client_asks_for(accept: str | None, content_type: str) -> None:
    headers, body = error_page(404, None, "There is no /a here.", accept)
    assert headers["content-type"] == content_type
    assert headers["vary"] == "Accept"
    assert b"404" in body
    assert b"Not Found" in body
    assert b"There is no /a here." in body


def test_page_for_people_shows_status_title_and_detail() -> None:
    _, body = error_page(404, "No such page", "Nothing is at /a.", BROWSER)
    reader = read(body)
    for text in ("404", "No such page", "Nothing is at /a."):
        assert text in reader.text
    assert {"title", "h1", "main"} <= set(reader.tags)
    assert ("lang", "en") in reader.attributes


def test_page_escapes_what_the_client_sent() -> None:
    tags = read(error_page(404, "a", "b", BROWSER)[1]).tags
    _, body = error_page(404, NASTY, NASTY, BROWSER)
    reader = read(body)
    assert reader.tags == tags
    assert reader.text.count("<script>alert(1)</script>\"'&${title}$status</style>") == 3


def test_page_loads_nothing_from_elsewhere_and_allows_no_script() -> None:
    headers, body = error_page(500, None, NASTY, BROWSER)
    links = [value for name, value in read(body).attributes if name in ("src", "href")]
    assert links == ["/"]
    assert b"url(" not in body
    policy = headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert headers["x-content-type-options"] == "nosniff"


def test_9457_3_1_problem_document_has_its_members() -> None:
    members = {"position": "0000000000000005_x", "status": 1, "type": "https://example.org/gone"}
    _, body = error_page(410, "Trimmed", NASTY, "application/json", members=members)
    assert json.loads(body) == {
        "type": "https://example.org/gone",
        "title": "Trimmed",
        "status": 410,
        "detail": NASTY,
        "position": "0000000000000005_x",
    }


def test_9457_4_2_1_problem_without_a_type_is_about_blank() -> None:
    _, body = error_page(404, None, "", "application/json")
    assert json.loads(body) == {"type": "about:blank", "title": "Not Found", "status": 404}


def test_text_is_one_line() -> None:
    assert error_page(404, None, "", None)[1] == b"404 Not Found\n"
    assert error_page(404, None, "Gone fishing.", None)[1] == b"404 Not Found: Gone fishing.\n"
