"""From ``store.url`` to a store: which there are, and what is wrong with a URL that names none."""

from __future__ import annotations

import importlib.util
import re
from urllib.parse import urlsplit

from longwire.base.errors import ConfigError
from longwire.server.settings import Settings
from longwire.stores.memory import MemoryStore
from longwire.streams.store import Store

__all__ = ["find_url_problem", "hide_password", "make_store", "producer_state_s"]

_REDIS_SCHEMES = ("redis://", "rediss://", "redis+unix://")
_AVAILABLE = '"memory" and "redis://HOST:PORT"'
_PLANNED = ("sqlite:", "nats:")
_PASSWORD = re.compile(r"(//[^/@]*:)[^/]*@")


def hide_password(url: str) -> str:
    """The URL as it may be shown: whoever reads a log or a screen needs no password."""
    return _PASSWORD.sub(r"\1***@", url)


def find_url_problem(url: str) -> tuple[str, str] | None:
    """What is wrong with a store's URL, and what would be right; ``None`` when it is fine."""
    if url == "memory":
        return None
    if url.startswith(_REDIS_SCHEMES):
        if importlib.util.find_spec("redis") is None:
            message = f'is "{hide_password(url)}", but the package redis is not installed'
            return message, 'pip install "longwire[redis]"'
        return _find_address_problem(url)
    if url.startswith(_PLANNED):
        kind = url.partition(":")[0]
        return f'is "{url}", but the {kind} store is not built yet', f"available are {_AVAILABLE}"
    return f'is "{url}", which names no store', f"available are {_AVAILABLE}"


def _find_address_problem(url: str) -> tuple[str, str] | None:
    try:
        urlsplit(url).port  # noqa: B018
    except ValueError as error:
        shown = hide_password(url)
        return f'is "{shown}", whose address cannot be read: {error}', "redis://HOST:PORT/DATABASE"
    return None


def make_store(settings: Settings) -> Store:
    """Return the store that is configured; nothing is opened yet. Raises ``ConfigError``."""
    url = settings.store.url
    problem = find_url_problem(url)
    if problem is not None:
        raise ConfigError("store.url", *problem[:1], hint=problem[1])
    if url.startswith(_REDIS_SCHEMES):
        # Needs a package that a plain install does not bring.
        from longwire.stores.redis.store import RedisStore

        return RedisStore(
            url.removeprefix("redis+") if url.startswith("redis+unix") else url,
            prefix=settings.store.redis_prefix,
            limits=settings.redis_store,
        )
    return MemoryStore(limits=settings.memory_store)


def producer_state_s(settings: Settings) -> float:
    """For how long the configured store remembers a silent producer, seconds."""
    if settings.store.url.startswith(_REDIS_SCHEMES):
        return settings.redis_store.producer_state_s
    return settings.memory_store.producer_state_s
