"""Print one digest of the named files, or of the compiled modules' sources (--compiled-sources).

`--compiled-modules` prints the modules' names instead, `--stale` the sources in src/ that are newer
than what this Python would load in their place.
"""

import ast
import hashlib
import sys
import sysconfig
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def compiled_modules() -> list[str]:
    """The dotted names in setup.py's COMPILED_MODULES, read without running it."""
    tree = ast.parse((ROOT / "setup.py").read_text())
    for node in tree.body:
        if isinstance(node, ast.AnnAssign) and ast.unparse(node.target) == "COMPILED_MODULES":
            return list(ast.literal_eval(ast.unparse(node.value)))  # type: ignore[arg-type]
    raise SystemExit("setup.py has no annotated COMPILED_MODULES")


def sources_of(module: str) -> list[Path]:
    """The files that a compiled module is made from, a side .pxd file included."""
    base = ROOT.joinpath("src", *module.split("."))
    paths = [base.with_suffix(suffix) for suffix in (".py", ".pyx", ".pxd")]
    return [path for path in paths if path.exists()]


def compiled_sources() -> list[Path]:
    return [path for module in compiled_modules() for path in sources_of(module)]


def stale_sources() -> list[Path]:
    """Sources newer than the compiled module in src/, which hides their edit."""
    ending: str = sysconfig.get_config_var("EXT_SUFFIX")
    stale = []
    for module in compiled_modules():
        for source in sources_of(module):
            extension = source.with_name(source.stem + ending)
            if extension.exists() and source.stat().st_mtime > extension.stat().st_mtime:
                stale.append(source)
    return stale


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
    elif sys.argv[1:] == ["--stale"]:
        for source in stale_sources():
            print(source.relative_to(ROOT))
    else:
        print(digest([ROOT / name for name in sys.argv[1:]]))
