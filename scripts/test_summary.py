"""Add up the JUnit reports of a folder and print one closing line: N passed, N failed, N skipped.

Exit 1 when something failed, when a run left no report, or when no test ran at all.
"""

import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path


def count(report: Path) -> tuple[int, int, int]:
    """Passed, failed (errors too) and skipped tests of one report."""
    passed = failed = skipped = 0
    for suite in ElementTree.parse(report).getroot().iter("testsuite"):
        number = {key: int(suite.get(key, "0")) for key in ("tests", "errors", "failures")}
        suite_skipped = int(suite.get("skipped", "0"))
        suite_failed = number["errors"] + number["failures"]
        failed += suite_failed
        skipped += suite_skipped
        passed += max(0, number["tests"] - suite_failed - suite_skipped)
    return passed, failed, skipped


def main() -> int:
    folder = Path(sys.argv[1])
    total = [0, 0, 0]
    for report in sorted(folder.glob("*.xml")):
        numbers = count(report)
        total = [have + more for have, more in zip(total, numbers, strict=True)]
        passed, failed, skipped = numbers
        print(f"{report.stem:14}{passed:6} passed{failed:6} failed{skipped:6} skipped")
    without_report = folder / "without-report"
    if without_report.exists():
        for name in without_report.read_text().split():
            print(f"{name:14} did not finish")
            total[1] += 1
    passed, failed, skipped = total
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
