"""The files that come with longwire: the browser client and the demo page."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from longwire.base.dates import http_date
from longwire.base.headers import Headers
from longwire.server.response import Response

__all__ = ["STATIC_FOLDER", "StaticFile", "content_security_policy"]

STATIC_FOLDER = Path(__file__).parent / "static"

_CONTENT_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".ico": "image/x-icon",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".map": "application/json",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".ts": "text/plain; charset=utf-8",
}

_INLINE = re.compile(
    rb"<(?P<kind>script|style)(?P<attributes>[^>]*)>(?P<text>.*?)</(?P=kind)\s*>",
    re.DOTALL | re.IGNORECASE,
)
_SOURCE_ATTRIBUTE = re.compile(rb"\ssrc\s*=", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class _Version:
    stamp: tuple[int, int]
    body: bytes
    etag: str
    policy: str


class StaticFile:
    """One file, read again when it changes on disk."""

    __slots__ = ("_cache_control", "_content_type", "_version", "path")

    def __init__(self, path: Path, cache_control: str = "no-cache") -> None:
        self.path = path
        self._cache_control = cache_control
        self._content_type = _CONTENT_TYPES.get(path.suffix, "application/octet-stream")
        self._version: _Version | None = None

    def respond(self) -> Response:
        """Return the whole file and its validators; raises OSError if it is gone.

        What a conditional request, or one for a range, gets of it the dispatcher decides.
        """
        version = self._load()
        answer = Headers(
            {
                "ETag": version.etag,
                "Last-Modified": http_date(version.stamp[0] // 1_000_000_000),
                "Accept-Ranges": "bytes",
                "Cache-Control": self._cache_control,
                "X-Content-Type-Options": "nosniff",
            }
        )
        if version.policy:
            answer.set("Content-Security-Policy", version.policy)
            answer.set("Referrer-Policy", "no-referrer")
        return Response.bytes(version.body, self._content_type, headers=answer)

    def _load(self) -> _Version:
        status = self.path.stat()
        stamp = (status.st_mtime_ns, status.st_size)
        if self._version is None or self._version.stamp != stamp:
            body = self.path.read_bytes()
            etag = '"' + hashlib.sha256(body).hexdigest()[:20] + '"'
            policy = content_security_policy(body) if self.path.suffix == ".html" else ""
            self._version = _Version(stamp, body, etag, policy)
        return self._version


def content_security_policy(page: bytes) -> str:
    """Return a policy under which ``page`` runs its own scripts and styles and nothing else.

    Inline blocks are allowed by their hash, so that markup which gets into the page by mistake
    still runs nothing.
    """
    sources: dict[str, list[str]] = {"script": ["'self'"], "style": ["'self'"]}
    for match in _INLINE.finditer(page):
        if _SOURCE_ATTRIBUTE.search(match["attributes"]):
            continue
        # Browsers hash the text with its line ends made LF.
        text = match["text"].replace(b"\r\n", b"\n")
        digest = base64.b64encode(hashlib.sha256(text).digest()).decode("ascii")
        sources[match["kind"].decode("ascii").lower()].append(f"'sha256-{digest}'")
    return "; ".join(
        [
            "default-src 'none'",
            "script-src " + " ".join(sources["script"]),
            "style-src " + " ".join(sources["style"]),
            "img-src 'self' data:",
            "font-src 'self'",
            "connect-src 'self'",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        ]
    )
