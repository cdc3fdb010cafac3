"""Keys, and tokens signed with them by hand: also such as no library would make."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from functools import cache
from pathlib import Path
from typing import Any

from joserfc.jwk import ECKey, Key, OctKey, OKPKey, RSAKey

from longwire.identity.keys import SigningKey, read_keys, read_secret

SECRET = "a secret of more than thirty-two bytes, and then of sixty-four bytes!"
USER = {"sub": "ann"}


@cache
def rsa_key() -> RSAKey:
    return RSAKey.generate_key(2048)


@cache
def make_key(kind: str) -> Key:
    """A key pair, the same one each time: RSA, P-256, P-384, P-521, Ed25519."""
    if kind == "RSA":
        return rsa_key()
    if kind == "Ed25519":
        return OKPKey.generate_key("Ed25519")
    if kind == "secret":
        return OctKey.import_key(SECRET.encode())
    return ECKey.generate_key(kind)


KIND_OF = {"H": "secret", "R": "RSA", "P": "RSA"}


def kind_for(algorithm: str) -> str:
    """The kind of key for an algorithm."""
    curves = {"ES256": "P-256", "ES384": "P-384", "ES512": "P-521"}
    return curves.get(algorithm) or KIND_OF.get(algorithm[0]) or "Ed25519"


def signer(algorithm: str) -> SigningKey:
    """The private key for an algorithm."""
    if algorithm.startswith("HS"):
        return read_secret(SECRET)
    document = make_key(kind_for(algorithm)).as_dict(private=True)
    return read_keys(json.dumps(document).encode(), are_secrets_allowed=False)[0]


def public_pem(kind: str) -> bytes:
    return make_key(kind).as_pem(private=False)  # type: ignore[union-attr]


def write_public(folder: Path, *kinds: str) -> tuple[str, ...]:
    """Write public keys to files; return their paths."""
    paths = []
    for kind in kinds:
        path = folder / f"{kind}.pem"
        path.write_bytes(public_pem(kind))
        paths.append(str(path))
    return tuple(paths)


def write_set(path: Path, *kinds: str) -> str:
    """Write a set of public JWKs whose names are their kinds."""
    keys = [{**make_key(kind).as_dict(private=False), "kid": kind} for kind in kinds]
    path.write_text(json.dumps({"keys": keys}))
    return str(path)


def encode(data: bytes | str | dict[str, Any]) -> str:
    if isinstance(data, dict):
        data = json.dumps(data)
    if isinstance(data, str):
        data = data.encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def make_token(
    claims: dict[str, Any] | str | bytes = USER, algorithm: str = "HS256", **header: Any
) -> str:
    """A token that is good: for its key."""
    signed = f"{encode({'alg': algorithm, **header})}.{encode(claims)}"
    return f"{signed}.{encode(signer(algorithm).sign(algorithm, signed.encode()))}"


def hmac_token(
    secret: bytes, claims: dict[str, Any] | None = None, header: dict[str, Any] | str | None = None
) -> str:
    """A token signed with any bytes as the secret."""
    signed = f"{encode(header or {'alg': 'HS256'})}.{encode(claims or USER)}"
    digest = hmac.new(secret, signed.encode(), hashlib.sha256).digest()
    return f"{signed}.{encode(digest)}"
