"""Which tokens are accepted, and every published way to forge one (RFC 8725 section 2)."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from longwire.base.errors import ConfigError
from longwire.identity.keys import ALGORITHMS
from longwire.identity.principal import Principal
from longwire.identity.refusal import Reason, TokenRefused
from longwire.identity.settings import IdentitySettings
from longwire.identity.tokens import TokenVerifier
from tests.unit.identity.forging import (
    SECRET,
    USER,
    encode,
    hmac_token,
    kind_for,
    make_key,
    make_token,
    public_pem,
    write_public,
    write_set,
)

NOW_S = 1_800_000_000.0


def verifier(**settings: Any) -> TokenVerifier:
    settings.setdefault("secret", SECRET)
    return TokenVerifier(IdentitySettings(**settings), clock=lambda: NOW_S)


async def accept(token: str, **settings: Any) -> Principal:
    return await verifier(**settings).verify(token)


async def refuse(token: str, **settings: Any) -> TokenRefused:
    with pytest.raises(TokenRefused) as caught:
        await verifier(**settings).verify(token)
    return caught.value


# -- what is good -------------------------------------------------------------------------------


@pytest.mark.parametrize("algorithm", ALGORITHMS)
async def test_every_algorithm_is_accepted_from_its_key(algorithm: str, tmp_path: Path) -> None:
    kind = kind_for(algorithm)
    keys = {} if kind == "secret" else {"key_files": write_public(tmp_path, kind), "secret": None}
    principal = await accept(make_token({"sub": "ann"}, algorithm), **keys)
    assert (principal.name, principal.expires_at_s) == ("ann", None)


async def test_claims_make_the_principal() -> None:
    claims = {
        "sub": "ann",
        "exp": NOW_S + 60,
        "role": "editor",
        "streams": {"read": ["chat/**"], "publish": ["chat/lobby"]},
    }
    principal = await accept(make_token(claims), leeway_s=5.0)
    assert principal.expires_at_s == NOW_S + 65
    assert principal.claims["role"] == "editor"
    assert principal.grants.allow("read", "chat/a/b")
    assert principal.grants.allow("publish", "chat/lobby")
    assert not principal.grants.allow("publish", "chat/a")
    assert not principal.grants.allow("presence", "chat/lobby")


async def test_claims_of_other_names_are_a_setting() -> None:
    claims = {"email": "ann@example.com", "may": {"read": ["a"]}}
    principal = await accept(make_token(claims), user_claim="email", permissions_claim="may")
    assert principal.name == "ann@example.com"
    assert principal.grants.allow("read", "a")


@pytest.mark.parametrize("type_", ["JWT", "jwt", "at+jwt", "application/at+jwt"])
async def test_8725_3_11_types_of_access_tokens(type_: str) -> None:
    assert (await accept(make_token(typ=type_))).name == "ann"


async def test_7515_4_unknown_headers_are_ignored() -> None:
    assert (await accept(make_token(nonce="x", x5t="y", cty="z"))).name == "ann"


# -- forgeries ----------------------------------------------------------------------------------


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", "nOnE", "", "HS256 ", "hs256"])
@pytest.mark.parametrize("signature", ["", "AAAA"])
async def test_8725_3_1_algorithm_none_in_any_spelling(algorithm: str, signature: str) -> None:
    token = f"{encode({'alg': algorithm})}.{encode(USER)}.{signature}"
    assert (await refuse(token)).reason in (Reason.MALFORMED, Reason.ALGORITHM)


@pytest.mark.parametrize("kind", ["RSA", "P-256", "Ed25519"])
async def test_8725_2_1_public_key_is_no_secret(kind: str, tmp_path: Path) -> None:
    paths = write_public(tmp_path, kind)
    pem = public_pem(kind)
    jwk = json.dumps(make_key(kind).as_dict(private=False)).encode()
    for secret in (pem, pem.strip(), pem + b"\0", jwk):
        error = await refuse(hmac_token(secret), key_files=paths, secret=None)
        assert error.reason is Reason.ALGORITHM
        assert (await refuse(hmac_token(secret), key_files=paths)).reason is Reason.SIGNATURE


async def test_key_of_one_kind_is_not_tried_for_another(tmp_path: Path) -> None:
    paths = write_public(tmp_path, "RSA")
    for algorithm in ("ES256", "EdDSA", "HS256"):
        error = await refuse(make_token(USER, algorithm), key_files=paths, secret=None)
        assert error.reason is Reason.ALGORITHM


@pytest.mark.parametrize(
    "key_id",
    [
        "../../../../../../dev/null",
        "/dev/null",
        "key' UNION SELECT 'secret",
        "' OR 1=1 --",
        "| sleep 10",
        "http://evil.example/keys.json",
        "\0",
        "",
    ],
)
async def test_key_id_only_looks_up(key_id: str, tmp_path: Path) -> None:
    keys = write_set(tmp_path / "keys.json", "RSA", "P-256")
    for secret in (b"", b"\0", b"secret", b"1"):
        token = hmac_token(secret, header={"alg": "HS256", "kid": key_id})
        assert (await refuse(token, key_files=(keys,))).reason is Reason.SIGNATURE
        assert (await refuse(token, key_files=(keys,), secret=None)).reason is Reason.ALGORITHM
    error = await refuse(make_token(USER, "RS256", kid=key_id), key_files=(keys,))
    assert error.reason is Reason.KEY


async def test_headers_that_bring_a_key_are_refused(tmp_path: Path) -> None:
    stranger = make_key("P-256")
    paths = write_public(tmp_path, "RSA")
    for header in (
        {"jku": "https://evil.example/keys.json"},
        {"x5u": "https://evil.example/chain.pem"},
        {"jwk": stranger.as_dict(private=False)},
        {"x5c": ["MIIB"]},
        {"crit": ["exp"]},
        {"crit": ["b64"], "b64": False},
    ):
        for algorithm in ("ES256", "RS256"):  # the stranger's, and even one of our own
            token = make_token(USER, algorithm, **header)
            assert (await refuse(token, key_files=paths)).reason is Reason.HEADER


@pytest.mark.parametrize("curve, size", [("P-256", 32), ("P-384", 48), ("P-521", 66)])
async def test_psychic_signatures(curve: str, size: int, tmp_path: Path) -> None:
    """CVE-2022-21449: r = s = 0 is a signature of everything, to who does not check."""
    algorithm = {"P-256": "ES256", "P-384": "ES384", "P-521": "ES512"}[curve]
    paths = write_public(tmp_path, curve)
    order = {"P-256": 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551}
    zero, one = bytes(size), (1).to_bytes(size, "big")
    forged = [zero + zero, one + zero, zero + one, bytes(2 * size - 1), bytes(2), b"\0"]
    forged += [n.to_bytes(size, "big") * 2 for n in (order.get(curve, 0),)]
    # A DER sequence of two zeros, which is how other libraries spell it.
    forged.append(bytes.fromhex("3006020100020100"))
    for signature in forged:
        token = f"{encode({'alg': algorithm})}.{encode(USER)}.{encode(signature)}"
        error = await refuse(token, key_files=paths, secret=None)
        assert error.reason is Reason.SIGNATURE


async def test_every_changed_character_breaks_the_token() -> None:
    token = make_token({"sub": "ann", "exp": NOW_S + 60})
    for at, character in enumerate(token):
        changed = token[:at] + ("A" if character != "A" else "B") + token[at + 1 :]
        await refuse(changed)


async def test_every_beginning_of_a_token_is_refused() -> None:
    token = make_token()
    for length in range(len(token)):
        await refuse(token[:length])


@pytest.mark.parametrize(
    "change",
    [
        lambda token: token + "=",
        lambda token: token + ".",
        lambda token: token + "." + "AAAA",
        lambda token: " " + token,
        lambda token: token + "\n",
        lambda token: token.replace(".", "..", 1),
        lambda token: token.replace(".", "=.", 1),
        lambda token: token.replace(".", "｡", 1),
        lambda token: token.upper(),
        lambda token: "Bearer " + token,
    ],
)
async def test_7515_7_1_one_form_only(change: Any) -> None:
    assert (await refuse(change(make_token()))).reason in (Reason.MALFORMED, Reason.SIGNATURE)


async def test_4648_3_5_spare_bits_are_zero() -> None:
    token = make_token()  # the 32 bytes of its signature leave two bits over
    twin = token[:-1] + chr(ord(token[-1]) + 1)
    assert (await refuse(twin)).reason is Reason.MALFORMED


async def test_token_at_the_limit_and_one_past_it() -> None:
    token = make_token({"sub": "ann", "x": "y" * 5000})
    assert (await accept(token, token_bytes_max=len(token))).name == "ann"
    error = await refuse(token, token_bytes_max=len(token) - 1)
    assert (error.reason, error.setting) == (Reason.TOO_LONG, "identity.token_bytes_max")


@pytest.mark.parametrize(
    "header",
    [
        '{"alg":"HS256","alg":"none"}',
        '{"alg":"none","alg":"HS256"}',
        '["HS256"]',
        '"HS256"',
        "null",
        "",
        "{}",
        '{"alg":null}',
        '{"alg":["HS256"]}',
        '{"alg":256}',
        '{"alg":"HS256","kid":7}',
        '{"alg":"HS256","kid":null}',
        '{"alg":"HS256","kid":["a"]}',
        '{"alg":"HS256","typ":"logout+jwt"}',
        '{"alg":"HS256","typ":7}',
        '{"alg":"HS256",}',
        '{"alg":"HS256"} {}',
        '{"alg":"HS256","x":NaN}',
        "[" * 3000,
        json.dumps({"alg": "HS256", "kid": "k" * 257}),
    ],
)
async def test_malformed_headers(header: str) -> None:
    token = hmac_token(SECRET.encode(), header=header or " ")
    assert (await refuse(token)).reason in (Reason.MALFORMED, Reason.HEADER)


@pytest.mark.parametrize(
    "payload",
    [
        '{"sub":"ann","sub":"root"}',
        '{"sub":"ann","exp":1,"exp":9999999999}',
        '{"sub":"ann","x":Infinity}',
        '["ann"]',
        '"ann"',
        "7",
        "not JSON",
        b"\xff\xfe",
        '{"sub":"ann"',
        '{"sub":"ann","x":' + "[" * 2500 + "]" * 2500 + "}",
        '{"sub":"ann","exp":' + "9" * 5000 + "}",
    ],
)
async def test_payloads_that_are_read_in_more_than_one_way(payload: str | bytes) -> None:
    assert (await refuse(make_token(payload))).reason is Reason.CLAIMS


# -- claims -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("claims", "reason"),
    [
        ({"exp": NOW_S - 1}, Reason.EXPIRED),
        ({"exp": NOW_S - 3600}, Reason.EXPIRED),
        ({"exp": 0}, Reason.EXPIRED),
        ({"exp": NOW_S - 0.5}, None),
        ({"exp": NOW_S + 0.5}, None),
        ({"nbf": NOW_S + 3600}, Reason.NOT_YET),
        ({"nbf": NOW_S + 1.5}, Reason.NOT_YET),
        ({"nbf": NOW_S + 1}, None),
        ({"nbf": NOW_S}, None),
        ({"exp": str(int(NOW_S + 60))}, Reason.CLAIMS),
        ({"exp": None}, Reason.CLAIMS),
        ({"exp": True}, Reason.CLAIMS),
        ({"exp": [NOW_S + 60]}, Reason.CLAIMS),
        ({"exp": NOW_S * 1000}, Reason.CLAIMS),
        ({"exp": -1}, Reason.CLAIMS),
        ({"exp": 10**300}, Reason.CLAIMS),
        ({"nbf": "now"}, Reason.CLAIMS),
        ({"iat": {}}, Reason.CLAIMS),
        ({"iss": 7}, Reason.CLAIMS),
        ({"aud": 7}, Reason.CLAIMS),
        ({"aud": ["a", 7]}, Reason.CLAIMS),
        ({"aud": None}, Reason.CLAIMS),
        ({"aud": "somebody"}, Reason.AUDIENCE),
        ({"sub": ""}, Reason.USER),
        ({"sub": 7}, Reason.USER),
        ({"sub": ["ann"]}, Reason.USER),
        ({"sub": None}, Reason.USER),
        ({"sub": "a\nb"}, Reason.USER),
        ({"sub": "\ud800"}, Reason.USER),
        ({"sub": "é" * 128}, None),
        ({"sub": "é" * 128 + "x"}, Reason.USER),
        ({"streams": ["chat/*"]}, Reason.PERMISSIONS),
        ({"streams": {"read": "chat/*"}}, Reason.PERMISSIONS),
        ({"streams": {"read": [7]}}, Reason.PERMISSIONS),
        ({"streams": {"write": ["chat/*"]}}, Reason.PERMISSIONS),
        ({"streams": {"read": ["a//b"]}}, Reason.PERMISSIONS),
        ({"streams": {"read": ["a**"]}}, Reason.PERMISSIONS),
        ({"streams": None}, Reason.PERMISSIONS),
        ({"streams": {}}, None),
        ({"streams": {"read": ["a"] * 256}}, None),
        ({"streams": {"read": ["a"] * 257}}, Reason.PERMISSIONS),
    ],
)
async def test_claims_that_do_not_fit(claims: dict[str, Any], reason: Reason | None) -> None:
    token = make_token({"sub": "ann", **claims})
    if reason is None:
        await accept(token)
    else:
        assert (await refuse(token)).reason is reason


async def test_token_without_a_user_is_refused() -> None:
    assert (await refuse(make_token({}))).reason is Reason.USER


@pytest.mark.parametrize(
    ("claims", "fits"),
    [
        ({"iss": "https://id.example"}, True),
        ({"iss": "https://id.example/"}, False),
        ({"iss": "https://evil.example"}, False),
        ({"iss": ["https://id.example"]}, False),
        ({}, False),
    ],
)
async def test_7519_4_1_1_issuer(claims: dict[str, Any], fits: bool) -> None:
    token, settings = make_token({"sub": "ann", **claims}), {"issuers": ("https://id.example",)}
    if fits:
        await accept(token, **settings)
    else:
        assert (await refuse(token, **settings)).reason in (Reason.ISSUER, Reason.CLAIMS)


@pytest.mark.parametrize(
    ("claims", "fits"),
    [
        ({"aud": "chat"}, True),
        ({"aud": ["other", "chat"]}, True),
        ({"aud": "other"}, False),
        ({"aud": ["chats"]}, False),
        ({"aud": []}, False),
        ({}, False),
    ],
)
async def test_7519_4_1_3_audience(claims: dict[str, Any], fits: bool) -> None:
    token, settings = make_token({"sub": "ann", **claims}), {"audiences": ("chat", "live")}
    if fits:
        await accept(token, **settings)
    else:
        assert (await refuse(token, **settings)).reason is Reason.AUDIENCE


async def test_lifetime_at_the_limit_and_one_past_it() -> None:
    await accept(make_token({"sub": "ann", "exp": NOW_S + 60}), lifetime_max_s=60.0)
    for claims in ({"exp": NOW_S + 61}, {}):
        error = await refuse(make_token({"sub": "ann", **claims}), lifetime_max_s=60.0)
        assert error.reason is Reason.LIFETIME


async def test_algorithms_are_an_allow_list() -> None:
    for algorithm in ("HS256", "HS512"):
        token = make_token(USER, algorithm)
        if algorithm == "HS512":
            await accept(token, algorithms=("HS512",))
        else:
            error = await refuse(token, algorithms=("HS512",))
            assert (error.reason, error.setting) == (Reason.ALGORITHM, "identity.algorithms")


# -- explaining, and settings -------------------------------------------------------------------


async def test_explain_finds_all_that_is_wrong() -> None:
    token = hmac_token(b"x" * 32, {"sub": "", "exp": 1, "aud": "other", "iss": "me"})
    problems = await verifier(issuers=("you",), audiences=("us",)).explain(token)
    assert [problem.reason for problem in problems] == [
        Reason.SIGNATURE, Reason.EXPIRED, Reason.ISSUER, Reason.AUDIENCE, Reason.USER,
    ]  # fmt: skip
    assert all(problem.setting.startswith("identity.") for problem in problems)
    assert await verifier().explain(make_token()) == []
    assert [problem.reason for problem in await verifier().explain("junk")] == [Reason.MALFORMED]


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"secret": "short"}, "5 bytes"),
        ({"secret": "x" * 31}, "31 bytes"),
        ({"secret": "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----"}, "PEM"),
        ({"key_files": ("nowhere.pem",)}, "cannot be read"),
        ({"jwks_url": "http://id.example/keys"}, "https"),
        ({"jwks_url": "ftp://id.example/keys"}, "no URL"),
        ({"jwks_url": "keys.json"}, "no URL"),
        ({"secret": SECRET, "algorithms": ("none",)}, '"none"'),
        ({"secret": SECRET, "algorithms": ("RS256",)}, "HS256"),
        ({"secret": SECRET, "cookie": "a b"}, "a b"),
        ({"session_cookie": "a;b"}, "a;b"),
        ({"session_cookie": "longwire_token"}, "differently"),
        ({"session_secret": "x" * 31}, "32 bytes"),
    ],
)
def test_settings_that_cannot_be(settings: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        TokenVerifier(IdentitySettings(**settings))
    assert says in str(caught.value)
    assert SECRET not in str(caught.value)


async def test_clock_is_unix_time_by_default() -> None:
    verifier = TokenVerifier(IdentitySettings(secret=SECRET))
    await verifier.verify(make_token({"sub": "ann", "exp": time.time() + 60}))
    with pytest.raises(TokenRefused):
        await verifier.verify(make_token({"sub": "ann", "exp": time.time() - 2}))
