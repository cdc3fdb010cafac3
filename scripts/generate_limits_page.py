"""Write docs/limits.md from src/longwire/base/limits.py, the one place where limits stand.

`--check` writes nothing and exits 1 if the page is out of date.
"""

import ast
import dataclasses
import itertools
import sys
from pathlib import Path

from longwire.base import limits

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "limits.md"
SOURCE = ROOT / "src" / "longwire" / "base" / "limits.py"

HEAD = """\
# Limits

Every limit with its default and its reason, written from `src/longwire/base/limits.py` by
`make docs`; change it there. The end of a name is its unit: `_s` seconds, `_bytes` bytes, `_per_s`
a rate. *none* means that nothing is limited.
"""

UNITS = (("_bytes_max", "bytes"), ("_bytes", "bytes"), ("_per_s_max", "per s"), ("_s", "s"))


def one_line(text: str) -> str:
    return " ".join(text.split()).replace("``", "`").replace("|", "\\|")


def field_docstrings(class_body: list[ast.stmt]) -> dict[str, str]:
    """The string that follows each annotated field."""
    found = {}
    for field, after in itertools.pairwise(class_body):
        if (
            isinstance(field, ast.AnnAssign)
            and isinstance(field.target, ast.Name)
            and isinstance(after, ast.Expr)
            and isinstance(after.value, ast.Constant)
            and isinstance(after.value.value, str)
        ):
            found[field.target.id] = one_line(after.value.value)
    return found


def shown(name: str, value: object) -> str:
    """A default as people read it: 1 MiB, 20 s, none."""
    if value is None:
        return "none"
    unit = next((unit for ending, unit in UNITS if name.endswith(ending)), "")
    if isinstance(value, bool) or not isinstance(value, int | float):
        return f"`{value}`"
    if unit == "bytes":
        for size, prefix in ((limits.MIB, "MiB"), (limits.KIB, "KiB")):
            if value and value % size == 0:
                return f"{value // size:,} {prefix}"
    return f"{value:,g} {unit}".strip() if isinstance(value, float) else f"{value:,} {unit}".strip()


def page() -> str:
    lines = [HEAD]
    for node in ast.parse(SOURCE.read_text()).body:
        if not isinstance(node, ast.ClassDef):
            continue
        settings = getattr(limits, node.name)
        if not dataclasses.is_dataclass(settings):
            continue
        reasons = field_docstrings(node.body)
        lines += [f"## {node.name}", "", ast.get_docstring(node) or "", ""]
        lines += ["| limit | default | meaning |", "|---|---|---|"]
        for field in dataclasses.fields(settings):
            if field.name not in reasons:
                raise SystemExit(f"{node.name}.{field.name} has no docstring in {SOURCE}")
            default = shown(field.name, field.default)
            lines.append(f"| `{field.name}` | {default} | {reasons[field.name]} |")
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def main() -> int:
    written = PAGE.read_text() if PAGE.exists() else ""
    if "--check" in sys.argv[1:]:
        if written != page():
            print(f"{PAGE.relative_to(ROOT)} is out of date: run `make docs`")
            return 1
        return 0
    if written != page():
        PAGE.write_text(page())
        print(f"wrote {PAGE.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
