"""Who has a token: the settings of ``[identity]`` say it, or the application does."""

from __future__ import annotations

import inspect
import logging

from longwire.identity.api_keys import API_KEY_PREFIX, ApiKeys
from longwire.identity.principal import ANONYMOUS, Principal
from longwire.identity.refusal import TokenRefused
from longwire.identity.revocations import Revocations
from longwire.identity.settings import IdentitySettings
from longwire.identity.tokens import TokenVerifier
from longwire.server.app import App
from longwire.server.backend_identity import IdentityCallback

__all__ = ["Authentication"]

logger = logging.getLogger("longwire.identity")


class Authentication:
    """Decides about tokens, and counts those that are refused.

    What looks like an API key, or like a JWT where keys for those are configured, is decided by
    what is configured, for good: a token that has expired must not get another chance. Everything
    else is for the application, and without its word for its backend, where ``backend`` is what
    asks it. Raises ``ConfigError`` for settings that cannot be.
    """

    def __init__(
        self, app: App, settings: IdentitySettings, backend: IdentityCallback | None = None
    ) -> None:
        self._app = app
        self._backend = backend
        self._api_keys = ApiKeys(settings.api_keys)
        self.revocations = Revocations(settings.revoked_users_max)
        self._verifier = TokenVerifier(settings) if settings.has_keys else None
        self.accepted = 0
        self.refused = 0

    async def start(self) -> None:
        """Read the keys."""
        if self._verifier is not None:
            await self._verifier.start()

    def close(self) -> None:
        """Read no keys any more."""
        if self._verifier is not None:
            self._verifier.close()

    async def authenticate(self, token: str | None) -> Principal | None:
        """Tell who has this token, ``None`` when it is refused; without a token it is nobody in
        particular.

        Raises ``KeysUnavailableError`` while that cannot be told, ``BackendFailedError`` and
        ``BackendTimeoutError`` of the backend.
        """
        if token is None:
            return ANONYMOUS
        principal: Principal | None
        if token.startswith(API_KEY_PREFIX):
            principal = self._unless_revoked(self._api_keys.find(token))
        elif self._verifier is not None and token.count(".") == 2:
            principal = await self._verify(self._verifier, token)
        else:
            principal = await self._ask_application(token)
        if principal is None:
            self.refused += 1
        else:
            self.accepted += 1
        return principal

    async def _verify(self, verifier: TokenVerifier, token: str) -> Principal | None:
        try:
            return self._unless_revoked(await verifier.verify(token))
        except TokenRefused as refused:
            # Its message may quote the token.
            setting = f" ({refused.setting})" if refused.setting else ""
            logger.info("a token was refused: %s%s", refused.reason.value, setting)
            return None

    def _unless_revoked(self, principal: Principal | None) -> Principal | None:
        if principal is not None and self.revocations.is_revoked(principal):
            logger.info("a token was refused: its user was revoked")
            return None
        return principal

    async def _ask_application(self, token: str) -> Principal | None:
        if self._app.authenticator is None:
            if self._backend is None:
                return None
            return self._unless_revoked(await self._backend.find(token))
        answer = self._app.authenticator(token)
        if inspect.isawaitable(answer):
            answer = await answer
        if answer is None or isinstance(answer, Principal):
            return answer
        return Principal(answer)

    def figures(self) -> dict[str, tuple[str, float, bool]]:
        """What is counted, for the metrics."""
        failures = 0 if self._verifier is None else self._verifier.key_failures
        return {
            "longwire_revoked_users": ("Users who are revoked.", len(self.revocations), False),
            "longwire_tokens_accepted": ("Tokens accepted.", self.accepted, True),
            "longwire_tokens_refused": ("Tokens refused.", self.refused, True),
            "longwire_identity_key_failures": (
                "Times that keys of a file or URL could not be read.",
                failures,
                True,
            ),
        }
