"""Keys of backends: a name, permissions, and the hash of a secret that only the backend has.

A key is 32 random bytes, so its plain SHA-256 cannot be turned back, and comparing hashes of what
somebody sends tells nothing about it by its time; slow hashes are for what people can remember.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable

from longwire.base.errors import LongwireError
from longwire.identity.grants import ACTIONS, Grants
from longwire.identity.keys import encode_base64url
from longwire.identity.principal import KEY_PREFIX, Principal
from longwire.streams.pattern import PatternError, StreamPattern

__all__ = [
    "API_KEY_PREFIX",
    "OPERATE",
    "ApiKeyError",
    "ApiKeys",
    "describe_api_key",
    "make_api_key",
]

API_KEY_PREFIX = "lwk_"
"""What every key begins with, so that people and scanners recognise one that lies about."""

OPERATE = "operate"
"""The word for a key that may do what those do who run the server."""

SECRET_BYTES = 32

_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")
_HASH = re.compile(r"[0-9a-f]{64}")

_HINT = "NAME HASH ACTION=PATTERN … operate, as `longwire token key` prints it"


class ApiKeyError(LongwireError):
    """A line of ``identity.api_keys`` is none; the message never holds the line."""


class ApiKeys:
    """The keys that are configured. Raises :exc:`ApiKeyError` for a line that is none."""

    def __init__(self, lines: Iterable[str]) -> None:
        self._principals: dict[str, Principal] = {}
        for line in lines:
            digest, principal = _parse(line)
            known = {other.name for other in self._principals.values()}
            if principal.name in known or digest in self._principals:
                raise ApiKeyError(f"{principal.name.removeprefix(KEY_PREFIX)} stands there twice")
            self._principals[digest] = principal

    def find(self, token: str) -> Principal | None:
        """Return whose key this is, ``None`` when it is nobody's."""
        return self._principals.get(_hash(token))


def make_api_key(entropy: Callable[[int], bytes]) -> str:
    """Return a new key; ``entropy`` gives random bytes."""
    return API_KEY_PREFIX + encode_base64url(entropy(SECRET_BYTES))


def describe_api_key(name: str, key: str, grants: Iterable[str]) -> str:
    """Return the line for ``identity.api_keys``. ``grants`` are texts such as ``read=chat/**``.

    Raises :exc:`ApiKeyError`.
    """
    line = " ".join([name, _hash(key), *grants])
    _parse(line)
    return line


def _hash(key: str) -> str:
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


def _parse(line: str) -> tuple[str, Principal]:
    name, *rest = line.split() or [""]
    if not _NAME.fullmatch(name):
        raise ApiKeyError(f"a name is letters, digits, dots and dashes; write {_HINT}")
    if not rest or not _HASH.fullmatch(rest[0]):
        raise ApiKeyError(f"{name} has no hash of 64 hexadecimal digits; write {_HINT}")
    granted: dict[str, list[StreamPattern]] = {}
    is_operator = OPERATE in rest[1:]
    for text in rest[1:]:
        if text == OPERATE:
            continue
        action, separator, pattern = text.partition("=")
        if not separator or action not in ACTIONS:
            raise ApiKeyError(f"{name}: possible are {', '.join(ACTIONS)} and {OPERATE}; {_HINT}")
        try:
            granted.setdefault(action, []).append(StreamPattern(pattern))
        except PatternError as error:
            raise ApiKeyError(f"{name}: {error.message}") from None
    grants = Grants(**{action: tuple(patterns) for action, patterns in granted.items()})
    return rest[0], Principal(KEY_PREFIX + name, grants=grants, is_operator=is_operator)
