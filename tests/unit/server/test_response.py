"""What handlers return."""

from __future__ import annotations

import json

import pytest

from longwire.server.response import Response, make_response


@pytest.mark.parametrize(
    ("value", "status", "content_type", "body"),
    [
        ("hé", 200, "text/plain; charset=utf-8", "hé".encode()),
        (b"\x00", 200, "application/octet-stream", b"\x00"),
        ({"a": "é"}, 200, "application/json", '{"a":"é"}'.encode()),
        ([1, None], 200, "application/json", b"[1,null]"),
        (None, 204, None, b""),
    ],
)
def test_plain_values_become_responses(
    value: object, status: int, content_type: str | None, body: bytes
) -> None:
    response = make_response(value)
    assert (response.status, response.body) == (status, body)
    assert response.headers.get("Content-Type") == content_type


def test_response_stays_as_it_is() -> None:
    response = Response.html("<p>")
    assert make_response(response) is response
    assert response.headers["Content-Type"] == "text/html; charset=utf-8"
    assert response.headers["X-Content-Type-Options"] == "nosniff"


def test_other_values_are_refused_by_type() -> None:
    with pytest.raises(TypeError, match="a handler returned int"):
        make_response(1)


def test_json_refuses_what_json_cannot_hold() -> None:
    with pytest.raises(ValueError, match="Out of range"):
        Response.json(float("nan"))
    with pytest.raises(TypeError):
        Response.json({1, 2})


def test_json_escapes_a_lone_surrogate() -> None:
    response = Response.json({"half": "\ud83d"})
    assert isinstance(response.body, bytes)
    assert json.loads(response.body) == {"half": "\ud83d"}


def test_own_content_type_is_kept() -> None:
    response = Response.json({}, headers={"content-type": "application/problem+json"})
    assert response.headers.get_all("Content-Type") == ["application/problem+json"]


@pytest.mark.parametrize("status", [100, 199, 600, 0])
def test_status_of_no_response_is_refused(status: int) -> None:
    with pytest.raises(ValueError, match="from 200 to 599"):
        Response(status)


def test_redirect_cannot_split_the_head() -> None:
    location = Response.redirect("/a b\r\nX: y").headers["Location"]
    assert location == "/a%20b%0D%0AX:%20y"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_9110_15_4_redirect(status: int) -> None:
    response = Response.redirect("/räume?a=b", status=status)
    assert (response.status, response.headers["Location"]) == (status, "/r%C3%A4ume?a=b")


@pytest.mark.parametrize("status", [200, 300, 304, 305, 306, 309])
def test_other_statuses_are_no_redirects(status: int) -> None:
    with pytest.raises(ValueError, match=str(status)):
        Response.redirect("/", status=status)


def test_9110_15_3_2_created() -> None:
    response = Response.created("/rooms/1", {"id": 1})
    assert (response.status, response.headers["Location"]) == (201, "/rooms/1")
    assert response.body == b'{"id":1}'
    assert Response.created("/rooms/1").body == b""


def test_freshness_is_no_negative_time() -> None:
    assert Response.text("").cached(0).headers["Cache-Control"] == "private, max-age=0"
    with pytest.raises(ValueError, match="-1"):
        Response.text("").cached(-1)
