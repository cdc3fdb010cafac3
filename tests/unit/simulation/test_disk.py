"""Files after a crash: what was synced is there, what was not may be lost, torn or wrong."""

from __future__ import annotations

import contextlib
import ctypes
import random
import sqlite3
from pathlib import Path

import pytest

from longwire.simulation import NotSimulatedError, SimulationError
from longwire.simulation import sqlite_files as sqlite_files_module
from longwire.simulation.disk import SECTOR_OCTETS, Disk
from longwire.tcpip.randomness import RandomStream

ROWS = 24


class Always(RandomStream):
    """Draws the same whatever it is asked."""

    def __init__(self, value: int) -> None:
        super().__init__(0)
        self.value = value

    def below(self, limit: int) -> int:
        return min(self.value, limit - 1)


def outcome_of_crash(folder: Path, seed: int, synchronous: str) -> str:
    """Crash in the middle of transactions; say what a new process finds."""
    before, after = folder / f"{seed}-before", folder / f"{seed}-after"
    before.mkdir()
    disk = Disk(RandomStream(seed, "disk"))
    committed = at_crash = 0

    def crash() -> None:
        nonlocal at_crash
        at_crash = committed
        disk.crash_copy(before, after)

    with (
        disk.watched(),
        contextlib.closing(sqlite3.connect(before / "rows.db", isolation_level=None)) as writing,
    ):
        writing.execute("PRAGMA journal_mode = WAL")
        writing.execute(f"PRAGMA synchronous = {synchronous}")
        writing.execute("PRAGMA wal_autocheckpoint = 8")
        writing.execute("CREATE TABLE rows (number INTEGER PRIMARY KEY, data BLOB)")
        disk.crash_after(1 + seed * 4, crash)
        for number in range(1, ROWS + 1):
            writing.execute("INSERT INTO rows VALUES (?, ?)", (number, bytes(3000)))
            committed = number
    assert after.exists()
    with contextlib.closing(sqlite3.connect(after / "rows.db")) as reading:
        try:
            found = reading.execute("SELECT number FROM rows ORDER BY number").fetchall()
            is_whole = reading.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        except sqlite3.DatabaseError as error:
            return "rows lost" if "no such table" in str(error) else "broken"
    if not is_whole or [number for (number,) in found] != list(range(1, len(found) + 1)):
        return "broken"
    # One more than was told may be there: its answer was cut off.
    assert len(found) <= at_crash + 1
    return "whole" if len(found) >= at_crash else "rows lost"


def test_synced_commits_survive_a_crash_at_any_operation(tmp_path: Path) -> None:
    outcomes = [outcome_of_crash(tmp_path, seed, "FULL") for seed in range(14)]
    assert outcomes == ["whole"] * 14


def test_commits_that_were_not_synced_are_lost_and_files_broken(tmp_path: Path) -> None:
    """The damage is real: what SQLite warns of without syncing does happen."""
    assert "rows lost" in [outcome_of_crash(tmp_path, seed, "NORMAL") for seed in range(8)]
    off = tmp_path / "off"
    off.mkdir()
    assert "broken" in [outcome_of_crash(off, seed, "OFF") for seed in range(4, 15)]


@pytest.mark.parametrize("seed", range(20))
def test_crash_leaves_the_last_sync_and_chance_decides_over_the_rest(
    tmp_path: Path, seed: int
) -> None:
    """Lost entirely, a file is that of the last sync, and kept entirely, that of now."""
    draw = random.Random(seed)
    folder = tmp_path / "folder"
    folder.mkdir()
    path = folder / "file"
    path.write_bytes(b"")
    disks = [Disk(Always(0)), Disk(Always(3))]
    synced = b""
    for _ in range(60):
        kind = draw.choice(["write", "write", "write", "truncate", "sync"])
        content = bytearray(path.read_bytes())
        if kind == "write":
            offset, data = draw.randrange(3000), draw.randbytes(draw.randrange(1, 900))
            for disk in disks:
                disk.on_write(str(path), offset, data)
            content += bytes(max(0, offset - len(content)))
            content[offset : offset + len(data)] = data
        elif kind == "truncate":
            length = draw.randrange(len(content) + 1)
            for disk in disks:
                disk.on_truncate(str(path), length)
            del content[length:]
        path.write_bytes(content)
        if kind == "sync":
            synced = bytes(content)
            for disk in disks:
                disk.on_sync(str(path))
        for number, (disk, expected) in enumerate(zip(disks, (synced, content), strict=True)):
            disk.crash_copy(folder, tmp_path / f"copy-{number}")
            assert (tmp_path / f"copy-{number}" / "file").read_bytes() == expected
    assert all(disk.operations > 0 for disk in disks)


def test_torn_write_ends_with_a_sector_and_a_wrong_one_differs_in_one_bit(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    path = tmp_path / "a" / "file"
    path.write_bytes(b"")
    for fate in (1, 2):
        disk = Disk(Always(fate))
        disk.on_write(str(path), 0, b"\xff" * 2000)
        path.write_bytes(b"\xff" * 2000)
        disk.crash_copy(tmp_path / "a", tmp_path / f"copy-{fate}")
        path.write_bytes(b"")
    torn, wrong = ((tmp_path / f"copy-{fate}" / "file").read_bytes() for fate in (1, 2))
    assert torn == b"\xff" * SECTOR_OCTETS
    assert sum(8 - each.bit_count() for each in wrong) == 1 and len(wrong) == 2000


def test_shared_memory_is_gone_and_folders_are_copied_whole(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    for name in ("x.db", "x.db-wal", "x.db-shm", "b/other"):
        (tmp_path / "a" / name).write_text(name)
    Disk(Always(0)).crash_copy(tmp_path / "a", tmp_path / "c")
    found = sorted(str(each.relative_to(tmp_path / "c")) for each in (tmp_path / "c").rglob("*"))
    assert found == ["b", "b/other", "x.db", "x.db-wal"]


def test_only_what_is_opened_in_the_block_is_watched_by_one(tmp_path: Path) -> None:
    disk = Disk(Always(0))
    with pytest.raises(ValueError, match="not 0"):
        disk.crash_after(0, print)
    with disk.watched():
        with (
            pytest.raises(SimulationError, match="watches the files of SQLite already"),
            Disk(Always(0)).watched(),
        ):
            pass
        inside = sqlite3.connect(tmp_path / "inside.db")
        inside.execute("CREATE TABLE rows (number)")
        inside.commit()
        seen = disk.operations
        assert seen > 0 and disk.unsynced(tmp_path / "inside.db") == 0
    with contextlib.closing(sqlite3.connect(tmp_path / "outside.db")) as outside:
        outside.execute("CREATE TABLE rows (number)")
        outside.commit()
    # A file that is still open goes on working; nobody is told any more.
    inside.execute("INSERT INTO rows VALUES (1)")
    inside.commit()
    assert inside.execute("SELECT count(*) FROM rows").fetchone() == (1,)
    inside.close()
    assert disk.operations == seen


def test_crash_that_was_called_off_does_not_come(tmp_path: Path) -> None:
    disk = Disk(Always(0))
    disk.crash_after(1, lambda: pytest.fail("it came"))
    disk.cancel_crash()
    (tmp_path / "file").write_bytes(b"")
    disk.on_write(str(tmp_path / "file"), 0, b"x")


def test_python_that_hides_its_sqlite_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_files_module, "_shims", [])
    monkeypatch.setattr(ctypes, "CDLL", lambda _: object())
    with (
        pytest.raises(NotSimulatedError, match="hides the symbols of its SQLite"),
        Disk(Always(0)).watched(),
    ):
        pass
