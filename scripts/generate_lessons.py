"""Write docs/lessons from examples/lessons: each script's text, its code and what its run gave.

A page has the timeline of the run; beside it lie the plot and the capture. `--check` writes
nothing and exits 1 if a page or a capture is not what the script gives now. Pictures are not
compared, since they differ with the version of matplotlib; the capture holds what they show.
"""

import ast
import gzip
import hashlib
import runpy
import ssl
import sys
from dataclasses import dataclass
from pathlib import Path

from longwire.simulation import Panel, World
from longwire.simulation.openssl_seal import is_sealable

ROOT = Path(__file__).resolve().parent.parent
SCRIPTS = ROOT / "examples" / "lessons"
PAGES = ROOT / "docs" / "lessons"
# In the order in which they are read.
NAMES = ("handshake", "close", "window", "congestion", "udp_and_tcp", "url_to_page")
SEED = 0
# A timeline with each packet is shown up to here; of a longer one only what is no mere packet.
LINES_MAX = 90

HEAD = """\
# Lessons

What TCP and what is above it does, shown by runs: each page is a script of a few lines, the
timeline of its run, the plots and the capture, which Wireshark opens. All of it is
[simulated](../simulation.md) on [our TCP/IP stack](../tcpip.md), so it is the same wherever it is
run. Change a number in a script and run it again:

```console
$ longwire sim examples/lessons/handshake.py --packets --plot plot.svg --capture all.pcapng
```

| lesson | file |
|---|---|
"""

PAGE = """\
# {title}

{text}

## The script

`examples/lessons/{name}.py`:

```python
{code}
```

## What happened

{shown}

```
{timeline}
```

![{title}]({name}.svg)

The capture is [{name}.pcapng.gz]({name}.pcapng.gz), with what befell a packet as its comment; its
SHA-256, unpacked, is `{digest}`. The same again:

```console
$ longwire sim examples/lessons/{name}.py --packets --plot {name}.svg --capture {name}.pcapng
```

Written by `make docs`{versions}.
"""

WITH_PACKETS = "Seconds, where, and what: changes of state, and the packets as they are sent."
WITHOUT_PACKETS = (
    "Seconds, where, and what: changes of state and what befell packets; the packets themselves\n"
    "are in the capture."
)


@dataclass(frozen=True)
class Lesson:
    name: str
    title: str
    text: str
    code: str
    uses_tls: bool

    @classmethod
    def read(cls, name: str) -> "Lesson":
        source = (SCRIPTS / f"{name}.py").read_text()
        tree = ast.parse(source)
        title, _, text = (ast.get_docstring(tree) or "").partition("\n\n")
        code = "\n".join(source.splitlines()[tree.body[0].end_lineno or 0 :]).strip()
        return cls(name, title, text, code, "ssl=" in code)

    @property
    def page(self) -> Path:
        return PAGES / f"{self.name}.md"

    def run(self, *, show_packets: bool) -> tuple[World, tuple[Panel, ...]]:
        script = runpy.run_path(str(SCRIPTS / f"{self.name}.py"))
        world = World(SEED, show_packets=show_packets)
        world.run(script["main"](world))
        return world, script.get("PANELS", tuple(Panel))

    def page_of(self, world: World) -> str:
        timeline, shown = world.timeline(), WITH_PACKETS
        if timeline.count("\n") >= LINES_MAX:
            timeline, shown = self.run(show_packets=False)[0].timeline(), WITHOUT_PACKETS
        return PAGE.format(
            name=self.name,
            title=self.title,
            text=self.text,
            code=self.code,
            shown=shown,
            timeline=timeline,
            digest=world.capture_digest(),
            versions=f"; {ssl.OPENSSL_VERSION}" if self.uses_tls else "",
        )

    def is_comparable(self) -> bool:
        """Another OpenSSL writes other octets, and one that cannot be sealed others each time."""
        return not self.uses_tls or (
            is_sealable() and f"; {ssl.OPENSSL_VERSION}." in self.page.read_text()
        )


def index(lessons: list[Lesson]) -> str:
    rows = [f"| [{lesson.title}]({lesson.name}.md) | `{lesson.name}.py` |" for lesson in lessons]
    return HEAD + "\n".join(rows) + "\n"


def write(lesson: Lesson) -> None:
    world, panels = lesson.run(show_packets=True)
    lesson.page.write_text(lesson.page_of(world))
    world.write_plots(PAGES / f"{lesson.name}.svg", panels)
    capture = PAGES / f"{lesson.name}.pcapng"
    world.write_capture(capture)
    packed = gzip.compress(capture.read_bytes(), mtime=0)
    capture.unlink()
    (PAGES / f"{lesson.name}.pcapng.gz").write_bytes(packed)
    print(f"wrote {lesson.page.relative_to(ROOT)}")


def problem_with(lesson: Lesson) -> str | None:
    """Return what is not current, or None."""
    capture = PAGES / f"{lesson.name}.pcapng.gz"
    picture = PAGES / f"{lesson.name}.svg"
    missing = [each for each in (lesson.page, capture, picture) if not each.exists()]
    if missing:
        return f"{missing[0].relative_to(ROOT)} is missing"
    world, _ = lesson.run(show_packets=True)
    if not lesson.is_comparable():
        print(f"{lesson.name}: not compared, {ssl.OPENSSL_VERSION} is not the page's")
        return None
    if lesson.page.read_text() != lesson.page_of(world):
        return f"{lesson.page.relative_to(ROOT)} is out of date"
    if hashlib.sha256(gzip.decompress(capture.read_bytes())).hexdigest() != world.capture_digest():
        return f"{capture.relative_to(ROOT)} is out of date"
    return None


def main() -> int:
    sys.path.insert(0, str(SCRIPTS))
    lessons = [Lesson.read(name) for name in NAMES]
    readme = PAGES / "README.md"
    if "--check" in sys.argv[1:]:
        problems = [found for lesson in lessons if (found := problem_with(lesson))]
        if not readme.exists() or readme.read_text() != index(lessons):
            problems.append(f"{readme.relative_to(ROOT)} is out of date")
        for found in problems:
            print(f"{found}: run `make docs`")
        return bool(problems)
    PAGES.mkdir(exist_ok=True)
    readme.write_text(index(lessons))
    for lesson in lessons:
        if not lesson.page.exists() or problem_with(lesson):
            write(lesson)
    return 0


if __name__ == "__main__":
    sys.exit(main())
