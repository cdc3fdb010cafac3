"""Durable publishes over /ws, beside bare sqlite3 that writes the same rows in equal batches.

    python bench/bench_sqlite_ws.py [--seconds 3] [--rounds 5] [--streams 1] [--folder DIR]

`longwire serve` has a new file and a process of its own; 50 raw connections keep 8 publishes of 128
bytes in flight each, and only what is acknowledged at ``disk`` counts. The frames are made before
they are sent, all of one length, so that the client costs little. When all is answered the server
is stopped, its file is read, and sqlite3 alone, with the same schema and settings (WAL,
``synchronous=FULL``), writes the same rows into another file in batches of the size that the server
had on average: once every row (entries, states of producers, heads of streams), once the entries
only. The ratios are longwire's to each of the two; CPU is that of the server, for each publish.
"""

from __future__ import annotations

import argparse
import os
import re
import select
import signal
import socket
import sqlite3
import statistics
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.integration.server.running import RunningServer

from bench.bench_sqlite_store import IN_FLIGHT, PUBLISHERS, Written, write_bare
from longwire.stores.sqlite.head import CHANGING
from longwire.websocket.frames import TEXT, encode_frame

PAYLOAD_BYTES = 128
STORED = b'"durability":"disk"'
ERROR = b'"op":"error"'
MASK = b"\x37\xfa\x21\x3d"
FRAMES_MADE = 256
"""Frames that are made at a time."""
ANSWER_TIMEOUT_S = 30.0
UPGRADE = (
    b"GET /ws HTTP/1.1\r\nHost: %b\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Protocol: longwire.v1.json\r\n\r\n"
)
_PRODUCER_CHANGING = ("next_sequence", "results")


class Publisher:
    """One connection, one producer."""

    def __init__(self, host: str, port: int, number: int, stream: str) -> None:
        self.socket = socket.create_connection((host, port))
        self.socket.sendall(UPGRADE % f"{host}:{port}".encode())
        self._wait_for(b"\r\n\r\n")
        self.socket.sendall(encode_frame(TEXT, b'{"op":"connect","id":1,"version":1}', mask=MASK))
        self._wait_for(b'"op":"connected"')
        self._start = (
            b'{"op":"publish","id":1,"stream":"%b","data":"%-126b","producer":"p%d","epoch":0,'
            b'"sequence":' % (stream.encode(), b"%d" % number, number)
        )
        self._frames = b""
        self._frame_bytes = 1
        self._sent_bytes = 0
        self._made = 0
        self._end = b""

    def _wait_for(self, text: bytes) -> None:
        data = b""
        while text not in data:
            received = self.socket.recv(4096)
            if not received:
                raise ConnectionError(f"the server closed after {data!r}")
            data += received

    def publish(self, count: int) -> None:
        """Send the next ``count`` publishes."""
        if self._sent_bytes + count * self._frame_bytes > len(self._frames):
            self._make()
        upto = self._sent_bytes + count * self._frame_bytes
        self.socket.sendall(self._frames[self._sent_bytes : upto])
        self._sent_bytes = upto

    def _make(self) -> None:
        # Blanks before the brace let numbers of any length be frames of one length.
        sequences = range(self._made, self._made + FRAMES_MADE)
        frames = [
            encode_frame(TEXT, self._start + b"%-15d}" % sequence, mask=MASK)
            for sequence in sequences
        ]
        self._frames = self._frames[self._sent_bytes :] + b"".join(frames)
        self._frame_bytes, self._sent_bytes = len(frames[0]), 0
        self._made += FRAMES_MADE

    def take_answers(self) -> int:
        """Read what has come; return how many publishes it says are on the disk."""
        data = self._end + self.socket.recv(65_536)
        if ERROR in data or len(data) == len(self._end):
            raise RuntimeError(f"the server refused a publish or closed: {data!r}")
        stored = data.count(STORED)
        # An answer may come in two pieces.
        rest = data[data.rfind(STORED) + len(STORED) :] if stored else data
        self._end = rest[1 - len(STORED) :]
        return stored


@dataclass(frozen=True)
class Run:
    """What the server did."""

    publishes: int
    taken_s: float
    batch: float
    """Entries in a commit, on average."""
    cpu_us: float
    """Of the server, for each publish."""


def publish_all(server: RunningServer, seconds: float, streams: int) -> Run:
    """Publish for so long, then wait for the last answers."""
    host, port = server.url.removeprefix("http://").split(":")
    publishers = {}
    poll = select.epoll()
    for number in range(PUBLISHERS):
        publisher = Publisher(host, int(port), number, f"bench/{number % streams}")
        publishers[publisher.socket.fileno()] = publisher
        poll.register(publisher.socket, select.EPOLLIN)
    commits, cpu_s = _count_commits(server.url), _cpu_s(server)
    started = time.perf_counter()
    ends_at = started + seconds
    for publisher in publishers.values():
        publisher.publish(IN_FLIGHT)
    sent, stored = PUBLISHERS * IN_FLIGHT, 0
    while stored < sent:
        ready = poll.poll(ANSWER_TIMEOUT_S)
        if not ready:
            raise TimeoutError(f"{sent - stored} publishes were not answered")
        for descriptor, _ in ready:
            publisher = publishers[descriptor]
            count = publisher.take_answers()
            stored += count
            if count and time.perf_counter() < ends_at:
                publisher.publish(count)
                sent += count
    taken_s = time.perf_counter() - started
    cpu_us = (_cpu_s(server) - cpu_s) / stored * 1e6
    batch = stored / (_count_commits(server.url) - commits)
    for publisher in publishers.values():
        publisher.socket.close()
    return Run(stored, taken_s, batch, cpu_us)


def _count_commits(url: str) -> int:
    with urllib.request.urlopen(f"{url}/metrics") as response:
        text = response.read().decode()
    found = re.search(r"^longwire_sqlite_commits_total (\S+)$", text, re.MULTILINE)
    assert found is not None, text
    return int(float(found[1]))


def _cpu_s(server: RunningServer) -> float:
    """Processor time of all threads."""
    fields = Path(f"/proc/{server.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def read_rows(path: Path, batch: int) -> tuple[list[Written], list[Written]]:
    """What there is in the file before the first entry, and transactions that write the rest."""
    connection = sqlite3.connect(path)
    entries = connection.execute("SELECT * FROM entries ORDER BY rowid").fetchall()
    every = connection.execute("SELECT * FROM producers").fetchall()
    producers = {row[3]: row for row in every}
    names = "id, name, epoch, settings, created_ms, newest_ms"
    fresh = connection.execute(f"SELECT {names} FROM streams").fetchall()
    values = f"SELECT id, {', '.join(CHANGING)} FROM streams"
    heads = {row[0]: row for row in connection.execute(values)}
    connection.close()
    first: Written = [
        (f"INSERT INTO streams ({names}) VALUES ({', '.join('?' * 6)})", fresh),
        (f"INSERT INTO producers VALUES ({', '.join('?' * 9)})", every),
    ]
    return [first], [
        list(_transaction(entries[start : start + batch], producers, heads))
        for start in range(0, len(entries), batch)
    ]


def _transaction(
    entries: list[tuple[Any, ...]],
    producers: dict[str, tuple[Any, ...]],
    heads: dict[int, tuple[Any, ...]],
) -> Iterator[tuple[str, list[tuple[Any, ...]]]]:
    """The entries, and what changes with them."""
    yield f"INSERT INTO entries VALUES ({', '.join('?' * len(entries[0]))})", entries
    numbers = {int(row[7].strip(b'"')) for row in entries}
    used = [producers[f"p{number}"] for number in numbers]
    changed = [(number, sequence, results) for number, *_, sequence, _, _, results in used]
    yield _update("producers", _PRODUCER_CHANGING), changed
    yield _update("streams", CHANGING), [heads[stream] for stream in {row[0] for row in entries}]


def _update(table: str, columns: tuple[str, ...]) -> str:
    assignments = ", ".join(f"{name} = ?{at}" for at, name in enumerate(columns, 2))
    return f"UPDATE {table} SET {assignments} WHERE id = ?1"


def compare(folder: Path, seconds: float, streams: int) -> tuple[Run, float, float]:
    """One round: the run, and how many a second bare sqlite3 writes, every row or entries only."""
    file = folder / "ours.db"
    settings = ("--dev", "--store", f"sqlite:{file}")
    for unlimited in (
        "native.messages_per_s_max",
        "retention.entries_max",
        "retention.bytes_max",
    ):
        settings += ("--set", f"{unlimited}=none")
    with RunningServer(folder, *settings) as server:
        run = publish_all(server, seconds, streams)
        server.process.send_signal(signal.SIGTERM)
        server.process.wait(30)
    first, rest = read_rows(file, round(run.batch))
    stored = sum(len(transaction[0][1]) for transaction in rest)
    assert stored == run.publishes, f"{run.publishes} were acknowledged, {stored} are in the file"
    every_s = write_bare(folder / "bare.db", rest, first=first)
    entries_s = write_bare(folder / "entries.db", rest, first=first, only="entries ")
    return run, stored / every_s, stored / entries_s


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--streams", type=int, default=1)
    parser.add_argument("--folder", type=Path, default=None, help="where the files are made")
    arguments = parser.parse_args()
    print(
        f"{PUBLISHERS} connections, {IN_FLIGHT} in flight, {PAYLOAD_BYTES} B, "
        f"{arguments.streams} streams, Python {sys.version.split()[0]}"
    )
    print(f"{'acks/s':>9} {'batch':>6} {'CPU us':>7} {'all rows/s':>11} {'entries/s':>10}   ratios")
    ratios = []
    for _ in range(arguments.rounds):
        with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
            run, every, entries = compare(Path(folder), arguments.seconds, arguments.streams)
        ours = run.publishes / run.taken_s
        ratios.append((ours / every, ours / entries))
        figures = f"{ours:>9,.0f} {run.batch:>6.0f} {run.cpu_us:>7.1f} {every:>11,.0f}"
        print(f"{figures} {entries:>10,.0f} {ratios[-1][0]:>6.2f} {ratios[-1][1]:>6.2f}")
    all_rows, only_entries = (statistics.median(column) for column in zip(*ratios, strict=True))
    print(f"median ratios {all_rows:.2f} and {only_entries:.2f}")


if __name__ == "__main__":
    main()
