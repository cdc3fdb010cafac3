"""The path below a mount, whatever a server and a framework make of it."""

from __future__ import annotations

from typing import Any

import pytest

from longwire.server.asgi_paths import request_of_scope, target_of_scope


@pytest.mark.parametrize(
    ("path", "raw_path", "root", "expected"),
    [
        ("/a", b"/a", "", "/a"),
        ("/a b/é", b"/a%20b/%C3%A9", "", "/a%20b/%C3%A9"),
        ("/a/b", b"/a%2Fb", "", "/a%2Fb"),
        ("/a b/é", None, "", "/a%20b/%C3%A9"),
        # mounted, and path and raw_path hold where
        ("/live/ws", b"/live/ws", "/live", "/ws"),
        ("/live", b"/live", "/live", "/"),
        ("/live/", b"/live/", "/live/", "/"),
        ("/live/streams/a/b", b"/live/streams/a%2Fb", "/live", "/streams/a%2Fb"),
        # only raw_path holds it, or neither does
        ("/ws", b"/live/ws", "/live", "/ws"),
        ("/ws", b"/ws", "/live", "/ws"),
        ("/ws", None, "/live", "/ws"),
        # the mount itself has escapes
        ("/a b/c", b"/a%20b/c", "/a b", "/c"),
        # a name that begins as the mount does
        ("/lively", b"/lively", "/live", "/lively"),
        # a raw path that fits nothing is not believed
        ("/a", b"/b", "", "/a"),
    ],
)
def test_target_is_the_path_below_the_mount(
    path: str, raw_path: bytes | None, root: str, expected: str
) -> None:
    scope: dict[str, Any] = {"path": path, "root_path": root, "query_string": b""}
    if raw_path is not None:
        scope["raw_path"] = raw_path
    assert target_of_scope(scope) == expected
    scope["query_string"] = b"a=%20&b"
    assert target_of_scope(scope) == f"{expected}?a=%20&b"


def test_websocket_scope_becomes_a_request_for_one() -> None:
    scope = {
        "type": "websocket",
        "path": "/ws",
        "scheme": "wss",
        "http_version": "2",
        "headers": [(b"host", b"example.com"), (b"origin", b"https://example.com")],
    }
    request = request_of_scope(scope)
    assert (request.method, request.scheme, request.authority) == ("GET", "https", "example.com")
    assert request.protocol == "websocket"
    assert request.headers["Origin"] == "https://example.com"
