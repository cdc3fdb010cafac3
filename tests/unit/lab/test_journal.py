"""Journals: written as it happens, readable after a kill."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from longwire.lab.journal import Happening, Journal, read_journal


def test_records_come_back_as_they_were_written(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal")
    before = time.monotonic()
    journal.write(Happening.RECEIVED, 7, 4_000_000_000, 2)
    journal.write(Happening.CONNECTED, 8)
    journal.close()
    journal.close()  # does nothing
    first, second = read_journal(tmp_path / "journal")
    assert first[:4] == (Happening.RECEIVED, 7, 4_000_000_000, 2)
    assert before <= first.time_s <= second.time_s <= time.monotonic()
    assert second[:4] == (Happening.CONNECTED, 8, 0, 0)
    assert journal.counts[Happening.RECEIVED] == 1


def test_an_attempt_is_in_the_file_at_once_and_all_before_it(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal")
    journal.write(Happening.RECEIVED, 1, 2, 3)
    assert list(read_journal(tmp_path / "journal")) == []
    journal.write(Happening.ATTEMPTED, 1, 1, 4)
    kinds = [record.kind for record in read_journal(tmp_path / "journal")]
    assert kinds == [Happening.RECEIVED, Happening.ATTEMPTED]
    journal.close()


def test_what_was_flushed_outlives_a_kill(tmp_path: Path) -> None:
    program = (
        "import os, signal, pathlib\n"
        "from longwire.lab.journal import Happening, Journal\n"
        f"journal = Journal(pathlib.Path({str(tmp_path / 'journal')!r}))\n"
        "journal.write(Happening.RECEIVED, 1, 2, 3)\n"
        "journal.flush()\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    ended = subprocess.run([sys.executable, "-c", program], check=False, timeout=30)
    assert ended.returncode == -signal.SIGKILL
    assert [record[:4] for record in read_journal(tmp_path / "journal")] == [
        (Happening.RECEIVED, 1, 2, 3)
    ]


@pytest.mark.parametrize("missing", [1, 23])
def test_a_last_record_that_was_cut_off_is_left_out(tmp_path: Path, missing: int) -> None:
    path = tmp_path / "journal"
    journal = Journal(path)
    for sequence in range(3):
        journal.write(Happening.ATTEMPTED, 1, 1, sequence)
    journal.close()
    path.write_bytes(path.read_bytes()[:-missing])
    assert [record.sequence for record in read_journal(path)] == [0, 1]
