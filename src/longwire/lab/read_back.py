"""Reads whole streams from a longwire server when all is over, past the client under test: what
does the log itself hold?"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

import longwire
from longwire.lab.journal import Happening, Journal
from longwire.lab.member import Message
from longwire.lab.processes import RunError
from longwire.net.loops import run

__all__ = ["read_back"]

_TIMEOUT_S = 60.0
_PAGE_ENTRIES = 1000
_START = "0" * 16 + "_" + "0" * 24


def read_back(url: str, streams: Sequence[str], journal_path: Path) -> None:
    """Write a record for each entry of each stream, in the order of the stream.

    ``url`` is that of the native protocol's endpoint, as a client has it.
    """
    journal = Journal(journal_path)
    try:
        run(_read_all(url, streams, journal))
    finally:
        journal.close()


async def _read_all(url: str, streams: Sequence[str], journal: Journal) -> None:
    address = url.replace("http://", "ws://", 1)
    async with longwire.connect(address, subprotocols=["longwire.v1.json"]) as socket:
        await _ask(socket, {"op": "connect", "version": 1})
        for stream in streams:
            after, has_more = _START, True
            while has_more:
                page = await _ask(
                    socket,
                    {"op": "history", "stream": stream, "after": after, "limit": _PAGE_ENTRIES},
                )
                for entry in page["entries"]:
                    message = msgspec.convert(entry["data"], Message)
                    journal.write(Happening.READ_BACK, 0, message.publisher, message.sequence)
                    after = entry["position"]
                has_more = page["more"]


async def _ask(socket: longwire.Connection, request: dict[str, Any]) -> dict[str, Any]:
    await socket.send(msgspec.json.encode({**request, "id": 1}).decode())
    async with asyncio.timeout(_TIMEOUT_S):
        answer: dict[str, Any] = msgspec.json.decode(await socket.recv())
    if answer["op"] == "error":
        raise RunError(f"reading back, the server answered: {answer['message']}")
    return answer
