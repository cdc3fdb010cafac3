"""What a token must say, and whom it then makes of its bearer (RFC 7519 section 4.1)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from longwire.identity.grants import ACTIONS, NO_GRANTS, Grants
from longwire.identity.principal import KEY_PREFIX, Principal
from longwire.identity.refusal import Reason, TokenRefused
from longwire.identity.settings import IdentitySettings
from longwire.streams.pattern import PatternError, StreamPattern

__all__ = ["USER_BYTES_MAX", "find_problems", "make_principal"]

USER_BYTES_MAX = 256
"""Length of the name of a user, bytes."""

PATTERNS_MAX = 256
"""Patterns in the permissions of one token."""

_YEAR_10000_S = 253_402_300_800


def find_problems(
    claims: Mapping[str, Any], settings: IdentitySettings, now_s: float
) -> Iterator[TokenRefused]:
    """Find all reasons to refuse a token that says this at ``now_s``, Unix time."""
    yield from _times(claims, settings, now_s)
    yield from _issuer(claims, settings)
    yield from _audience(claims, settings)
    for read in (_read_user, _read_grants):
        try:
            read(claims, settings)
        except TokenRefused as refused:
            yield refused


def make_principal(claims: Mapping[str, Any], settings: IdentitySettings) -> Principal:
    """The bearer of a token in which there is no problem."""
    expires_s, issued_s = claims.get("exp"), claims.get("iat")
    return Principal(
        _read_user(claims, settings),
        # Somebody's clock may be behind ours; who is let in is not thrown out at once.
        expires_at_s=None if expires_s is None else float(expires_s) + settings.leeway_s,
        grants=_read_grants(claims, settings),
        issued_at_s=None if issued_s is None else float(issued_s),
        claims=claims,
    )


def _times(
    claims: Mapping[str, Any], settings: IdentitySettings, now_s: float
) -> Iterator[TokenRefused]:
    moments: dict[str, float] = {}
    for name in ("exp", "nbf", "iat"):
        value = claims.get(name)
        if name not in claims:
            continue
        if not isinstance(value, int | float) or isinstance(value, bool) or not _is_moment(value):
            yield TokenRefused(Reason.CLAIMS, f"{name} is no time in seconds since 1970")
        else:
            moments[name] = float(value)
    expires_s = moments.get("exp")
    # RFC 7519 section 4.1.4: on or after it the token MUST NOT be accepted.
    if expires_s is not None and now_s >= expires_s + settings.leeway_s:
        message = f"the token expired {now_s - expires_s:.0f} s ago"
        yield TokenRefused(Reason.EXPIRED, message, "leeway_s")
    begins_s = moments.get("nbf")
    if begins_s is not None and now_s < begins_s - settings.leeway_s:
        message = f"the token is good only in {begins_s - now_s:.0f} s"
        yield TokenRefused(Reason.NOT_YET, message, "leeway_s")
    limit_s = settings.lifetime_max_s
    if limit_s is not None and "exp" not in claims:
        yield TokenRefused(Reason.LIFETIME, "the token does not expire", "lifetime_max_s")
    elif limit_s is not None and expires_s is not None and expires_s - now_s > limit_s:
        message = f"the token expires in {expires_s - now_s:.0f} s, {limit_s:g} s are allowed"
        yield TokenRefused(Reason.LIFETIME, message, "lifetime_max_s")


def _is_moment(value: float) -> bool:
    # A number of milliseconds is beyond it.
    return 0 <= value < _YEAR_10000_S


def _issuer(claims: Mapping[str, Any], settings: IdentitySettings) -> Iterator[TokenRefused]:
    issuer = claims.get("iss")
    if "iss" in claims and not isinstance(issuer, str):
        yield TokenRefused(Reason.CLAIMS, "iss is no text")
    elif settings.issuers and issuer not in settings.issuers:
        said = "the token names no issuer" if issuer is None else f"the issuer is {issuer!r}"
        yield TokenRefused(Reason.ISSUER, said, "issuers")


def _audience(claims: Mapping[str, Any], settings: IdentitySettings) -> Iterator[TokenRefused]:
    value = claims.get("aud", [])
    audience = [value] if isinstance(value, str) else value
    if not isinstance(audience, list) or not all(isinstance(item, str) for item in audience):
        yield TokenRefused(Reason.CLAIMS, "aud is neither a text nor a list of texts")
    # RFC 7519 section 4.1.3: who does not find himself in it MUST reject the token.
    elif ("aud" in claims or settings.audiences) and not set(audience) & set(settings.audiences):
        said = f"the audience is {audience!r}" if audience else "the token names no audience"
        yield TokenRefused(Reason.AUDIENCE, said, "audiences")


def _read_user(claims: Mapping[str, Any], settings: IdentitySettings) -> str:
    name = claims.get(settings.user_claim)
    if not isinstance(name, str) or not name:
        message = f"{settings.user_claim} is no text that names a user"
        raise TokenRefused(Reason.USER, message, "user_claim")
    # "replace": JSON can spell halves of surrogate pairs, which no encoding has.
    if len(name.encode("utf-8", "replace")) > USER_BYTES_MAX or not name.isprintable():
        message = (
            f"{settings.user_claim} has more than {USER_BYTES_MAX} bytes, or characters that "
            "cannot be printed"
        )
        raise TokenRefused(Reason.USER, message, "user_claim")
    if name.startswith(KEY_PREFIX):
        message = f"{settings.user_claim} begins with {KEY_PREFIX}, as names of API keys do"
        raise TokenRefused(Reason.USER, message, "user_claim")
    return name


def _read_grants(claims: Mapping[str, Any], settings: IdentitySettings) -> Grants:
    claim = settings.permissions_claim
    if claim not in claims:
        return NO_GRANTS
    permissions = claims[claim]
    if not isinstance(permissions, dict):
        message = f"{claim} is no object with {', '.join(ACTIONS)}"
        raise TokenRefused(Reason.PERMISSIONS, message, "permissions_claim")
    unknown = permissions.keys() - set(ACTIONS)
    if unknown:
        message = f"{claim} has {sorted(unknown)[0]!r}; possible are {', '.join(ACTIONS)}"
        raise TokenRefused(Reason.PERMISSIONS, message, "permissions_claim")
    granted: dict[str, tuple[StreamPattern, ...]] = {}
    for action, texts in permissions.items():
        if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
            message = f"{claim}.{action} is no list of patterns"
            raise TokenRefused(Reason.PERMISSIONS, message, "permissions_claim")
        if len(texts) > PATTERNS_MAX:
            message = f"{claim}.{action} has {len(texts)} patterns, {PATTERNS_MAX} are allowed"
            raise TokenRefused(Reason.PERMISSIONS, message, "permissions_claim")
        try:
            granted[action] = tuple(StreamPattern(text) for text in texts)
        except PatternError as error:
            message = f"{claim}.{action}: {error.message}"
            raise TokenRefused(Reason.PERMISSIONS, message, "permissions_claim") from None
    return Grants(**granted)
