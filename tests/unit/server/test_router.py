"""From a path to what answers there."""

from __future__ import annotations

import pytest

from longwire.base.errors import ConfigError
from longwire.server.request import split_target
from longwire.server.router import BadPathError, Router


def routes(*patterns: str) -> Router[str, str]:
    router: Router[str, str] = Router()
    for pattern in patterns:
        router.add(pattern, ["GET"], pattern)
    return router


PATTERNS = (
    "/",
    "/rooms",
    "/rooms/{room}",
    "/rooms/lobby",
    "/rooms/{room}/files/{name...}",
    "/v{version}/x",
    "/{rest...}",
)


@pytest.mark.parametrize(
    ("path", "pattern", "parameters"),
    [
        ("/", "/", {}),
        ("/rooms", "/rooms", {}),
        ("/rooms/lobby", "/rooms/lobby", {}),
        ("/rooms/kitchen", "/rooms/{room}", {"room": "kitchen"}),
        ("/rooms/k%C3%BCche", "/rooms/{room}", {"room": "küche"}),
        ("/rooms/a%2Fb", "/rooms/{room}", {"room": "a/b"}),
        ("/rooms/a/files/b/c", "/rooms/{room}/files/{name...}", {"room": "a", "name": "b/c"}),
        ("/v2/x", "/v{version}/x", {"version": "2"}),
        ("/rooms/a/b", "/{rest...}", {"rest": "rooms/a/b"}),
        ("//", "/{rest...}", {"rest": "/"}),
        # RFC 3986 section 6.2.2.2: an escaped letter is that letter
        ("/%72ooms", "/rooms", {}),
        # section 2.2: an escaped slash is no slash
        ("/rooms%2Flobby", "/{rest...}", {"rest": "rooms/lobby"}),
    ],
)
def test_router_finds_resource(path: str, pattern: str, parameters: dict[str, str]) -> None:
    found = routes(*PATTERNS).find(path)
    assert found is not None
    resource, got = found
    assert (resource.pattern, got) == (pattern, parameters)


@pytest.mark.parametrize(
    ("pattern", "path", "parameters"),
    [
        ("/{y}-{m}-{d}.html", "/2026-11-29.html", {"y": "2026", "m": "11", "d": "29"}),
        ("/{a}-{b}", "/x-y-z", {"a": "x", "b": "y-z"}),
        ("/{a}-{b}", "/--z", {"a": "-", "b": "z"}),
        ("/{name}.json", "/a.json.json", {"name": "a.json"}),
        ("/{a}.{b}/{c}-{d...}", "/1.2/3-4/5", {"a": "1", "b": "2", "c": "3", "d": "4/5"}),
        ("/{a}.{b}.gz", "/x.tar.gz.gz", {"a": "x", "b": "tar.gz"}),
        ("/{a}-{b}.x", "/a-b", None),
    ],
)
def test_parameters_share_a_segment_out(
    pattern: str, path: str, parameters: dict[str, str] | None
) -> None:
    found = routes(pattern).find(path)
    assert (found and found[1]) == parameters


def test_segment_with_many_parameters_is_no_work_without_end() -> None:
    # Tried out in every way this takes an hour; and a day with one parameter more.
    assert routes("/{y}-{m}-{d}-{n}.html").find("/" + "-" * 8_000) is None


@pytest.mark.parametrize("path", ["/room", "/rooms/", "/Rooms", "rooms", ""])
def test_router_finds_nothing(path: str) -> None:
    assert routes("/rooms", "/rooms/{room}").find(path) is None


@pytest.mark.parametrize("path", ["/rooms/%", "/rooms/%4", "/rooms/%zz", "/rooms/%ff"])
def test_router_refuses_broken_escapes(path: str) -> None:
    with pytest.raises(BadPathError):
        routes("/rooms/{room}").find(path)


@pytest.mark.parametrize(
    "pattern",
    ["rooms", "", "/{", "/{}", "/{a}{", "/{a-b}", "/{a}/{a}", "/{rest...}/x", "/{1}", "/a}"],
)
def test_router_refuses_bad_pattern(pattern: str) -> None:
    with pytest.raises(ConfigError):
        routes(pattern)


@pytest.mark.parametrize("methods", [[], ["get"], ["GET", "BAD METHOD"], [""]])
def test_router_refuses_bad_method(methods: list[str]) -> None:
    with pytest.raises(ConfigError):
        Router[str, str]().add("/", methods, "handler")


@pytest.mark.parametrize("pattern", ["/rooms", "/rooms/{room}"])
def test_router_refuses_a_second_handler(pattern: str) -> None:
    router = routes(pattern)
    router.add(pattern, ["POST"], "another method")
    with pytest.raises(ConfigError):
        router.add(pattern, ["PUT", "GET"], "taken")
    found = router.find("/rooms" if pattern == "/rooms" else "/rooms/x")
    assert found is not None
    assert set(found[0].methods) == {"GET", "POST"}
    router.add_websocket(pattern, "socket")
    with pytest.raises(ConfigError):
        router.add_websocket(pattern, "another")


def test_9110_9_3_2_head_is_answered_by_get() -> None:
    found = routes("/a").find("/a")
    assert found is not None
    assert found[0].find("HEAD") == "/a"
    assert found[0].find("POST") is None


def test_9110_10_2_1_allow_lists_what_is_answered() -> None:
    router = routes("/a")
    router.add("/b", ["POST", "PATCH"], "b")
    router.add_websocket("/c", "c")
    allowed = {resource.pattern: resource.allow for resource in router.resources()}
    assert allowed == {
        "/a": "GET, HEAD, OPTIONS",
        "/b": "OPTIONS, PATCH, POST",
        "/c": "GET, HEAD, OPTIONS",
    }


def test_target_is_split_at_the_first_question_mark() -> None:
    assert split_target("/a?b?c") == ("/a", "b?c")
    assert split_target("/a") == ("/a", "")
