"""How long an avalanche takes, from hand-made journals."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from longwire.lab.journal import Happening
from longwire.lab.returns import measure_returns

SPEAKER = 2  # with two clients


def write(path: Path, *records: tuple[Happening, int, int, int, float]) -> Path:
    path.write_bytes(b"".join(struct.pack("<B3xIIId", *record) for record in records))
    return path


def test_back_and_caught_up(tmp_path: Path) -> None:
    journal = write(
        tmp_path / "journal",
        *[(Happening.CONNECTED, member, 0, 0, 0.5) for member in (0, 1)],
        *[(Happening.ATTEMPTED, SPEAKER, SPEAKER, number, number + 1.0) for number in range(6)],
        (Happening.RECEIVED, 0, SPEAKER, 0, 1.1),
        # The avalanche is at 2.5. Member 0 is back at 4.2 and has message 3, of 4.0, at 4.6.
        (Happening.CONNECTED, 0, 0, 0, 4.2),
        (Happening.RECEIVED, 0, SPEAKER, 2, 4.5),
        (Happening.RECEIVED, 0, SPEAKER, 3, 4.6),
        # Member 1 is back at 5.5 and gets only what comes from then on.
        (Happening.CONNECTED, 1, 0, 0, 5.5),
        (Happening.RECEIVED, 1, SPEAKER, 5, 6.1),
    )
    (returns,) = measure_returns([journal], 2, [2.5])
    assert (returns.clients, returns.back, returns.caught_up) == (2, 2, 1)
    assert returns.back_s.p50 == pytest.approx(1.7)
    assert returns.back_s.most == pytest.approx(3.0)
    assert returns.caught_up_s.most == pytest.approx(2.1)


def test_each_avalanche_has_its_own_returns(tmp_path: Path) -> None:
    journal = write(
        tmp_path / "journal",
        (Happening.ATTEMPTED, SPEAKER, SPEAKER, 0, 1.0),
        (Happening.RECEIVED, 0, SPEAKER, 0, 1.1),
        (Happening.CONNECTED, 0, 0, 0, 12.0),
        (Happening.CONNECTED, 0, 0, 0, 21.0),
    )
    first, second = measure_returns([journal], 1 + 1, [10.0, 20.0])
    assert (first.back, second.back) == (1, 1)
    assert first.back_s.most == pytest.approx(2.0)
    assert second.back_s.most == pytest.approx(1.0)
    assert second.caught_up_s.most == pytest.approx(1.0)  # it had it before the avalanche
