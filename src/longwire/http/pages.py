"""Answers for people and programs when something is not there or went wrong.

Who asks for a page gets a page, who asks for JSON a problem document (RFC 9457), everybody else
a line of text.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
from collections.abc import Mapping
from string import Template
from typing import Final

from longwire.base.headers import Headers
from longwire.http.negotiation import choose_media_type
from longwire.http.semantics import reason_phrase

__all__ = ["PROBLEM_JSON", "error_page"]

PROBLEM_JSON: Final = "application/problem+json"

# In the order in which a client that does not care gets them.
_OFFERED = ("text/plain", PROBLEM_JSON, "application/json", "text/html")

_STYLE = """
:root { color-scheme: light dark; --ink: #1c2430; --soft: #5b6675; --paper: #f6f7f9;
  --card: #fff; --line: #dfe3e9; --accent: #2f6fde; }
@media (prefers-color-scheme: dark) { :root { --ink: #e8ecf2; --soft: #9aa6b6; --paper: #12161c;
  --card: #1a2028; --line: #2b333f; --accent: #7aa7ff; } }
* { box-sizing: border-box; }
body { margin: 0; min-height: 100vh; display: grid; place-items: center; padding: 1.5rem;
  background: var(--paper); color: var(--ink);
  font: 1rem/1.6 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
main { width: 100%; max-width: 36rem; padding: 2.5rem; background: var(--card);
  border: 1px solid var(--line); border-radius: 1rem; }
.status { margin: 0; color: var(--accent); font-size: 3.5rem; font-weight: 700; line-height: 1;
  letter-spacing: -0.03em; font-variant-numeric: tabular-nums; }
h1 { margin: 0.75rem 0 0; font-size: 1.5rem; line-height: 1.3; }
.detail { margin: 0.75rem 0 0; color: var(--soft); overflow-wrap: anywhere;
  white-space: pre-line; }
footer { margin-top: 2rem; padding-top: 1rem; border-top: 1px solid var(--line);
  color: var(--soft); font-size: 0.875rem; }
a { color: var(--accent); }
"""

_PAGE = Template(
    """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>$status $title</title>
<style>$style</style>
</head>
<body>
<main>
<p class="status">$status</p>
<h1>$title</h1>
$detail<footer><a href="/">Back to the start</a> · longwire</footer>
</main>
</body>
</html>
"""
)

_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
# The page needs its own style and nothing else; so nothing else may run on it.
_CONTENT_SECURITY_POLICY = (
    f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)


def error_page(
    status: int,
    title: str | None,
    detail: str,
    accept: str | None,
    *,
    members: Mapping[str, object] | None = None,
) -> tuple[Headers, bytes]:
    """Return headers and body that say what is the matter, as the client likes to read it.

    ``title`` defaults to the status code's phrase; ``detail`` is a sentence, and may repeat what
    the client sent: it is escaped. ``accept`` is the joined Accept header. ``members`` are further
    members of the problem document (RFC 9457 section 3.2), for programs.
    """
    shown_title = title or reason_phrase(status)
    chosen = choose_media_type(accept, _OFFERED)
    headers = Headers([("Vary", "Accept"), ("X-Content-Type-Options", "nosniff")])
    if chosen == "text/html":
        headers.add("Content-Type", "text/html; charset=utf-8")
        headers.add("Content-Security-Policy", _CONTENT_SECURITY_POLICY)
        return headers, _html(status, shown_title, detail)
    if chosen in (PROBLEM_JSON, "application/json"):
        headers.add("Content-Type", PROBLEM_JSON)
        return headers, _problem(status, shown_title, detail, members or {})
    headers.add("Content-Type", "text/plain; charset=utf-8")
    text = f"{status} {shown_title}" + (f": {detail}" if detail else "") + "\n"
    return headers, text.encode("utf-8", "replace")


def _html(status: int, title: str, detail: str) -> bytes:
    paragraph = f'<p class="detail">{html.escape(detail)}</p>\n' if detail else ""
    page = _PAGE.substitute(status=status, title=html.escape(title), style=_STYLE, detail=paragraph)
    return page.encode("utf-8", "replace")


def _problem(status: int, title: str, detail: str, members: Mapping[str, object]) -> bytes:
    # RFC 9457 section 4.2.1: about:blank means no more than the status code does.
    problem: dict[str, object] = {"type": "about:blank", **members}
    problem.update(title=title, status=status)
    if detail:
        problem["detail"] = detail
    return json.dumps(problem).encode("ascii") + b"\n"
