"""Server sessions: who signed in with a browser, kept in the store under a cookie."""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from longwire.base.errors import LongwireError
from longwire.base.limits import RetentionLimits
from longwire.identity.grants import ACTIONS, Grants
from longwire.identity.principal import KEY_PREFIX, Principal
from longwire.identity.session_cookies import SessionCookies
from longwire.identity.settings import IdentitySettings
from longwire.server.credentials import find_cookie
from longwire.server.patterns import StreamPattern
from longwire.server.request import Request
from longwire.streams.entry import NewEntry
from longwire.streams.position import START
from longwire.streams.store import Append, Store, StreamSettings

__all__ = ["Sessions"]

_PREFIX = "$session/"


class _Record(msgspec.Struct):
    """A session, as it is written into the store."""

    user: str
    created_s: float
    permissions: dict[str, list[str]]
    data: dict[str, Any]


class Sessions:
    """Opens, finds and closes sessions: each is a stream of one entry, whose time to live is how
    long it may lie idle."""

    def __init__(self, store: Store, secret: str, settings: IdentitySettings) -> None:
        self._store = store
        self._settings = settings
        self._cookies = SessionCookies(settings.session_cookie, secret)

    async def open(
        self,
        request: Request,
        user: str,
        permissions: Mapping[str, Sequence[str]],
        data: Mapping[str, Any],
    ) -> str:
        """Begin a session; return the Set-Cookie field. Raises as ``App.open_session`` says."""
        if not user or user.startswith(KEY_PREFIX):
            raise ValueError(f"{user!r} is no name of a user")
        _make_grants(permissions)
        now_s = time.time()
        lists = {action: list(texts) for action, texts in permissions.items()}
        payload = msgspec.json.encode(_Record(user, now_s, lists, dict(data)))
        limit = self._settings.session_bytes_max
        if len(payload) > limit:
            raise LongwireError(f"the session has {len(payload)} bytes, {limit} are allowed")
        value = self._cookies.make_value(secrets.token_bytes)
        key = self._cookies.read(value)
        lifetime_s = self._settings.session_lifetime_s
        settings = StreamSettings(
            ttl_s=max(1, int(self._settings.session_idle_s)),
            expires_ms=int((now_s + lifetime_s) * 1000),
            retention=RetentionLimits(entries_max=1, bytes_max=None, age_max_s=None),
        )
        await self._store.append(Append(f"{_PREFIX}{key}", (NewEntry(payload),), create=settings))
        return self._cookies.set_cookie(value, int(lifetime_s), is_secure=self._is_secure(request))

    async def find(self, request: Request) -> Principal | None:
        """Return who signed in, ``None`` when there is no session. Looking keeps it alive."""
        key = self._find_key(request)
        if key is None:
            return None
        page = await self._store.read(
            f"{_PREFIX}{key}", START, entries_max=1, bytes_max=self._settings.session_bytes_max
        )
        if not page.entries:
            return None
        record = msgspec.json.decode(page.entries[0].payload, type=_Record)
        expires_s = record.created_s + self._settings.session_lifetime_s
        if time.time() >= expires_s:
            return None  # the store has not come round to it yet
        return Principal(
            record.user,
            expires_at_s=expires_s,
            grants=_make_grants(record.permissions),
            issued_at_s=record.created_s,
            claims=record.data,
            session=key,
        )

    async def close(self, request: Request) -> tuple[str, str | None]:
        """End the session of a request; return the Set-Cookie field that takes the cookie away,
        and the session's key."""
        key = self._find_key(request)
        if key is not None:
            await self._store.delete(f"{_PREFIX}{key}")
        return self._cookies.set_cookie("", 0, is_secure=self._is_secure(request)), key

    def _find_key(self, request: Request) -> str | None:
        value = find_cookie(request, self._cookies.name)
        return None if value is None else self._cookies.read(value)

    def _is_secure(self, request: Request) -> bool:
        return request.scheme == "https" or self._settings.session_always_secure


def _make_grants(permissions: Mapping[str, Sequence[str]]) -> Grants:
    unknown = permissions.keys() - set(ACTIONS)
    if unknown:
        raise ValueError(f"permissions are any of {', '.join(ACTIONS)}, not {sorted(unknown)}")
    return Grants(
        **{action: tuple(map(StreamPattern, texts)) for action, texts in permissions.items()}
    )
