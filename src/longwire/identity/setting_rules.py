"""What can be wrong with the settings of ``[identity]`` that are each well-formed."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from longwire.http.field_values import is_token
from longwire.identity.api_keys import ApiKeyError, ApiKeys
from longwire.identity.keys import ALGORITHMS, BadKeyError, SigningKey, read_keys, read_secret
from longwire.identity.session_cookies import SECRET_BYTES_MIN
from longwire.identity.settings import IdentitySettings

__all__ = ["find_setting_problems", "read_key_file"]

Problem = tuple[str, str, str]
"""The setting, what is wrong with it, and what would be right."""

_SECRET_HINT = "32 random bytes or more, such as `openssl rand -base64 32` prints"


def find_setting_problems(settings: IdentitySettings) -> Iterator[Problem]:
    """Find all of them; reads the files with keys, fetches nothing."""
    keys: list[SigningKey] = []
    if settings.secret is not None:
        try:
            keys.append(read_secret(settings.secret))
        except BadKeyError as error:
            yield "secret", f"does not fit: {error}", _SECRET_HINT
    for path in settings.key_files:
        try:
            keys += read_key_file(path, settings.keys_bytes_max)
        except OSError as error:
            hint = "name a file with a key in PEM, a JWK or a set of JWKs"
            yield "key_files", f'names "{path}", which cannot be read: {error.strerror}', hint
        except BadKeyError as error:
            hint = "a public key or a certificate in PEM, a JWK or a set of JWKs is right"
            yield "key_files", f'names "{path}": {error}', hint
    try:
        ApiKeys(settings.api_keys)
    except ApiKeyError as error:
        hint = "`longwire token key` makes a key and prints its line"
        yield "api_keys", f"does not fit: {error}", hint
    yield from _check_url(settings.jwks_url)
    yield from _check_algorithms(settings, keys)
    yield from _check_cookies(settings)


def _check_cookies(settings: IdentitySettings) -> Iterator[Problem]:
    for key, name in (("cookie", settings.cookie), ("session_cookie", settings.session_cookie)):
        if name is not None and not is_token(name):
            yield key, f'is "{name}", which is no name of a cookie', 'letters, digits, "-" and "_"'
    if settings.cookie == settings.session_cookie:
        yield "session_cookie", "is that of tokens, too", "call them differently"
    secret = settings.session_secret
    if secret is not None and len(secret.encode()) < SECRET_BYTES_MIN:
        message = f"does not fit: it has fewer than {SECRET_BYTES_MIN} bytes"
        yield "session_secret", message, _SECRET_HINT


def read_key_file(path: str, bytes_max: int) -> tuple[SigningKey, ...]:
    """Read a file with keys. Raises ``OSError`` and ``BadKeyError``."""
    return read_keys(read_bounded(path, bytes_max), are_secrets_allowed=True)


def read_bounded(path: str, bytes_max: int) -> bytes:
    """Read a file of at most so many bytes. Raises ``OSError`` and ``BadKeyError``."""
    with Path(path).open("rb") as file:
        data = file.read(bytes_max + 1)
    if len(data) > bytes_max:
        raise BadKeyError(f"it has more than {bytes_max} bytes, the limit identity.keys_bytes_max")
    return data


def _check_url(url: str | None) -> Iterator[Problem]:
    if url is None:
        return
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        host = None
    if host is None or parts.scheme not in ("https", "http"):
        yield "jwks_url", f'is "{url}", which is no URL of a web server', "https://HOST/PATH"
    elif parts.scheme == "http" and not _is_loopback(host):
        # Whoever sits on the way could give us keys of his own.
        yield "jwks_url", f'is "{url}", which anybody on the way can change', "use https"


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _check_algorithms(settings: IdentitySettings, keys: list[SigningKey]) -> Iterator[Problem]:
    unknown = [name for name in settings.algorithms if name not in ALGORITHMS]
    if unknown:
        known = ", ".join(ALGORITHMS)
        yield "algorithms", f'has "{unknown[0]}", which is not accepted here', f"there are {known}"
    elif settings.algorithms and keys and settings.jwks_url is None:
        possible = {name for key in keys for name in key.algorithms}
        if not possible & set(settings.algorithms):
            hint = "the keys are for " + ", ".join(sorted(possible))
            yield "algorithms", "has none that a key is for", hint
