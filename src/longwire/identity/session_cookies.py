"""Cookies of server sessions: a name that nobody can guess, signed, so that nobody has to look up
one that somebody made up.

What a session holds stands in the store under a hash of its name: who reads the store cannot make
himself a cookie of what he finds.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable

from longwire.identity.keys import encode_base64url

__all__ = ["SECRET_BYTES_MIN", "SessionCookies"]

SECRET_BYTES_MIN = 32
NAME_BYTES = 32

# Two values of 32 bytes in base64url: 43 characters each.
_VALUE = re.compile(r"([A-Za-z0-9_-]{43})\.([A-Za-z0-9_-]{43})")


class SessionCookies:
    """Makes and reads cookies with one secret of at least ``SECRET_BYTES_MIN`` bytes."""

    def __init__(self, name: str, secret: str) -> None:
        self.name = name
        self._secret = secret.encode()

    def make_value(self, entropy: Callable[[int], bytes]) -> str:
        """Return the value of a new cookie; ``entropy`` gives random bytes."""
        name = encode_base64url(entropy(NAME_BYTES))
        return f"{name}.{self._sign(name)}"

    def read(self, value: str) -> str | None:
        """Return the key of the session in the store, ``None`` when the value is not ours."""
        match = _VALUE.fullmatch(value)
        if match is None or not hmac.compare_digest(match[2], self._sign(match[1])):
            return None
        return hashlib.sha256(match[1].encode()).hexdigest()

    def set_cookie(self, value: str, max_age_s: int, *, is_secure: bool) -> str:
        """Return the value of a Set-Cookie field (RFC 6265 section 4.1).

        Scripts cannot read the cookie (HttpOnly), and pages of other sites send it with what they
        link to, and with nothing else (SameSite=Lax). An age of 0 takes it away.
        """
        secure = "; Secure" if is_secure else ""
        attributes = f"Path=/; Max-Age={max_age_s}; HttpOnly; SameSite=Lax{secure}"
        return f"{self.name}={value}; {attributes}"

    def _sign(self, name: str) -> str:
        # The label keeps what is signed here apart from all else that the secret may sign.
        digest = hmac.digest(self._secret, b"longwire session " + name.encode(), "sha256")
        return encode_base64url(digest)
