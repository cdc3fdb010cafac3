"""Files with an ETag, and the policy under which a page may run."""

from __future__ import annotations

import base64
import hashlib
import os
from pathlib import Path

from longwire.server.static_files import StaticFile, content_security_policy


def test_file_is_read_again_when_it_changes(tmp_path: Path) -> None:
    path = tmp_path / "page.js"
    path.write_text("one")
    file = StaticFile(path)
    first = file.respond()
    assert first.body == b"one"
    assert file.respond().headers == first.headers
    path.write_text("two")
    os.utime(path, (784111777.5, 784111777.5))
    second = file.respond()
    assert second.body == b"two"
    assert second.headers["ETag"] != first.headers["ETag"]
    assert second.headers["Last-Modified"] == "Sun, 06 Nov 1994 08:49:37 GMT"


def test_page_may_run_its_own_inline_blocks_alone() -> None:
    page = b"""<style>p { color: red }</style><script type="module">alert(1)\r\n</script>
    <SCRIPT src="/x.js"></SCRIPT>"""
    policy = content_security_policy(page)

    def digest(text: bytes) -> str:
        return base64.b64encode(hashlib.sha256(text).digest()).decode()

    assert f"script-src 'self' 'sha256-{digest(b'alert(1)' + bytes([10]))}';" in policy
    assert f"style-src 'self' 'sha256-{digest(b'p { color: red }')}';" in policy
    assert "unsafe" not in policy
