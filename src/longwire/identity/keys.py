"""Keys that tokens are checked with, each bound to the algorithms that it is for.

Read RFC 7517 (JWK) and RFC 8725 section 3.1 first. The algorithm follows from the key: a token may
only name one of those that its key is for. A public RSA key is therefore never a secret for HMAC,
whatever a token says, and ``none`` is no algorithm of any key.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, Key, OctKey, OKPKey, RSAKey
from joserfc.jws import JWSRegistry

from longwire.base.errors import LongwireError

__all__ = [
    "ALGORITHMS",
    "KEYS_MAX",
    "BadKeyError",
    "SigningKey",
    "encode_base64url",
    "read_keys",
    "read_secret",
]

KEYS_MAX = 100
"""Keys of one set."""

_RSA_BITS_MIN = 2048  # RFC 7518 sections 3.3 and 3.5

# RFC 7518 section 3.2: a key of the same size as the hash output, or larger, MUST be used.
_SECRET_BYTES_MIN = {"HS256": 32, "HS384": 48, "HS512": 64}
_RSA = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
# RFC 7518 section 3.4: one curve, one hash.
_CURVES = {"P-256": ("ES256",), "P-384": ("ES384",), "P-521": ("ES512",)}
# RFC 8037 section 3.1, and RFC 9864 which names the curve; both are the same signature.
_EDWARDS = {"Ed25519": ("EdDSA", "Ed25519")}

ALGORITHMS = (
    *_SECRET_BYTES_MIN,
    *_RSA,
    *(name for names in _CURVES.values() for name in names),
    *(name for names in _EDWARDS.values() for name in names),
)
"""All that there are here."""

# joserfc warns of the older name.
_SIGNATURES = {
    name: JWSRegistry.algorithms["Ed25519" if name == "EdDSA" else name] for name in ALGORITHMS
}

_BASE64URL = re.compile("[A-Za-z0-9_-]+")

_KINDS: dict[str, type[RSAKey | ECKey | OKPKey]] = {"RSA": RSAKey, "EC": ECKey, "OKP": OKPKey}


class BadKeyError(LongwireError):
    """What should be a key is none, or none that signatures can be checked with."""


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key, what it is called, and the algorithms that it is for."""

    key: Key
    key_id: str | None
    algorithms: tuple[str, ...]

    @property
    def is_private(self) -> bool:
        """Whether it can sign too."""
        return self.key.is_private

    @property
    def is_secret(self) -> bool:
        """Whether whoever can check with it can sign with it."""
        return isinstance(self.key, OctKey)

    def verify(self, algorithm: str, signed: bytes, signature: bytes) -> bool:
        """Tell whether ``signature`` is one of this key over ``signed``."""
        if algorithm not in self.algorithms:
            return False
        return _SIGNATURES[algorithm].verify(signed, signature, self.key)

    def sign(self, algorithm: str, signed: bytes) -> bytes:
        """Return a signature; the key is private and ``algorithm`` one of its own."""
        return _SIGNATURES[algorithm].sign(signed, self.key)


def read_secret(secret: str) -> SigningKey:
    """Take a text as a secret for HMAC. Raises :exc:`BadKeyError`."""
    if secret.lstrip().startswith("-----BEGIN"):
        raise BadKeyError(
            "it is a key in PEM and no secret: whoever knows the public key could sign"
        )
    return _import_secret({"kty": "oct", "k": encode_base64url(secret.encode())})


def read_keys(data: bytes, *, are_secrets_allowed: bool) -> tuple[SigningKey, ...]:
    """Read a public or private key or a certificate in PEM, a JWK, or a set of JWKs.

    Of a set, keys that are for something else, or of a kind that is not known, are left out (RFC
    7517 section 5); so are secrets unless they are allowed. Raises :exc:`BadKeyError`, also when
    none is left.
    """
    if data.lstrip().startswith(b"-----BEGIN"):
        return (_read_pem(data),)
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        raise BadKeyError("it is neither PEM nor JSON") from None
    if not isinstance(document, dict):
        raise BadKeyError("it is neither a JWK nor a set of JWKs")
    if "keys" not in document:
        key = _read_jwk(document)
        if key.is_secret and not are_secrets_allowed:
            raise BadKeyError("it is a secret, which does not belong there")
        return (key,)
    return _read_set(document["keys"], are_secrets_allowed)


def _read_set(items: Any, are_secrets_allowed: bool) -> tuple[SigningKey, ...]:
    if not isinstance(items, list):
        raise BadKeyError('"keys" is no list')
    if len(items) > KEYS_MAX:
        raise BadKeyError(f"it has {len(items)} keys, {KEYS_MAX} are allowed")
    found, problems = [], []
    for item in items:
        try:
            key = _read_jwk(item)
        except BadKeyError as error:
            problems.append(str(error))
        else:
            if are_secrets_allowed or not key.is_secret:
                found.append(key)
            else:
                problems.append("a secret does not belong there")
    if not found:
        reason = problems[0] if problems else "it has none"
        raise BadKeyError(f"no key of the set can be used: {reason}")
    return tuple(found)


def _read_jwk(value: Any) -> SigningKey:
    if not isinstance(value, dict):
        raise BadKeyError("a key is no JSON object")
    # RFC 7517 sections 4.2 and 4.3.
    if value.get("use", "sig") != "sig":
        raise BadKeyError("a key is not for signatures (use)")
    operations = value.get("key_ops", ["verify"])
    if not isinstance(operations, list) or not {"verify", "sign"} & set(map(str, operations)):
        raise BadKeyError("a key is not for signatures (key_ops)")
    key_id, algorithm = value.get("kid"), value.get("alg")
    if not isinstance(key_id, str | None) or not isinstance(algorithm, str | None):
        raise BadKeyError("kid or alg of a key is no text")
    # What it is for has been looked at; the library would be stricter about names.
    bare = {name: item for name, item in value.items() if name not in ("use", "key_ops", "alg")}
    key = _import_secret(bare) if bare.get("kty") == "oct" else _make(_import(bare), key_id)
    if algorithm is None:
        return key
    if algorithm not in key.algorithms:
        raise BadKeyError(f"a key says that it is for {algorithm!r}, which it is not good for")
    return SigningKey(key.key, key_id, (algorithm,))


def _read_pem(data: bytes) -> SigningKey:
    for kind in _KINDS.values():
        try:
            key = kind.import_key(data)
        except (JoseError, ValueError, TypeError):
            continue
        return _make(key, None)
    raise BadKeyError("it is no public key, private key or certificate (RSA, EC, Ed25519) in PEM")


def _import(jwk: Mapping[str, Any]) -> RSAKey | ECKey | OKPKey:
    kind = _KINDS.get(str(jwk.get("kty")))
    if kind is None:
        raise BadKeyError(f"keys of the type {str(jwk.get('kty'))[:20]!r} are not known")
    try:
        return kind.import_key(dict(jwk))
    except (JoseError, ValueError, TypeError, KeyError) as error:
        raise BadKeyError(f"a key is malformed: {type(error).__name__}") from None


def _import_secret(jwk: Mapping[str, Any]) -> SigningKey:
    text = jwk.get("k")
    if not isinstance(text, str) or not _BASE64URL.fullmatch(text) or len(text) % 4 == 1:
        raise BadKeyError("the k of a secret is no base64url")
    size = len(text) * 3 // 4
    algorithms = tuple(name for name, least in _SECRET_BYTES_MIN.items() if size >= least)
    if not algorithms:
        least = _SECRET_BYTES_MIN["HS256"]
        raise BadKeyError(f"the secret has {size} bytes; HS256 takes {least} or more")
    try:
        key = OctKey.import_key({"kty": "oct", "k": text})
    except ValueError as error:  # the library looks whether it is a public key
        raise BadKeyError(str(error)) from None
    return SigningKey(key, jwk.get("kid"), algorithms)


def _make(key: RSAKey | ECKey | OKPKey, key_id: str | None) -> SigningKey:
    algorithms: tuple[str, ...]
    if isinstance(key, RSAKey):
        bits = key.raw_value.key_size
        if bits < _RSA_BITS_MIN:
            raise BadKeyError(f"an RSA key has {bits} bits; {_RSA_BITS_MIN} is the least")
        algorithms = _RSA
    elif isinstance(key, ECKey):
        algorithms = _CURVES.get(key.curve_name, ())
    else:
        algorithms = _EDWARDS.get(key.curve_name, ())
    if not algorithms:
        raise BadKeyError("a key is on a curve that is not known here")
    return SigningKey(key, key_id, algorithms)


def encode_base64url(data: bytes) -> str:
    """Spell bytes as JOSE does, without padding (RFC 7515 section 2)."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
