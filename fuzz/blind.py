"""Run a harness without coverage: `python fuzz/blind.py fuzz_websocket_engine [SECONDS [SEED]]`.

atheris sees nothing of what compiled modules do, and does not go together with a sanitizer of
another compiler. So this stands in for it: it mutates seeds, and the corpus that `make fuzz` grew,
by chance alone. The input that runs is kept in fuzz/found/NAME/blind, which a crash leaves behind.
"""

from __future__ import annotations

import contextlib
import random
import runpy
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).resolve().parent.parent
INPUT_BYTES_MAX = 64 * 1024
CORPUS_MAX = 2_000
EDGES = (b"\0", b"\x7e", b"\x7f", b"\x80", b"\xfe", b"\xff", b"\r\n", b"\x7f\xff\xff\xff", bytes(8))

Target = Callable[[bytes], None]


def read_corpus(name: str) -> list[bytes]:
    """Seeds of the harness, and what coverage has found worth keeping."""
    folders = (ROOT / "fuzz" / "seeds" / name, ROOT / ".cache" / "fuzz" / name)
    paths = [path for folder in folders if folder.exists() for path in sorted(folder.iterdir())]
    return [path.read_bytes() for path in paths[:CORPUS_MAX]] or [b""]


def mutate(data: bytes, corpus: list[bytes], chance: random.Random) -> bytes:
    """Change a few places: an octet, an insertion, a hole, a repetition, a piece of another."""
    changed = bytearray(data)
    for _ in range(chance.randint(1, 6)):
        start = chance.randrange(len(changed) + 1)
        stop = min(len(changed), start + chance.choice((1, 2, 4, 16, 256)))
        match chance.randrange(6):
            case 0 if start < len(changed):
                changed[start] ^= 1 << chance.randrange(8)
            case 1:
                changed[start:start] = chance.randbytes(chance.choice((1, 2, 4, 16, 256)))
            case 2:
                del changed[start:stop]
            case 3:
                changed[start:start] = changed[start:stop] * chance.randint(1, 8)
            case 4:
                changed[start:stop] = chance.choice(EDGES)
            case _:
                other = chance.choice(corpus)
                changed[start:] = other[chance.randrange(len(other) + 1) :]
    return bytes(changed[:INPUT_BYTES_MAX])


def run(target: Target, name: str, seconds: float, seed: int) -> int:
    """Call the harness until the time is over; return how often."""
    chance, corpus = random.Random(seed), read_corpus(name)
    found = ROOT / "fuzz" / "found" / name
    found.mkdir(parents=True, exist_ok=True)
    count, ends_s = 0, time.monotonic() + seconds
    with (found / "blind").open("wb", buffering=0) as kept:
        while time.monotonic() < ends_s:
            data = mutate(chance.choice(corpus), corpus, chance)
            kept.seek(0)
            kept.write(data)
            kept.truncate()
            target(data)
            count += 1
    return count


def stand_in(targets: list[Target]) -> ModuleType:
    """A module that has what the harnesses ask of atheris, and gives their function to us."""
    module = ModuleType("atheris")
    module.__dict__.update(
        instrument_imports=lambda **_: contextlib.nullcontext(),
        Setup=lambda _, target: targets.append(target),
        Fuzz=lambda: None,
    )
    return module


def main() -> None:
    name, seconds, seed = [*sys.argv[1:], *("60", "0")[len(sys.argv) - 2 :]]
    targets: list[Target] = []
    sys.modules["atheris"] = stand_in(targets)
    sys.path.insert(0, str(ROOT))
    runpy.run_path(str(ROOT / "fuzz" / f"{name}.py"), run_name="__main__")
    count = run(targets[0], name, float(seconds), int(seed))
    print(f"fuzz: {name} ok, {count} runs in {seconds} s without coverage, seed {seed}")


if __name__ == "__main__":
    main()
