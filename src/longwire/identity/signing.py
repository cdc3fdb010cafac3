"""Making tokens: for trying things out, for backends in Python, and for tests."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from longwire.identity.keys import SigningKey, encode_base64url

__all__ = ["sign_token"]


def sign_token(claims: Mapping[str, Any], key: SigningKey, algorithm: str | None = None) -> str:
    """Return a token that says ``claims``, signed with ``key``.

    Without ``algorithm`` it is the first that the key is for. Raises :exc:`ValueError` for a key
    that is not private, and for an algorithm that it is not for.

    >>> from longwire.identity.keys import read_secret
    >>> token = sign_token({"sub": "ann"}, read_secret("x" * 32))
    >>> token.count(".")
    2
    """
    algorithm = key.algorithms[0] if algorithm is None else algorithm
    if algorithm not in key.algorithms:
        raise ValueError(f"the key is for {', '.join(key.algorithms)}, not {algorithm}")
    if not key.is_private:
        raise ValueError("the key is public: it checks tokens and signs none")
    header = {"alg": algorithm, "typ": "JWT"}
    if key.key_id is not None:
        header["kid"] = key.key_id
    signed = f"{_encode(header)}.{_encode(claims)}"
    return f"{signed}.{encode_base64url(key.sign(algorithm, signed.encode()))}"


def _encode(document: Mapping[str, Any]) -> str:
    text = json.dumps(document, separators=(",", ":"), allow_nan=False)
    return encode_base64url(text.encode())
