"""Throughput over seeded links: the table in git, links that are filled, flows that share."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import pytest

from longwire.tcpip.durations import MILLISECOND, SECOND
from longwire.tcpip.tcp.profile import LINUX
from tests.unit.tcpip.transfer_table import path, table, transfer

TABLE = Path(__file__).with_name("transfer_table.txt")
ROOT = Path(__file__).resolve().parents[3]


def test_transfers_take_as_long_as_the_table_says() -> None:
    assert table() == TABLE.read_text()


def test_another_process_with_another_hash_seed_makes_the_same_table() -> None:
    finished = subprocess.run(
        [sys.executable, "-m", "tests.unit.tcpip.transfer_table"],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": "12345"},
        capture_output=True,
        text=True,
        timeout=50,
        check=True,
    )
    assert finished.stdout == TABLE.read_text()


@pytest.mark.parametrize("congestion", ["reno", "cubic"])
def test_clean_link_is_used(congestion: str) -> None:
    """After slow start has overflowed the queue once, the link stays busy."""
    profile = dataclasses.replace(LINUX, congestion=congestion)
    took_ns, _, _ = transfer(path(10, 0.0), profile, octets=5_000_000)
    assert 5_000_000 * 8 * SECOND // took_ns > 8_000_000


@pytest.mark.parametrize("congestion", ["reno", "cubic"])
def test_two_flows_share_a_link(congestion: str) -> None:
    """Jain's index of what two flows got in half a minute over one queue is at least 0.95."""
    profile = dataclasses.replace(LINUX, congestion=congestion)
    _, _, got = transfer(path(5, 0.0, 10 * MILLISECOND), profile, octets=10**9, flows=2, seconds=30)
    assert sum(got) ** 2 / (2 * sum(each**2 for each in got)) >= 0.95
    assert sum(got) * 8 > 30 * 5_000_000 * 0.85


def test_loss_costs_what_the_square_root_law_says() -> None:
    """Reno at 1 % loss and 100 ms: about 1.22 MSS / (RTT sqrt p), within a factor of two."""
    profile = dataclasses.replace(LINUX, congestion="reno")
    _, _, (got,) = transfer(path(100, 0.01, 50 * MILLISECOND), profile, octets=10**9, seconds=60)
    expected = 1.22 * 1448 / (0.1 * 0.1) * 60
    assert 0.5 < got / expected < 2
