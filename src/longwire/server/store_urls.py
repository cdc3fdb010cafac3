"""From ``store.url`` to a store: which there are, and what is wrong with a URL that names none."""

from __future__ import annotations

import importlib.util
import re
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

from longwire.base.errors import ConfigError
from longwire.server.settings import Settings, StoreSettings
from longwire.stores.memory import MemoryStore
from longwire.stores.sqlite.store import SqliteStore
from longwire.streams.store import Store

__all__ = [
    "find_sqlite_path",
    "find_url_problem",
    "hide_password",
    "keep_on_disk",
    "make_store",
    "producer_state_s",
]

AUTO = "auto"
_SQLITE = "sqlite:"
_FILE_NAME = "streams.db"

_REDIS_SCHEMES = ("redis://", "rediss://", "redis+unix://")
_AVAILABLE = '"memory", "sqlite:PATH" and "redis://HOST:PORT"'
_PLANNED = ("nats:",)
_PASSWORD = re.compile(r"(//[^/@]*:)[^/]*@")


def hide_password(url: str) -> str:
    """The URL as it may be shown: whoever reads a log or a screen needs no password."""
    return _PASSWORD.sub(r"\1***@", url)


def find_url_problem(url: str) -> tuple[str, str] | None:
    """What is wrong with a store's URL, and what would be right; ``None`` when it is fine."""
    if url in (AUTO, "memory"):
        return None
    if url.startswith(_SQLITE):
        return _find_path_problem(url)
    if url.startswith(_REDIS_SCHEMES):
        if importlib.util.find_spec("redis") is None:
            message = f'is "{hide_password(url)}", but the package redis is not installed'
            return message, 'pip install "longwire[redis]"'
        return _find_address_problem(url)
    if url.startswith(_PLANNED):
        kind = url.partition(":")[0]
        return f'is "{url}", but the {kind} store is not built yet', f"available are {_AVAILABLE}"
    return f'is "{url}", which names no store', f"available are {_AVAILABLE}"


def _find_path_problem(url: str) -> tuple[str, str] | None:
    path = url.removeprefix(_SQLITE)
    if path == ":memory:":
        return f'is "{url}", which is no file', "memory keeps streams in memory"
    if not path or path.startswith("//"):
        example = "sqlite:/var/lib/longwire/streams.db"
        return f'is "{url}", which names no file', f"sqlite:PATH, such as {example}"
    if path.endswith("/") or Path(path).is_dir():
        return f'is "{url}", which is a folder', f"sqlite:{path.rstrip('/')}/{_FILE_NAME}"
    return None


def keep_on_disk(settings: Settings) -> Settings:
    """Settings under which streams outlive the process, unless they say otherwise."""
    if settings.store.url != AUTO:
        return settings
    url = f"{_SQLITE}{find_sqlite_path(settings.store)}"
    return replace(settings, store=replace(settings.store, url=url))


def find_sqlite_path(settings: StoreSettings) -> Path | None:
    """The file in which ``longwire serve`` keeps streams; ``None``: it keeps them elsewhere."""
    if settings.url == AUTO:
        return Path(settings.data_folder) / _FILE_NAME
    if settings.url.startswith(_SQLITE):
        return Path(settings.url.removeprefix(_SQLITE))
    return None


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
    if url.startswith(_SQLITE):
        return SqliteStore(
            url.removeprefix(_SQLITE),
            limits=settings.sqlite_store,
            memory_limits=settings.memory_store,
        )
    return MemoryStore(limits=settings.memory_store)


def producer_state_s(settings: Settings) -> float:
    """For how long the configured store remembers a silent producer, seconds."""
    if settings.store.url.startswith(_REDIS_SCHEMES):
        return settings.redis_store.producer_state_s
    if settings.store.url.startswith(_SQLITE):
        return settings.sqlite_store.producer_state_s
    return settings.memory_store.producer_state_s
