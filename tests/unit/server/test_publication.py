"""Publish hooks and the data that they take."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import pytest

from longwire.base.errors import ConfigError
from longwire.hub.errors import PublishRefused
from longwire.identity.principal import ANONYMOUS
from longwire.server.publication import Publication, make_shower


def publication(payload: bytes) -> Publication:
    return Publication("s", payload, "application/json", ANONYMOUS)


@dataclass
class Point:
    x: int
    y: int = 0


def test_hook_may_take_the_publication_alone() -> None:
    seen = []
    make_shower(lambda publication: seen.append(publication.data))(publication(b"[1]"))
    assert seen == [[1]]


def test_hook_may_take_the_data_by_type() -> None:
    def hook(publication: Publication, point: Point) -> None:
        publication.data = Point(point.x + 1, 2)

    shown = publication(b'{"x":1}')
    make_shower(hook)(shown)
    assert shown.payload == b'{"x":2,"y":2}'


def test_data_without_annotation_may_be_anything() -> None:
    seen = []
    make_shower(lambda publication, data: seen.append(data))(publication(b'{"a":null}'))
    assert seen == [{"a": None}]


@pytest.mark.parametrize("payload", [b"{}", b'{"x":"1"}', b"\xff", b"", b'{"x":1'])
def test_data_that_do_not_fit_are_refused(payload: bytes) -> None:
    def hook(publication: Publication, point: Point) -> None:
        raise AssertionError("it was called")

    with pytest.raises(PublishRefused, match=r"^s: "):
        make_shower(hook)(publication(payload))


@pytest.mark.parametrize("hook", [lambda: None, lambda a, b, c: None])
def test_hook_that_takes_something_else_is_refused(hook: object) -> None:
    with pytest.raises(ConfigError, match="arguments"):
        make_shower(hook)  # type: ignore[arg-type]


def test_hook_with_a_type_that_cannot_be_decoded_is_refused() -> None:
    def hook(publication: Publication, data: list[int] | tuple[str, ...]) -> None: ...

    with pytest.raises(ConfigError, match="cannot be of type"):
        make_shower(hook)


def test_data_of_any_type_can_be_set_but_not_nan() -> None:
    shown = publication(b"1")
    shown.data = {"at": datetime(2026, 1, 2, tzinfo=UTC)}
    assert shown.data == {"at": "2026-01-02T00:00:00Z"}
    with pytest.raises(ValueError, match="JSON"):
        shown.data = float("nan")
