"""Rules between settings, and with the world: files that exist, patterns that parse."""

from __future__ import annotations

from collections.abc import Mapping, Set
from pathlib import Path

from longwire.base.errors import ConfigError
from longwire.identity.origins import OriginPolicy
from longwire.server.patterns import StreamPattern
from longwire.server.settings import Settings

__all__ = ["STORES_AVAILABLE", "check_rules"]

STORES_AVAILABLE = ("memory",)
"""The stores that exist; the others that are planned are refused by name."""

_STORES_PLANNED = ("sqlite:", "redis:", "rediss:", "nats:")

_KeyPath = tuple[str, ...]


def check_rules(
    settings: Settings, sources: Mapping[_KeyPath, str], broken: Set[_KeyPath]
) -> list[ConfigError]:
    """Return what is wrong with settings that are each well-formed.

    ``broken`` are the settings that were not and have their defaults here.
    """
    problems: list[ConfigError] = []

    def refuse(section: str, key: str, message: str, hint: str) -> None:
        where = sources.get((section, key), "default")
        problems.append(ConfigError(where, f"{section}.{key} {message}", hint=hint))

    server = settings.server
    if server.tls_cert is None and ("server", "tls_cert") not in broken:
        for key in ("tls_key", "tls_keylog"):
            if getattr(server, key) is not None:
                refuse("server", key, "is given without tls_cert", "name the certificate too")
    for key in ("tls_cert", "tls_key"):
        path = getattr(server, key)
        is_alone = key == "tls_key" and server.tls_cert is None
        if path is not None and not is_alone and not Path(path).is_file():
            refuse("server", key, f'is "{path}", where no file is', "name a file in PEM format")
    if settings.store.url not in STORES_AVAILABLE:
        refuse("store", "url", *_wrong_store(settings.store.url))
    for text in settings.origins.allowed:
        try:
            OriginPolicy([text])
        except ConfigError as error:
            refuse("origins", "allowed", f"does not fit: {error.message}", error.hint)
    for key in ("read", "publish"):
        for text in getattr(settings.anonymous, key):
            try:
                StreamPattern(text)
            except ConfigError as error:
                refuse("anonymous", key, f"does not fit: {error.message}", error.hint)
    return problems


def _wrong_store(url: str) -> tuple[str, str]:
    available = " and ".join(f'"{name}"' for name in STORES_AVAILABLE)
    if url.startswith(_STORES_PLANNED):
        kind = url.partition(":")[0]
        return f'is "{url}", but the {kind} store is not built yet', f"available is {available}"
    return f'is "{url}", which names no store', f"available is {available}"
