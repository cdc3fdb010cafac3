"""Many rows in few statements.

``executemany`` gives the interpreter's lock away and waits for it again at each row; beside a busy
event loop that is up to five milliseconds a row. One statement with many rows does it once.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from itertools import chain

__all__ = ["put_rows", "update_rows"]

# Few sizes, so that each statement is compiled once and found again (sqlite3 keeps 128 of a
# connection), and few statements: one for each bit of the number of rows.
_SIZES = (256, 128, 64, 32, 16, 8, 4, 2, 1)

Row = Sequence[object]


def put_rows(
    connection: sqlite3.Connection, table: str, columns: Sequence[str], rows: Sequence[Row]
) -> None:
    """Insert rows, which have a value for each column of ``table``, in order; of those whose
    ``id`` is there already, update ``columns``.

    That takes a third of what ``update_rows`` takes, since SQLite puts all that an UPDATE changes
    into a table of its own first.
    """
    assignments = ", ".join(f"{name} = excluded.{name}" for name in columns)
    for placeholders, values in _pieces(rows):
        connection.execute(
            f"INSERT INTO {table} VALUES {placeholders}"
            f" ON CONFLICT (id) DO UPDATE SET {assignments}",
            values,
        )


def update_rows(
    connection: sqlite3.Connection, table: str, columns: Sequence[str], rows: Sequence[Row]
) -> None:
    """Update rows of ``table``: each begins with its ``id``, then a value for each column."""
    assignments = ", ".join(f"{name} = v.column{at}" for at, name in enumerate(columns, 2))
    for placeholders, values in _pieces(rows):
        connection.execute(
            f"UPDATE {table} SET {assignments} FROM (VALUES {placeholders}) AS v"
            f" WHERE {table}.id = v.column1",
            values,
        )


def _pieces(rows: Sequence[Row]) -> Iterable[tuple[str, list[object]]]:
    """Placeholders and values for some rows at a time."""
    if not rows:
        return
    one = f"({', '.join('?' * len(rows[0]))})"
    start = 0
    for size in _SIZES:
        while len(rows) - start >= size:
            yield ", ".join([one] * size), list(chain.from_iterable(rows[start : start + size]))
            start += size
