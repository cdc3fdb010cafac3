"""Whether a token is accepted, and whom it names: the keys, the checks, and their order.

Nothing of a token is acted on before its signature is good; which key may check it is decided by
the keys that are configured (``keys.py``), what it must say by ``claims.py``.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence

from longwire.base.errors import ConfigError, LongwireError
from longwire.identity.claims import find_problems, make_principal
from longwire.identity.compact import CompactToken, read_token
from longwire.identity.key_source import KeySource, Load
from longwire.identity.keys import SigningKey, read_secret
from longwire.identity.principal import Principal
from longwire.identity.refusal import KeysUnavailableError, Reason, TokenRefused
from longwire.identity.setting_rules import find_setting_problems, read_bounded
from longwire.identity.settings import IdentitySettings
from longwire.net.http_cache import HttpCache

__all__ = ["TokenVerifier"]

TRIES_MAX = 8
"""Keys that one token is checked with, where it names none or several bear the name."""

KEYS_OVERHEAD_BYTES = 16 * 1024
"""Header fields and the like of an answer with keys that is kept."""


class TokenVerifier:
    """Accepts tokens by the settings. Belongs to one event loop.

    ``clock`` is Unix time, seconds. Raises :exc:`~longwire.base.errors.ConfigError` for settings
    that cannot be; keys are read by ``start``, or when a token needs them.
    """

    def __init__(self, settings: IdentitySettings, clock: Callable[[], float] = time.time) -> None:
        for key, message, hint in find_setting_problems(settings):
            raise ConfigError("settings", f"identity.{key} {message}", hint=hint)
        self.settings = settings
        self._clock = clock
        self._secrets = [] if settings.secret is None else [read_secret(settings.secret)]
        self._sources = [
            self._make_source(path, _file_loader(path, settings.keys_bytes_max), True)
            for path in settings.key_files
        ]
        if settings.jwks_url is not None:
            load = _url_loader(settings.jwks_url, settings)
            self._sources.append(
                self._make_source(settings.jwks_url.partition("?")[0], load, False)
            )

    def _make_source(self, name: str, load: Load, are_secrets_allowed: bool) -> KeySource:
        return KeySource(
            name,
            load,
            refresh_s=self.settings.keys_refresh_s,
            retry_s=self.settings.keys_retry_s,
            are_secrets_allowed=are_secrets_allowed,
        )

    @property
    def keys(self) -> list[SigningKey]:
        """The keys now."""
        return [*self._secrets, *(key for source in self._sources for key in source.keys)]

    @property
    def key_failures(self) -> int:
        """How often keys could not be read."""
        return sum(source.failures for source in self._sources)

    async def start(self) -> None:
        """Read all keys; those that cannot be read are tried again when a token needs them."""
        await asyncio.gather(*[source.prepare() for source in self._sources])

    def close(self) -> None:
        """Read no keys any more."""
        for source in self._sources:
            source.close()

    async def verify(self, token: str) -> Principal:
        """Return whom the token names.

        Raises :exc:`TokenRefused`, and :exc:`KeysUnavailableError` where it cannot be told since
        keys could not be read so far. Cancel-safe.
        """
        parts = read_token(token, self.settings.token_bytes_max)
        await self._check_signature(parts)
        claims = parts.claims()
        for problem in find_problems(claims, self.settings, self._clock()):
            raise problem
        return make_principal(claims, self.settings)

    async def explain(self, token: str) -> list[TokenRefused]:
        """Return all reasons to refuse the token that can be found; errors as for ``verify``."""
        problems = []
        try:
            parts = read_token(token, self.settings.token_bytes_max)
            try:
                await self._check_signature(parts)
            except TokenRefused as refused:
                problems.append(refused)
            problems += find_problems(parts.claims(), self.settings, self._clock())
        except TokenRefused as refused:
            problems.append(refused)
        return problems

    async def _check_signature(self, token: CompactToken) -> None:
        allowed = self.settings.algorithms
        if allowed and token.algorithm not in allowed:
            message = f"the algorithm {token.algorithm[:20]!r} is not among those accepted"
            raise TokenRefused(Reason.ALGORITHM, message, "algorithms")
        for source in self._sources:
            await source.prepare()
        if self._is_signed(token):
            return
        # The keys may have changed since they were read.
        looked = [await source.look_again() for source in self._sources]
        if any(looked) and self._is_signed(token):
            return
        if not all(source.has_loaded for source in self._sources):
            raise KeysUnavailableError
        raise self._explain_signature(token)

    def _is_signed(self, token: CompactToken) -> bool:
        candidates = _choose(token, self.keys)[:TRIES_MAX]
        return any(key.verify(token.algorithm, token.signed, token.signature) for key in candidates)

    def _explain_signature(self, token: CompactToken) -> TokenRefused:
        fitting = [key for key in self.keys if token.algorithm in key.algorithms]
        if not fitting:
            message = f"no key is for the algorithm {token.algorithm[:20]!r}"
            return TokenRefused(Reason.ALGORITHM, message, "key_files")
        if not _choose(token, self.keys):
            return TokenRefused(Reason.KEY, f"no key is called {token.key_id!r}", "key_files")
        return TokenRefused(
            Reason.SIGNATURE, "the signature is not of a key that is known here", "key_files"
        )


def _choose(token: CompactToken, keys: Sequence[SigningKey]) -> list[SigningKey]:
    """The keys that may have signed the token.

    ``kid`` is compared and no more: it names no file, and nothing is looked up by it. A key without
    a name of its own, such as one in PEM, answers to any.
    """
    fitting = [key for key in keys if token.algorithm in key.algorithms]
    if token.key_id is None:
        return fitting
    named = [key for key in fitting if key.key_id == token.key_id]
    return named or [key for key in fitting if key.key_id is None]


def _file_loader(path: str, bytes_max: int) -> Load:
    async def load() -> bytes:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(None, read_bounded, path, bytes_max)

    return load


def _url_loader(url: str, settings: IdentitySettings) -> Load:
    # When to ask is decided by who asks; the cache spares what has not changed.
    cache = HttpCache(bytes_max=4 * (settings.keys_bytes_max + KEYS_OVERHEAD_BYTES))

    async def load() -> bytes:
        cached = await cache.fetch(
            url,
            headers=(
                ("Accept", "application/jwk-set+json, application/json"),
                ("Cache-Control", "no-cache"),
            ),
            timeout_s=settings.keys_timeout_s,
            body_bytes_max=settings.keys_bytes_max,
        )
        answer = cached.answer
        if answer.status != 200:
            raise LongwireError(f"the answer has the status {answer.status} and not 200")
        return answer.body

    return load
