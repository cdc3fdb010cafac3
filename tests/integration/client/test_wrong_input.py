"""What a server refuses, asked for with the client: a code, a sentence, and nothing half done."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from longwire import Access, App, Publication, PublishRefused
from longwire.client.client import Client
from longwire.client.errors import ClientError
from longwire.server.settings import AnonymousSettings, Settings
from longwire.streams.position import parse_position
from tests.integration.server.app_servers import serve_app

NO_POSITION = "0000000000000007_zzzzzzzz0123456789abcdef"


def make_app() -> App:
    app = App(settings=Settings(anonymous=AnonymousSettings(read=("**",), publish=("**",))))

    @app.authenticate
    def who(token: str) -> str | None:
        return token.removeprefix("token of ") if token.startswith("token of ") else None

    @app.permit("members/*")
    def members(access: Access) -> bool:
        return not access.principal.is_anonymous

    @app.on_publish("checked/*")
    def check(publication: Publication) -> None:
        raise PublishRefused("Numbers only, please.")

    return app


@pytest.fixture
async def url() -> AsyncIterator[str]:
    async with serve_app(make_app(), "longwire") as url:
        yield url


@pytest.fixture
async def client(url: str) -> AsyncIterator[Client]:
    async with Client(url) as client:
        await client.connected(30)
        yield client


async def refusal(awaitable: Any) -> ClientError:
    with pytest.raises(ClientError) as caught:
        await asyncio.wait_for(awaitable, 30)
    assert caught.value.message
    return caught.value


@pytest.mark.parametrize(
    "op, members, code, says",
    [
        ("history", {"stream": "s", "color": "red"}, "bad_message", "color"),
        ("history", {"stream": 7}, "bad_message", "stream"),
        ("history", {"stream": "s", "limit": 0}, "bad_message", "limit"),
        ("history", {"stream": "s", "limit": "many"}, "bad_message", "limit"),
        (
            "history",
            {"stream": "s", "before": NO_POSITION, "after": NO_POSITION},
            "bad_message",
            "",
        ),
        ("history", {"stream": "s", "after": "7"}, "bad_position", "7"),
        ("history", {"stream": "a//b"}, "bad_stream_name", ""),
        ("history", {"stream": "$secret"}, "bad_stream_name", ""),
        ("dance", {}, "bad_message", "dance"),
        ("unsubscribe", {"stream": "s"}, "not_subscribed", ""),
        ("connect", {"version": 1}, "already_connected", ""),
        ("publish", {"stream": "s"}, "bad_message", "data"),
        ("publish", {"stream": "s", "base64": "§"}, "bad_message", "base64"),
        ("publish", {"stream": "s", "data": 1, "producer": "p"}, "bad_message", ""),
        ("publish", {"stream": "s", "batch": []}, "bad_message", "batch"),
        ("subscribe", {"stream": "s", "start": "yesterday"}, "bad_message", "start"),
    ],
)
async def test_malformed_requests(
    client: Client, op: str, members: dict[str, Any], code: str, says: str
) -> None:
    error = await refusal(client.ask(op, members))
    assert (error.code, error.retry) == (code, False)
    assert says in error.message
    assert (await client.publish("s", "it goes on")).position is not None


async def test_options_that_do_not_exist_are_refused_and_store_nothing(client: Client) -> None:
    error = await refusal(client.publish("s", 1, colour="red"))
    assert (error.code, error.outcome) == ("bad_message", "not_stored")
    assert "colour" in error.message
    ack = await client.publish("s", 2)
    assert ack.position is not None and ack.position.offset == 1


async def test_permission_and_refusal_by_the_application(client: Client) -> None:
    error = await refusal(client.publish("members/a", 1))
    assert (error.code, error.outcome) == ("permission_denied", "not_stored")
    assert error.details["action"] == "publish" and error.details["stream"] == "members/a"
    error = await refusal(client.publish("checked/a", "one"))
    assert (error.code, error.message) == ("publish_refused", "Numbers only, please.")
    subscription = client.subscribe("members/a")
    assert (await refusal(subscription.ready())).code == "permission_denied"
    error = await refusal(anext(aiter(subscription)))
    assert (error.code, error.details["action"]) == ("permission_denied", "read")


async def test_payloads_of_the_wrong_kind_and_size(client: Client) -> None:
    await client.publish("json", {"a": 1})
    error = await refusal(client.publish("json", b"\0"))
    assert (error.code, error.details["content_type"]) == ("wrong_content_type", "application/json")
    limit = int(client.limit("entry_bytes"))
    ack = await client.publish("large", b"x" * limit)
    assert ack.position is not None and ack.position.offset == 1
    error = await refusal(client.publish("large", b"x" * (limit + 1)))
    assert (error.code, error.details["limit"]) == ("entry_too_large", limit)
    # The same from the server, when the client has not looked.
    error = await refusal(client.ask("publish", {"stream": "text", "data": "x" * (limit + 1)}))
    assert (error.code, error.details["limit"]) == ("entry_too_large", limit)
    entries = int(client.limit("batch_entries"))
    error = await refusal(client.publish_batch("many", range(entries + 1)))
    assert (error.code, error.details["limit"]) == ("entry_too_large", entries)
    await client.publish_batch("many", range(entries))


async def test_message_that_is_too_long_closes_with_1009(url: str) -> None:
    async with Client(url) as client:
        await client.connected(30)
        limit = int(client.limit("message_bytes"))
        error = await refusal(client.ask("publish", {"stream": "s", "data": "x" * limit}))
        assert error.code == "connection_lost"
        assert "1009" in (await refusal(client.publish("s", 1))).message


async def test_positions_that_cannot_be_honoured(client: Client) -> None:
    ack = await client.publish("past", 1)
    error = await refusal(client.history("past", after=NO_POSITION))
    assert (error.code, error.details["reason"]) == ("position_refused", "epoch")
    assert error.details["tail"] == str(ack.position)
    assert ack.position is not None
    for held, reason in [
        (ack.position._replace(offset=9), "ahead"),
        (ack.position._replace(link=bytes(8)), "diverged"),
    ]:
        error = await refusal(client.history("past", after=held))
        assert (error.code, error.details["reason"]) == ("position_refused", reason)


async def test_names_and_positions_that_are_none_are_refused_before_anything_is_sent(
    client: Client,
) -> None:
    for call in (client.subscribe, client.inbox):
        arguments = {"stream": "past"} if call == client.subscribe else {}
        with pytest.raises(ClientError, match='"yesterday" is no position') as caught:
            call(**arguments, position="yesterday")
        assert caught.value.code == "bad_position"
    for read in (lambda: client.subscribe("a//b"), lambda: client.consume("a//b", "c")):
        with pytest.raises(ClientError, match="a segment between") as caught:
            read()
        assert caught.value.code == "bad_stream_name"
    error = await refusal(client.publish("$user/ann", 1))
    assert (error.code, error.outcome) == ("bad_stream_name", "not_stored")
    assert client.pending == 0


async def test_sequences_and_producers(client: Client) -> None:
    def publish(epoch: int, sequence: int) -> Any:
        members = {"stream": "s", "data": [epoch, sequence], "producer": "p"}
        return client.ask("publish", {**members, "epoch": epoch, "sequence": sequence})

    assert (await refusal(publish(0, 3))).code == "producer_unknown"
    await publish(0, 0)
    error = await refusal(publish(0, 2))
    assert (error.code, error.details["expected"]) == ("sequence_gap", 1)
    assert (await publish(0, 0))["duplicate"] is True
    error = await refusal(publish(1, 1))
    assert (error.code, error.details["expected"]) == ("producer_epoch_start", 0)
    await publish(1, 0)
    error = await refusal(publish(0, 1))
    assert (error.code, error.details["epoch"]) == ("producer_fenced", 1)


async def test_conditions_that_do_not_hold(client: Client) -> None:
    first = await client.publish("log", 1)
    assert first.position is not None
    second = await client.publish("log", 2, if_tail=first.position)
    error = await refusal(client.publish("log", 3, if_tail=first.position))
    assert (error.code, error.outcome) == ("tail_moved", "not_stored")
    assert parse_position(error.details["tail"]) == second.position
    error = await refusal(client.publish("log", 3, durability="replicated"))
    assert (error.code, error.details["durability"]) == ("durability_unavailable", "memory")
    assert [message.data for message in (await client.history("log")).messages] == [1, 2]


async def test_token_that_is_not_known(url: str) -> None:
    async with Client(url, token="forged") as client:
        error = await refusal(client.connected(30))
        assert error.code == "unauthorized"
        assert (await refusal(client.publish("s", 1))).code == "unauthorized"
    async with Client(url, token="token of ann") as client:
        await client.publish("members/a", 1)
