"""Has Redis write its append-only file anew, once in each of its lives, before we write to it.

A crash can cut the file within a transaction. Redis (7.0 to at least 7.0.15, and what descends from
it) then loads what is whole, forgets the begun transaction, but leaves its beginning in the file:
it cuts the file behind the last whole *command*. What is written afterwards stands behind that
beginning, and the next start runs it as part of ours: an entry that was lost comes back in the
place of one that was acknowledged since. A file that was written anew from memory has no such
beginning.
"""

from __future__ import annotations

import asyncio
import logging

from redis.exceptions import ResponseError

from longwire.stores.redis.server_facts import Exchange, parse_info

__all__ = ["renew_append_only_file"]

logger = logging.getLogger("longwire.stores.redis")

_POLL_S = 0.02


async def renew_append_only_file(exchange: Exchange, shown: str) -> None:
    """Return when the file, if there is one, was written anew since Redis has started.

    Where that is forbidden, or fails, the log says so and life goes on. ``shown`` names the server.
    Raises ``StoreError`` when the connection is lost.
    """
    has_asked = False
    while True:
        (answer,) = await exchange([(b"INFO", b"persistence")])
        facts = parse_info(answer)
        is_busy = "1" in (facts.get("aof_rewrite_in_progress"), facts.get("aof_rewrite_scheduled"))
        if facts.get("aof_enabled") != "1" or _was_renewed(facts):
            return
        if not is_busy:
            if has_asked:
                logger.warning("%s could not write its append-only file anew", shown)
                return
            (reply,) = await exchange([(b"BGREWRITEAOF",)])
            if isinstance(reply, ResponseError) and "progress" not in str(reply):
                logger.warning(
                    "%s does not let its append-only file be written anew (%s): if a crash cut the "
                    "file, its next start may bring back what was lost",
                    shown,
                    reply,
                )
                return
            has_asked = True
        await asyncio.sleep(_POLL_S)


def _was_renewed(facts: dict[str, str]) -> bool:
    return (
        facts.get("aof_last_rewrite_time_sec") != "-1"
        and facts.get("aof_last_bgrewrite_status") == "ok"
    )
