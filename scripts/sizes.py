"""Print files, lines and the longest file of each package of src/longwire, and of tests/."""

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def line_count(path: Path) -> int:
    return path.read_text().count("\n")


def row(name: str, paths: list[Path]) -> str:
    longest = max(paths, key=line_count)
    total = sum(map(line_count, paths))
    return f"{name:24}{len(paths):6}{total:8}   {line_count(longest)} {longest.name}"


def main() -> None:
    print(f"{'package':24}{'files':>6}{'lines':>8}   longest")
    source = ROOT / "src" / "longwire"
    for folder in sorted(path for path in source.iterdir() if path.is_dir()):
        paths = sorted(folder.rglob("*.py"))
        if paths:
            print(row(folder.name, paths))
    print(row("longwire", sorted(source.rglob("*.py"))))
    print(row("tests", sorted((ROOT / "tests").rglob("*.py"))))


if __name__ == "__main__":
    main()
