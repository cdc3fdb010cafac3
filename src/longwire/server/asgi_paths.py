"""The request that an ASGI scope describes, in our own vocabulary."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, unquote

from longwire.base.headers import Headers
from longwire.http.events import RequestReceived

__all__ = ["path_of_scope", "request_of_scope", "target_of_scope"]

# RFC 3986 section 3.3: what may stand in a path unescaped.
_PATH_SAFE = "/:@!$&'()*+,;=-._~"


def request_of_scope(scope: Mapping[str, Any]) -> RequestReceived:
    """Return the head of the request; the path is the part below where we are mounted."""
    headers = Headers(
        (name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]
    )
    is_websocket = scope["type"] == "websocket"
    scheme = scope.get("scheme", "http")
    return RequestReceived(
        stream=0,
        method="GET" if is_websocket else scope["method"],
        target=target_of_scope(scope),
        version=scope.get("http_version", "1.1"),
        headers=headers,
        scheme={"ws": "http", "wss": "https"}.get(scheme, scheme),
        authority=headers.get("Host", "") or "",
        protocol="websocket" if is_websocket else None,
    )


def path_of_scope(scope: Mapping[str, Any]) -> str:
    """Return the decoded path without ``root_path``, with which it begins with some servers and
    frameworks and not with others."""
    return _strip(scope["path"], scope.get("root_path", "").rstrip("/"))


def target_of_scope(scope: Mapping[str, Any]) -> str:
    """Return path and query as they stood in the request, without ``root_path``.

    ``raw_path`` may begin with that or not, as ``path`` does, and may be missing.
    """
    root = scope.get("root_path", "").rstrip("/")
    path = path_of_scope(scope)
    raw_path = scope.get("raw_path")
    target = quote(path, safe=_PATH_SAFE)
    if raw_path is not None:
        # What an escape stood for cannot be told from the decoded path: "%2F" is no slash.
        raw = raw_path.decode("latin-1").partition("?")[0]
        for candidate in (_strip(raw, quote(root, safe=_PATH_SAFE)), _strip(raw, root)):
            if unquote(candidate) == path:
                target = candidate
                break
    query = scope.get("query_string", b"").decode("latin-1")
    return f"{target}?{query}" if query else target


def _strip(path: str, root: str) -> str:
    if root and (path == root or path.startswith(f"{root}/")):
        path = path[len(root) :]
    return path if path.startswith("/") else f"/{path}"
