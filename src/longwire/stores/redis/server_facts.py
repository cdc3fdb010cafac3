"""Which Redis this is, which life of it, and what its acknowledgements are worth."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from redis.exceptions import ResponseError

from longwire.base.errors import StoreError

__all__ = ["VERSION_MIN", "Exchange", "Incarnation", "ServerFacts", "ask_facts", "parse_info"]

VERSION_MIN = (7, 0)
"""Sharded Pub/Sub, and scripts that are replicated by their effects, came with 7.0."""

_CONFIGURATION = (b"appendonly", b"appendfsync", b"maxmemory-policy")


@dataclass(frozen=True, slots=True)
class Incarnation:
    """One life of one data set. When any of it changes, the log may have lost its end."""

    run_id: str
    """Of the process: a restart reads the append-only file again, or what is left of it."""
    replication_id: str
    """Of the history of writes: a replica that became master goes on under another one."""


@dataclass(frozen=True, slots=True)
class ServerFacts:
    """What Redis says of itself."""

    incarnation: Incarnation
    version: str
    is_master: bool
    is_synced_always: bool
    """Whether every write is on disk before it is acknowledged; ``False`` when it does not say."""
    eviction_policy: str
    """``maxmemory-policy``; empty when it does not say."""


Exchange: TypeAlias = Callable[[Sequence[tuple[bytes, ...]]], Awaitable[list[Any]]]
"""Sends commands and returns their replies, error replies among them."""


async def ask_facts(exchange: Exchange) -> ServerFacts:
    """Ask; raise ``StoreError`` that is not retryable for a server that is too old."""
    answers = await exchange(
        [
            (b"INFO", b"server"),
            (b"INFO", b"replication"),
            *((b"CONFIG", b"GET", name) for name in _CONFIGURATION),
        ]
    )
    server, replication = parse_info(answers[0]), parse_info(answers[1])
    # Managed services often forbid CONFIG; then nothing is known, and nothing is promised.
    configuration: dict[bytes, str] = {}
    for name, answer in zip(_CONFIGURATION, answers[2:], strict=True):
        if isinstance(answer, list) and len(answer) == 2:
            configuration[name] = answer[1].decode()
    version = server.get("redis_version", "0")
    if tuple(int(part) for part in version.split(".")[:2] if part.isdigit()) < VERSION_MIN:
        wanted = ".".join(map(str, VERSION_MIN))
        raise StoreError(f"Redis {version} is too old: {wanted} is needed", retryable=False)
    return ServerFacts(
        Incarnation(server.get("run_id", ""), replication.get("master_replid", "")),
        version,
        replication.get("role") == "master",
        configuration.get(b"appendonly") == "yes" and configuration.get(b"appendfsync") == "always",
        configuration.get(b"maxmemory-policy", ""),
    )


def parse_info(answer: Any) -> dict[str, str]:
    """Read a reply to ``INFO``. Raises ``StoreError`` when it is an error."""
    if isinstance(answer, ResponseError):
        raise StoreError(f"Redis refuses INFO, which longwire needs: {answer}", retryable=False)
    lines = answer.decode().splitlines()
    return dict(line.split(":", 1) for line in lines if ":" in line)
