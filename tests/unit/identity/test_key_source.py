"""Keys that change: read again by age, at an unknown name, and never too often."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from longwire.base.errors import LongwireError
from longwire.identity.key_source import KeySource
from longwire.identity.refusal import KeysUnavailableError, Reason, TokenRefused
from longwire.identity.settings import IdentitySettings
from longwire.identity.tokens import TokenVerifier
from tests.unit.identity.forging import USER, make_key, make_token, write_set


def key_set(*kinds: str) -> bytes:
    keys = [{**make_key(kind).as_dict(private=False), "kid": kind} for kind in kinds]
    return json.dumps({"keys": keys}).encode()


class Provider:
    """A server with a set of keys: an answer that can be changed, and how often it was asked."""

    def __init__(self) -> None:
        self.body = key_set("RSA")
        self.head = b"HTTP/1.1 200 OK\r\n"
        self.requests = 0
        self.gate = asyncio.Event()
        self.gate.set()
        self.url = ""

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            self.requests += 1
            await self.gate.wait()
            length = b"Content-Length: %d\r\n\r\n" % len(self.body)
            writer.write(self.head + length + self.body)
            await writer.drain()
        finally:
            writer.close()


@asynccontextmanager
async def running(provider: Provider) -> AsyncIterator[Provider]:
    server = await asyncio.start_server(provider.answer, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        provider.url = f"http://127.0.0.1:{port}/keys?tenant=secret"
        yield provider


@pytest.fixture
async def provider() -> AsyncIterator[Provider]:
    async with running(Provider()) as provider:
        yield provider


def verifier(provider: Provider, **settings: Any) -> TokenVerifier:
    return TokenVerifier(IdentitySettings(jwks_url=provider.url, **settings))


async def refused(verifier: TokenVerifier, token: str) -> Reason:
    with pytest.raises(TokenRefused) as caught:
        await verifier.verify(token)
    return caught.value.reason


async def test_keys_are_fetched_once_for_many_tokens(provider: Provider) -> None:
    checking = verifier(provider)
    provider.gate.clear()
    token = make_token(USER, "RS256", kid="RSA")
    tasks = [asyncio.create_task(checking.verify(token)) for _ in range(20)]
    await asyncio.sleep(0.05)
    provider.gate.set()
    assert [task.name for task in await asyncio.gather(*tasks)] == ["ann"] * 20
    assert provider.requests == 1


async def test_unknown_name_fetches_anew_and_finds_the_new_key(provider: Provider) -> None:
    checking = verifier(provider, keys_retry_s=0.01)
    await checking.start()
    provider.body = key_set("P-256")
    await asyncio.sleep(0.02)
    assert (await checking.verify(make_token(USER, "ES256", kid="P-256"))).name == "ann"
    assert provider.requests == 2
    # What the set holds no longer is not accepted any more.
    assert await refused(checking, make_token(USER, "RS256", kid="RSA")) is Reason.ALGORITHM


async def test_names_that_nobody_has_do_not_fetch_often(provider: Provider) -> None:
    checking = verifier(provider, keys_retry_s=60.0)
    await checking.start()
    for number in range(50):
        token = make_token(USER, "RS256", kid=f"unknown {number}")
        assert await refused(checking, token) is Reason.KEY
    assert provider.requests == 1


async def test_old_keys_are_fetched_anew_while_they_are_used(provider: Provider) -> None:
    checking = verifier(provider, keys_refresh_s=0.01, keys_retry_s=60.0)
    await checking.start()
    provider.gate.clear()
    await asyncio.sleep(0.02)
    token = make_token(USER, "RS256", kid="RSA")
    assert (await checking.verify(token)).name == "ann"  # while the provider keeps silent
    provider.gate.set()
    async with asyncio.timeout(10):
        while provider.requests < 2:
            await asyncio.sleep(0.01)
    checking.close()


@pytest.mark.parametrize(
    "spoil",
    [
        lambda provider: setattr(provider, "head", b"HTTP/1.1 500 No\r\n"),
        lambda provider: setattr(provider, "head", b"HTTP/1.1 302 Found\r\nLocation: /x\r\n"),
        lambda provider: setattr(provider, "head", b"junk\r\n"),
        lambda provider: setattr(provider, "body", b"junk"),
        lambda provider: setattr(provider, "body", b'{"keys":[]}'),
        lambda provider: setattr(provider, "body", b" " * 300_000),
        lambda provider: provider.gate.clear(),
    ],
)
async def test_keys_stay_when_the_new_ones_cannot_be_used(
    provider: Provider, spoil: Callable[[Provider], None], caplog: pytest.LogCaptureFixture
) -> None:
    good = make_token(USER, "RS256", kid="RSA")
    checking = verifier(provider, keys_retry_s=0.01, keys_timeout_s=1)
    spoil(provider)
    with pytest.raises(KeysUnavailableError):
        await checking.verify(good)
    assert checking.key_failures >= 1
    provider.__dict__.update(Provider().__dict__ | {"url": provider.url})
    await asyncio.sleep(0.02)
    assert (await checking.verify(good)).name == "ann"
    spoil(provider)
    await asyncio.sleep(0.02)
    assert await refused(checking, make_token(USER, "RS256", kid="other")) is Reason.KEY
    assert (await checking.verify(good)).name == "ann"
    assert "the old ones stay" in caplog.text


async def test_nobody_there_is_no_verdict_about_a_token() -> None:
    checking = TokenVerifier(IdentitySettings(jwks_url="http://127.0.0.1:1/keys"))
    with pytest.raises(KeysUnavailableError) as caught:
        await checking.verify(make_token(USER, "RS256"))
    assert caught.value.is_retryable


async def test_file_that_changes_is_read_again(tmp_path: Path) -> None:
    path = write_set(tmp_path / "keys.json", "RSA")
    checking = TokenVerifier(IdentitySettings(key_files=(path,), keys_retry_s=0.01))
    await checking.start()
    token = make_token(USER, "ES256", kid="P-256")
    assert await refused(checking, token) is Reason.ALGORITHM
    write_set(tmp_path / "new.json", "P-256", "RSA")
    os.replace(tmp_path / "new.json", path)
    await asyncio.sleep(0.02)
    assert (await checking.verify(token)).name == "ann"


async def test_reading_goes_on_when_who_waits_is_cancelled() -> None:
    gate = asyncio.Event()
    loads = 0

    async def load() -> bytes:
        nonlocal loads
        loads += 1
        await gate.wait()
        return key_set("RSA")

    source = KeySource("keys", load, refresh_s=60, retry_s=60, are_secrets_allowed=False)
    first = asyncio.create_task(source.prepare())
    second = asyncio.create_task(source.prepare())
    await asyncio.sleep(0)
    first.cancel()
    gate.set()
    await second
    assert (len(source.keys), loads) == (1, 1)


async def test_url_is_not_in_the_log_with_its_query(
    provider: Provider, caplog: pytest.LogCaptureFixture
) -> None:
    provider.body = b"junk"
    await verifier(provider).start()
    assert "cannot be used" in caplog.text
    assert "tenant=secret" not in caplog.text


async def test_failure_of_a_kind_that_is_known_is_counted() -> None:
    async def load() -> bytes:
        raise LongwireError("the moon is full")

    source = KeySource("keys", load, refresh_s=60, retry_s=60, are_secrets_allowed=False)
    await source.prepare()
    assert (source.failures, source.has_loaded, source.keys) == (1, False, ())
    assert not await source.look_again()
