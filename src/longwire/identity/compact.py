"""Reading a token strictly, before anything of it is believed.

RFC 7515 section 7.1 (the compact form), RFC 8725 (what has gone wrong with it). JSON that parsers
read in different ways (RFC 8725 section 2.4) is refused here, so that what was signed and what is
acted on cannot differ: duplicate members, numbers that are none, base64 with bits to spare.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from longwire.identity.refusal import Reason, TokenRefused

__all__ = ["CompactToken", "read_token"]

KEY_ID_LENGTH_MAX = 256

# RFC 7515 section 2: base64url without padding. Three parts, of which none is empty: a token
# without a signature is not secured, whatever its header says.
_COMPACT = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)")

# RFC 8725 sections 3.11 and 3.12: tokens for another purpose may bear the same signature.
_TYPES = ("jwt", "at+jwt", "application/jwt", "application/at+jwt")

# Headers that bring a key, or a place to fetch one from (RFC 7515 sections 4.1.2 to 4.1.6): whoever
# wrote the token would choose what it is checked with. `crit` names extensions that must be
# understood (section 4.1.11), and there is none that is.
_REFUSED_HEADERS = ("jku", "jwk", "x5u", "x5c", "crit")


@dataclass(frozen=True, slots=True)
class CompactToken:
    """The parts of a token; nothing in it has been checked against a key."""

    algorithm: str
    key_id: str | None
    header: Mapping[str, Any]
    signed: bytes
    payload: bytes
    signature: bytes

    def claims(self) -> Mapping[str, Any]:
        """Parse the payload; for tokens whose signature is good. Raises ``TokenRefused``."""
        return _read_object(self.payload, Reason.CLAIMS, "the payload")


def read_token(token: str, bytes_max: int) -> CompactToken:
    """Take a token apart. Raises :exc:`TokenRefused`."""
    if len(token) > bytes_max:
        message = f"the token has {len(token)} bytes, {bytes_max} are allowed"
        raise TokenRefused(Reason.TOO_LONG, message, "token_bytes_max")
    match = _COMPACT.fullmatch(token)
    if match is None:
        raise TokenRefused(
            Reason.MALFORMED, "the token is not three parts of base64url with dots between them"
        )
    header = _read_object(_decode(match[1], "header"), Reason.MALFORMED, "the header")
    _check_header(header)
    return CompactToken(
        algorithm=header["alg"],
        key_id=header.get("kid"),
        header=header,
        signed=token[: match.start(3) - 1].encode(),
        payload=_decode(match[2], "payload"),
        signature=_decode(match[3], "signature"),
    )


def _check_header(header: Mapping[str, Any]) -> None:
    algorithm = header.get("alg")
    if not isinstance(algorithm, str):
        raise TokenRefused(Reason.HEADER, "the header has no text as alg")
    for name in _REFUSED_HEADERS:
        if name in header:
            raise TokenRefused(Reason.HEADER, f"the header has {name}, which no token may have")
    key_id = header.get("kid")
    if "kid" in header and not (isinstance(key_id, str) and len(key_id) <= KEY_ID_LENGTH_MAX):
        message = f"kid is no text of at most {KEY_ID_LENGTH_MAX} characters"
        raise TokenRefused(Reason.HEADER, message)
    type_ = header.get("typ", "JWT")
    if not (isinstance(type_, str) and type_.lower() in _TYPES):
        raise TokenRefused(Reason.HEADER, "typ is neither JWT nor at+jwt")


def _decode(text: str, part: str) -> bytes:
    try:
        data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except binascii.Error:
        raise TokenRefused(Reason.MALFORMED, f"the {part} is not base64url") from None
    # RFC 4648 section 3.5: the bits to spare are zero, or one token would have many spellings.
    if base64.urlsafe_b64encode(data).rstrip(b"=") != text.encode():
        raise TokenRefused(Reason.MALFORMED, f"the {part} is not base64url in its one form")
    return data


def _read_object(data: bytes, reason: Reason, what: str) -> Mapping[str, Any]:
    try:
        value = json.loads(
            data.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_refuse_constant
        )
    except (ValueError, RecursionError):
        # The message of a decoder may quote the token.
        raise TokenRefused(reason, f"{what} is not JSON as everybody reads it") from None
    if not isinstance(value, dict):
        raise TokenRefused(reason, f"{what} is not a JSON object")
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    # RFC 7519 section 4: claim names MUST be unique; of what to do otherwise refusing is safe.
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a member stands there twice")
    return found


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")
