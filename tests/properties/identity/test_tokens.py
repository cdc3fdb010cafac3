"""Whatever is shown as a token: refused with a reason, or good; nothing else happens."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from longwire.identity.compact import read_token
from longwire.identity.refusal import TokenRefused
from longwire.identity.settings import IdentitySettings
from longwire.identity.tokens import TokenVerifier
from tests.unit.identity.forging import SECRET, USER, encode, hmac_token, make_token

BYTES_MAX = 2000

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)
names = st.sampled_from(["sub", "exp", "nbf", "iat", "iss", "aud", "streams", "x"])
claim_sets = st.dictionaries(names, json_values, max_size=6)
headers = st.dictionaries(
    st.sampled_from(["alg", "kid", "typ", "jku", "crit", "b64", "x"]),
    json_values | st.sampled_from(["HS256", "none", "JWT"]),
    max_size=5,
)
texts = st.text(max_size=200) | st.text("abcXYZ019-_.=", max_size=200)


async def verdict(token: str) -> str:
    """Who the token names, or why it is refused."""
    settings = IdentitySettings(secret=SECRET, audiences=("us",), token_bytes_max=BYTES_MAX)
    try:
        return f"user {(await TokenVerifier(settings).verify(token)).name}"
    except TokenRefused as refused:
        return refused.reason.value


@given(texts)
def test_any_text_is_refused(text: str) -> None:
    assert not asyncio.run(verdict(text)).startswith("user")


@given(st.lists(st.binary(max_size=60).map(encode), min_size=3, max_size=3))
def test_any_three_parts_are_refused(parts: list[str]) -> None:
    assert not asyncio.run(verdict(".".join(parts))).startswith("user")


@given(headers, claim_sets)
def test_any_header_and_claims_with_a_good_signature(
    header: dict[str, Any], claims: dict[str, Any]
) -> None:
    """The signature is that of the secret, so only what the token says decides."""
    said = asyncio.run(verdict(hmac_token(SECRET.encode(), claims, header)))
    if said.startswith("user"):
        assert header["alg"] == "HS256" and not header.keys() & {"jku", "crit"}
        assert said == f"user {claims['sub']}"
        assert "us" in claims["aud"]


@given(st.data())
def test_no_change_of_a_good_token_is_accepted(data: st.DataObject) -> None:
    token = make_token({**USER, "aud": "us"})
    assert asyncio.run(verdict(token)) == "user ann"
    at = data.draw(st.integers(0, len(token)))
    cut = data.draw(st.integers(0, 3))
    changed = token[:at] + data.draw(st.text(max_size=3)) + token[at + cut :]
    if changed != token:
        assert not asyncio.run(verdict(changed)).startswith("user")


@given(st.dictionaries(st.text(max_size=10), json_values, max_size=4))
def test_reading_gives_back_what_was_written(claims: dict[str, Any]) -> None:
    token = read_token(make_token(claims, kid="k"), 10_000)
    assert token.claims() == json.loads(json.dumps(claims))
    assert (token.algorithm, token.key_id) == ("HS256", "k")
