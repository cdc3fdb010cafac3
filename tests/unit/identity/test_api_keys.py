"""Keys of backends: what a line says, and who has a key."""

from __future__ import annotations

import hashlib
import os

import pytest

from longwire.base.errors import ConfigError
from longwire.identity.api_keys import (
    API_KEY_PREFIX,
    ApiKeyError,
    ApiKeys,
    describe_api_key,
    make_api_key,
)
from longwire.identity.refusal import Reason, TokenRefused
from longwire.identity.settings import IdentitySettings
from longwire.identity.tokens import TokenVerifier
from tests.unit.identity.forging import SECRET, make_token

HASH = hashlib.sha256(b"lwk_x").hexdigest()


def test_key_is_found_by_its_hash() -> None:
    key, other = make_api_key(os.urandom), make_api_key(os.urandom)
    assert key != other and key.startswith(API_KEY_PREFIX) and len(key) == 47
    line = describe_api_key("billing", key, ["publish=orders/**", "read=a", "read=b"])
    assert key not in line
    keys = ApiKeys([line])
    principal = keys.find(key)
    assert principal is not None and principal.name == "key:billing"
    assert principal.grants.allow("publish", "orders/1/x")
    assert principal.grants.allow("read", "b")
    assert not principal.grants.allow("read", "orders/1")
    assert not principal.is_operator
    (operator,) = [ApiKeys([line + " operate"]).find(key)]
    assert operator is not None and operator.is_operator
    for wrong in (other, key[:-1], key + "x", line, HASH, "", "\ud800"):
        assert keys.find(wrong) is None


@pytest.mark.parametrize(
    "line",
    [
        "",
        "billing",
        f"bil/ling {HASH}",
        f"{'x' * 65} {HASH}",
        "billing abc",
        f"billing {HASH.upper()}",
        f"billing {HASH} orders/**",
        f"billing {HASH} write=orders/**",
        f"billing {HASH} read=a//b",
        f"billing {HASH} read=",
    ],
)
def test_line_that_is_none_is_refused(line: str) -> None:
    with pytest.raises(ApiKeyError) as caught:
        ApiKeys([line])
    assert HASH not in str(caught.value)
    with pytest.raises(ConfigError, match="api_keys"):
        TokenVerifier(IdentitySettings(api_keys=(line,)))


def test_names_and_keys_stand_once() -> None:
    with pytest.raises(ApiKeyError, match="twice"):
        ApiKeys([f"a {HASH}", f"a {'0' * 64}"])
    with pytest.raises(ApiKeyError, match="twice"):
        ApiKeys([f"a {HASH}", f"b {HASH}"])


async def test_no_user_is_called_as_a_key() -> None:
    verifier = TokenVerifier(IdentitySettings(secret=SECRET))
    with pytest.raises(TokenRefused) as caught:
        await verifier.verify(make_token({"sub": "key:billing"}))
    assert caught.value.reason is Reason.USER
