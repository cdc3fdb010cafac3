"""Code that stands in pages, cut out so that it can be run."""

from __future__ import annotations

import re
from pathlib import Path

__all__ = ["ROOT", "snippets"]

ROOT = Path(__file__).resolve().parent.parent.parent

_FENCED = re.compile(r"^```(?P<language>\w+)\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL)


def snippets(page: str, language: str, *needles: str) -> list[str]:
    """The code blocks of ``page`` in one language that contain all ``needles``, in order."""
    found = _FENCED.finditer((ROOT / page).read_text())
    codes = [match["code"] for match in found if match["language"] == language]
    return [code for code in codes if all(needle in code for needle in needles)]
