"""The settings of the section ``[identity]``: where tokens come from and what they must say."""

from __future__ import annotations

from dataclasses import dataclass, field

from longwire.base.limits import KIB

__all__ = ["IdentitySettings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentitySettings:
    """Whose tokens (JWT) are accepted, and what they must say; docs/identity.md explains it.
    Without any key every token is left to the application."""

    secret: str | None = field(default=None, metadata={"is_secret": True})
    """A secret that is shared with who makes the tokens (HS256, HS384, HS512): a text of at least
    32 bytes. Better given as a variable than in a file."""

    key_files: tuple[str, ...] = ()
    """Paths of files with keys: a public key or a certificate in PEM, a JWK, or a set of JWKs.
    They are read again every `keys_refresh_s`, and when a token names a key that is not there."""

    jwks_url: str | None = None
    """https URL of a set of JWKs, such as an identity provider publishes. Plain http is for
    addresses of this machine only."""

    algorithms: tuple[str, ...] = ()
    """Algorithms that are accepted, of HS256, HS384, HS512, RS256, RS384, RS512, PS256, PS384,
    PS512, ES256, ES384, ES512, EdDSA and Ed25519. Empty: all that the keys are for. Which of them
    a key is for goes by its type, never by what a token says; `none` is never accepted."""

    issuers: tuple[str, ...] = ()
    """Accepted values of `iss`. Empty: it is not looked at."""

    audiences: tuple[str, ...] = ()
    """Names of this server in `aud`; a token must have one of them. Empty: a token that is for
    somebody in particular (RFC 7519, 4.1.3) is refused."""

    leeway_s: float = field(default=1.0, metadata={"minimum": 0.0, "maximum": 300.0})
    """By how much the clocks of who makes tokens and ours may differ, seconds."""

    lifetime_max_s: float | None = None
    """Longest time from now until a token expires, seconds; with it, tokens must expire."""

    user_claim: str = "sub"
    """The claim that names the user."""

    permissions_claim: str = "streams"
    """The claim that says what the user may do: an object with lists of patterns of stream names,
    `read`, `publish`, `manage` and `presence`."""

    api_keys: tuple[str, ...] = field(default=(), metadata={"is_secret": True})
    """Keys for backends, one text each: a name, the SHA-256 of the key and what it may do, such as
    `"billing 9f86d0… publish=orders/** read=orders/**"`; with `operate`, the key may revoke users.
    `longwire token key` makes them."""

    cookie: str | None = "longwire_token"
    """Name of the cookie that may hold a token."""

    token_bytes_max: int = 8 * KIB
    """Length of a token, bytes. Precedent: common limits of header fields."""

    keys_refresh_s: float = 300.0
    """After how long keys are read again, seconds."""

    keys_retry_s: float = 10.0
    """Shortest time between two readings of the same keys, seconds, whatever tokens name."""

    keys_timeout_s: float = 5.0
    """Longest time for reading keys, seconds."""

    keys_bytes_max: int = 256 * KIB
    """Length of a set of keys, bytes."""

    session_secret: str | None = field(default=None, metadata={"is_secret": True})
    """What cookies of server sessions are signed with: a text of at least 32 bytes, the same on all
    servers. Without it there are no sessions."""

    session_cookie: str = "longwire_session"
    """Name of the cookie of a server session."""

    session_idle_s: float = 7 * 86_400.0
    """After how long without a request a session ends, seconds."""

    session_lifetime_s: float = 30 * 86_400.0
    """After how long a session ends in any case, seconds."""

    session_always_secure: bool = False
    """Mark the cookie `Secure` also when the request came over plain HTTP: for a server behind a
    proxy that ends TLS."""

    session_bytes_max: int = 4 * KIB
    """What a session may hold, bytes of JSON."""

    revoked_users_max: int = 100_000
    """Users who are remembered as revoked; past it the oldest revocation is forgotten. About 200
    bytes each."""

    @property
    def has_keys(self) -> bool:
        """Whether JWTs can be checked here."""
        return bool(self.secret or self.key_files or self.jwks_url)
