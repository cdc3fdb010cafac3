"""Files with an ETag, and the policy under which a page may run."""

from __future__ import annotations

import base64
import hashlib
import os
from pathlib import Path

import pytest

from longwire.base.headers import Headers
from longwire.server.static_files import StaticFile, content_security_policy, is_unchanged


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        (None, False),
        ('"tag"', True),
        ('W/"tag"', True),
        ('"a", "tag" ,"b"', True),
        ("*", True),
        ('"other"', False),
        ("tag", False),
        ("", False),
    ],
)
def test_9110_13_1_2_condition_is_compared_weakly(condition: str | None, expected: bool) -> None:
    headers = Headers() if condition is None else Headers({"If-None-Match": condition})
    assert is_unchanged(headers, '"tag"') is expected


def test_file_is_read_again_when_it_changes(tmp_path: Path) -> None:
    path = tmp_path / "page.js"
    path.write_text("one")
    file = StaticFile(path)
    first = file.respond(Headers())
    assert first.body == b"one"
    etag = first.headers["ETag"]
    assert file.respond(Headers({"If-None-Match": etag})).status == 304
    path.write_text("two")
    os.utime(path, ns=(1, 1))
    second = file.respond(Headers({"If-None-Match": etag}))
    assert (second.status, second.body) == (200, b"two")


def test_page_may_run_its_own_inline_blocks_alone() -> None:
    page = b"""<style>p { color: red }</style><script type="module">alert(1)\r\n</script>
    <SCRIPT src="/x.js"></SCRIPT>"""
    policy = content_security_policy(page)

    def digest(text: bytes) -> str:
        return base64.b64encode(hashlib.sha256(text).digest()).decode()

    assert f"script-src 'self' 'sha256-{digest(b'alert(1)' + bytes([10]))}';" in policy
    assert f"style-src 'self' 'sha256-{digest(b'p { color: red }')}';" in policy
    assert "unsafe" not in policy
