"""Rules between settings, and with the world: files that exist, patterns that parse."""

from __future__ import annotations

from collections.abc import Mapping, Set
from pathlib import Path

from longwire.base.errors import ConfigError
from longwire.http.coding import CODINGS
from longwire.identity.origins import OriginPolicy
from longwire.identity.setting_rules import find_setting_problems
from longwire.server.hosts import HostList
from longwire.server.patterns import StreamPattern
from longwire.server.settings import Settings
from longwire.server.store_urls import find_url_problem

__all__ = ["check_rules"]

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
    url_problem = find_url_problem(settings.store.url)
    if url_problem is not None:
        refuse("store", "url", *url_problem)
    backend = settings.backend
    keys = ("authorize_url", "authenticate_url", "events_url")
    urls = {key: getattr(backend, key) for key in keys}
    for key, url in urls.items():
        if url is not None and not url.startswith(("http://", "https://")):
            refuse("backend", key, f'is "{url}", which is no URL', "https://HOST/PATH")
    if backend.token is not None and not any(urls.values()):
        refuse("backend", "token", "is given without authorize_url", "name the URL too")
    if backend.authenticate_url is not None and settings.identity.cookie is None:
        hint = "name the cookie of your site"
        refuse("backend", "authenticate_url", "is given without identity.cookie", hint)
    if backend.events_url is not None and not backend.events_streams:
        hint = 'say of which streams, ["**"] for all'
        refuse("backend", "events_url", "is given without events_streams", hint)
    if backend.events_streams and backend.events_url is None:
        refuse("backend", "events_streams", "is given without events_url", "name the URL too")
    for name in settings.content_coding.names:
        if name not in CODINGS:
            hint = f"of {', '.join(CODINGS)}"
            refuse("content_coding", "names", f'has "{name}", which is no content coding', hint)
    try:
        HostList(server.hosts)
    except ConfigError as error:
        refuse("server", "hosts", f"does not fit: {error.message}", error.hint)
    for text in settings.origins.allowed:
        try:
            OriginPolicy([text])
        except ConfigError as error:
            refuse("origins", "allowed", f"does not fit: {error.message}", error.hint)
    patterns = {("backend", "events_streams"): backend.events_streams}
    for key in ("read", "publish", "manage", "presence"):
        patterns["anonymous", key] = getattr(settings.anonymous, key)
    for (section, key), texts in patterns.items():
        for text in texts:
            try:
                StreamPattern(text)
            except ConfigError as error:
                refuse(section, key, f"does not fit: {error.message}", error.hint)
    for key, message, hint in find_setting_problems(settings.identity):
        refuse("identity", key, message, hint)
    return problems
