"""Print one digest of the named files, or of the compiled modules' sources (--compiled-sources).

`--compiled-modules` prints the modules' names instead.
"""

import ast
import hashlib
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def compiled_modules() -> list[str]:
    """The dotted names in setup.py's COMPILED_MODULES, read without running it."""
    tree = ast.parse((ROOT / "setup.py").read_text())
    for node in tree.body:
        if isinstance(node, ast.AnnAssign) and ast.unparse(node.target) == "COMPILED_MODULES":
            return list(ast.literal_eval(ast.unparse(node.value)))  # type: ignore[arg-type]
    raise SystemExit("setup.py has no annotated COMPILED_MODULES")


def compiled_sources() -> list[Path]:
    """Every file that the compiled modules are made from, side .pxd files included."""
    paths = []
    for module in compiled_modules():
        base = ROOT.joinpath("src", *module.split("."))
        paths += [base.with_suffix(suffix) for suffix in (".py", ".pyx", ".pxd")]
    return [path for path in paths if path.exists()]


def digest(paths: list[Path]) -> str:
    whole = hashlib.sha256()
    for path in paths:
        whole.update(f"{path.relative_to(ROOT)}\n".encode())
        whole.update(path.read_bytes())
    return whole.hexdigest()[:16]


if __name__ == "__main__":
    if sys.argv[1:] == ["--compiled-sources"]:
        print(digest(compiled_sources()))
    elif sys.argv[1:] == ["--compiled-modules"]:
        for module in compiled_modules():
            print(module)
    else:
        print(digest([ROOT / name for name in sys.argv[1:]]))
