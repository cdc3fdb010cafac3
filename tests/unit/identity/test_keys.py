"""Reading keys, and which algorithms each is for (RFC 7517, RFC 7518)."""

from __future__ import annotations

import base64
import datetime
import json
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from cryptography.x509.oid import NameOID

from longwire.identity.keys import KEYS_MAX, BadKeyError, read_keys, read_secret
from tests.unit.identity.forging import make_key, public_pem, rsa_key


def jwk(kind: str, **members: Any) -> dict[str, Any]:
    return {**make_key(kind).as_dict(private=False), **members}


def read(document: Any) -> Any:
    return read_keys(json.dumps(document).encode(), are_secrets_allowed=True)


def public_bytes(key: Any) -> bytes:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def secret(size: int) -> dict[str, str]:
    return {"kty": "oct", "k": base64.urlsafe_b64encode(bytes(size)).rstrip(b"=").decode()}


@pytest.mark.parametrize(
    ("kind", "algorithms"),
    [
        ("RSA", ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")),
        ("P-256", ("ES256",)),
        ("P-384", ("ES384",)),
        ("P-521", ("ES512",)),
        ("Ed25519", ("EdDSA", "Ed25519")),
    ],
)
def test_algorithms_follow_from_the_key(kind: str, algorithms: tuple[str, ...]) -> None:
    (from_jwk,) = read(jwk(kind, kid="a"))
    (from_pem,) = read_keys(public_pem(kind), are_secrets_allowed=False)
    assert from_jwk.algorithms == from_pem.algorithms == algorithms
    assert (from_jwk.key_id, from_pem.key_id) == ("a", None)
    assert not from_pem.is_private and not from_pem.is_secret


@pytest.mark.parametrize(
    ("size", "algorithms"),
    [(32, 1), (47, 1), (48, 2), (63, 2), (64, 3), (100, 3)],
)
def test_7518_3_2_secret_is_as_long_as_the_hash(size: int, algorithms: int) -> None:
    (key,) = read(secret(size))
    assert key.algorithms == ("HS256", "HS384", "HS512")[:algorithms]
    assert key.is_secret and key.is_private
    assert read_secret("x" * size).algorithms == key.algorithms


def test_private_keys_and_certificates_are_read() -> None:
    key = rsa_key()
    (private,) = read_keys(key.as_pem(private=True), are_secrets_allowed=False)
    assert private.is_private
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "issuer.test")])
    native = key.private_key
    assert native is not None
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(native.public_key())
        .serial_number(1)
        .not_valid_before(datetime.datetime(2020, 1, 1))
        .not_valid_after(datetime.datetime(2040, 1, 1))
        .sign(native, SHA256())
    )
    (public,) = read_keys(certificate.public_bytes(Encoding.PEM), are_secrets_allowed=False)
    signature = private.sign("RS256", b"signed")
    assert public.verify("RS256", b"signed", signature)
    assert not public.verify("RS512", b"signed", signature)
    assert not public.verify("HS256", b"signed", signature)


def test_7517_5_set_leaves_out_what_it_cannot_use() -> None:
    keys = read(
        {
            "keys": [
                jwk("RSA", use="enc"),
                jwk("P-256", key_ops=["deriveKey"]),
                {"kty": "AKP", "alg": "ML-DSA-44"},
                {"kty": "EC", "crv": "P-256"},
                "nonsense",
                jwk("P-384", kid="good", use="sig", key_ops=["verify"], alg="ES384", x5c=["MIIB"]),
            ]
        }
    )
    assert [key.key_id for key in keys] == ["good"]


def test_algorithm_of_a_key_narrows_it() -> None:
    assert read(jwk("RSA", alg="RS512"))[0].algorithms == ("RS512",)
    assert read(jwk("Ed25519", alg="EdDSA"))[0].algorithms == ("EdDSA",)
    for algorithm in ("HS256", "ES256", "none", "RSA-OAEP"):
        with pytest.raises(BadKeyError):
            read(jwk("RSA", alg=algorithm))


def test_secrets_do_not_come_from_outside() -> None:
    document = {"keys": [secret(32), jwk("RSA", kid="a")]}
    data = json.dumps(document).encode()
    assert [key.key_id for key in read_keys(data, are_secrets_allowed=False)] == ["a"]
    for alone in (secret(32), {"keys": [secret(32)]}):
        with pytest.raises(BadKeyError, match="secret"):
            read_keys(json.dumps(alone).encode(), are_secrets_allowed=False)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"junk",
        b"\x00\xff",
        b"[" * 5000,
        b"[]",
        b'"text"',
        b"{}",
        b'{"kty":7}',
        b'{"kty":"RSA"}',
        b'{"kty":"RSA","n":7,"e":"AQAB"}',
        b'{"kty":"RSA","n":"@@","e":"AQAB"}',
        b'{"kty":"EC","crv":"P-256","x":"AA","y":"AA"}',
        b'{"kty":"EC","crv":"P-999","x":"AA","y":"AA"}',
        b'{"kty":"EC","crv":["P-256"],"x":"AA","y":"AA"}',
        b'{"kty":"OKP","crv":"Ed25519","x":"AA"}',
        b'{"kty":"OKP","crv":"X25519","x":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}',
        b'{"kty":"oct"}',
        b'{"kty":"oct","k":"A"}',
        b'{"kty":"oct","k":"' + b"\xc3\xa9" * 64 + b'"}',
        b'{"kty":"oct","k":7}',
        b'{"keys":{}}',
        b'{"keys":[]}',
        b'{"keys":[7]}',
        b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
        b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    ],
)
def test_what_is_no_key_is_refused(data: bytes) -> None:
    with pytest.raises(BadKeyError):
        read_keys(data, are_secrets_allowed=True)


def test_weak_and_foreign_keys_are_refused() -> None:
    small = rsa.generate_private_key(65537, 1024)
    foreign = [dsa.generate_private_key(2048), ed448.Ed448PrivateKey.generate()]
    foreign.append(ec.generate_private_key(ec.SECP256K1()))
    with pytest.raises(BadKeyError, match="1024 bits"):
        read_keys(public_bytes(small), are_secrets_allowed=False)
    for key in foreign:
        with pytest.raises(BadKeyError):
            read_keys(public_bytes(key), are_secrets_allowed=False)
    encrypted_or_not = small.private_bytes(
        Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()
    )
    with pytest.raises(BadKeyError, match="1024 bits"):
        read_keys(encrypted_or_not, are_secrets_allowed=False)


def test_set_at_the_limit_and_one_past_it() -> None:
    keys = [jwk("P-256", kid=str(number)) for number in range(KEYS_MAX + 1)]
    assert len(read({"keys": keys[:-1]})) == KEYS_MAX
    with pytest.raises(BadKeyError, match=str(KEYS_MAX)):
        read({"keys": keys})


def test_public_key_in_pem_is_no_secret() -> None:
    for text in (public_pem("RSA").decode(), "\n " + public_pem("P-256").decode()):
        with pytest.raises(BadKeyError, match="PEM"):
            read_secret(text)
    encoded = base64.urlsafe_b64encode(public_pem("RSA")).rstrip(b"=").decode()
    with pytest.raises(BadKeyError):
        read({"kty": "oct", "k": encoded})
