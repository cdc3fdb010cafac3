"""What an application gives its clients: patterns, inboxes, calls, tokens that are renewed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import msgspec
import pytest

from longwire import App, Call, CallRefused
from longwire.client.client import Client, Event
from longwire.client.errors import ClientError
from longwire.client.events import Gap, Recovered, StateChange
from longwire.identity.principal import Principal
from longwire.server.settings import AnonymousSettings, Settings
from tests.integration.server.app_servers import serve_app

WAIT_S = 30.0


class Tea(msgspec.Struct):
    kind: str
    cups: int = 1


def make_app() -> App:
    app = App(settings=Settings(anonymous=AnonymousSettings(read=("**",), publish=("**",))))

    @app.authenticate
    def who(token: str) -> Principal | None:
        name, _, expires = token.partition(" until ")
        return Principal(name, float(expires) if expires else None)

    @app.call("tea.make")
    def make(call: Call, tea: Tea) -> Tea:
        if tea.kind == "coffee":
            raise CallRefused("This is a tea house.", reason="no_coffee")
        return Tea(f"{tea.kind} for {call.principal.name or 'a guest'}", tea.cups)

    @app.call("tea.slow")
    async def slow() -> None:
        await asyncio.sleep(WAIT_S)

    return app


@pytest.fixture
def app() -> App:
    return make_app()


@pytest.fixture
async def url(app: App) -> AsyncIterator[str]:
    async with serve_app(app, "longwire") as url:
        yield url


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(WAIT_S):
        while not condition():
            await asyncio.sleep(0.01)


async def cut(client: Client) -> None:
    """Lose the connection, and wait for the next one."""
    opened = asyncio.Event()
    stop = client.on_event(
        lambda event: (
            opened.set() if isinstance(event, StateChange) and event.state.value == "open" else None
        )
    )
    client.restart("the test cuts it")
    await asyncio.wait_for(opened.wait(), WAIT_S)
    stop()


async def test_patterns_bring_what_is_there_and_what_comes(url: str) -> None:
    seen: list[tuple[str, Any]] = []
    events: list[Event] = []
    async with Client(url) as client, Client(url) as writer:
        client.on_event(events.append)
        await writer.publish("rooms/a", "before")
        rooms = client.subscribe_pattern(
            "rooms/*", lambda message: seen.append((message.stream, message.data)), start="earliest"
        )
        await rooms.ready()
        await writer.publish("rooms/a", 1)
        await writer.publish("rooms/new", 2)
        await writer.publish("rooms/deep/er", 3)
        await writer.publish("rooms/a", 4)
        expected = {("rooms/a", "before"), ("rooms/a", 1), ("rooms/new", 2), ("rooms/a", 4)}
        await until(lambda: len(seen) >= 4)
        assert set(seen) == expected and len(seen) == 4
        await cut(client)
        await writer.publish("rooms/a", 5)
        await writer.publish("rooms/later", 6)
        await until(lambda: len(seen) >= 6)
        assert set(seen[4:]) == {("rooms/a", 5), ("rooms/later", 6)}
        held = rooms.positions
        rooms.unsubscribe()
        await writer.publish("rooms/a", 7)
        more: list[Any] = []
        client.subscribe_pattern(
            "rooms/*", lambda message: more.append(message.data), positions=held
        )
        await until(lambda: more == [7])
    assert len(seen) == 6
    assert not [event for event in events if isinstance(event, (Gap, ClientError))]
    assert "rooms/a" in {event.stream for event in events if isinstance(event, Recovered)}


async def test_full_queues_of_subscription_and_pattern_over_one_stream_lose_nothing(
    url: str,
) -> None:
    own: list[int] = []
    shared: list[int] = []
    count = 400

    async def slowly(message: Any) -> None:
        await asyncio.sleep(0.0005 * (message.data % 3))
        own.append(message.data)

    async def more_slowly(message: Any) -> None:
        await asyncio.sleep(0.001 * (message.data % 3))
        shared.append(message.data)

    async with Client(url, queue_messages_max=10) as client, Client(url) as writer:
        client.subscribe("both/s", slowly, start="earliest")
        client.subscribe_pattern("both/*", more_slowly, start="earliest")
        for number in range(count):
            await writer.submit("both/s", [number])
        await until(lambda: own[-1:] == shared[-1:] == [count - 1])
    assert own == list(range(count))
    # The pattern begins where the subscription was when the stream came to it.
    assert shared == list(range(shared[0], count))


async def test_inbox_gets_what_is_sent_to_the_user_wherever_he_is(app: App, url: str) -> None:
    seen: list[tuple[str, Any]] = []
    async with (
        Client(url, token="ann/1") as phone,
        Client(url, token="ann/1") as desk,
        Client(url, token="bob") as other,
        Client(url) as guest,
    ):
        inbox = phone.inbox(lambda message: seen.append(("phone", message.data)))
        desk.inbox(lambda message: seen.append(("desk", message.data)))
        other.inbox(lambda message: seen.append(("bob", message.data)))
        for client in (phone, desk, other):
            await client.connected(WAIT_S)
        await app.send_to_user("ann/1", {"n": 1})
        await until(lambda: len(seen) == 2)
        assert (inbox.stream, phone.user) == ("$user/ann%2F1", "ann/1")
        await cut(phone)
        await app.send_to_user("ann/1", {"n": 2})
        await until(lambda: len(seen) == 4)
        got = [[data["n"] for who, data in seen if who == name] for name in ("phone", "desk")]
        assert got == [[1, 2], [1, 2]]
        held = inbox.position
        inbox.unsubscribe()
        await app.send_to_user("ann/1", {"n": 3})
        late = phone.inbox(position=held)
        async with asyncio.timeout(WAIT_S):
            assert (await anext(aiter(late))).data == {"n": 3}
        nothing = guest.inbox()
        with pytest.raises(ClientError) as caught:
            await asyncio.wait_for(anext(aiter(nothing)), WAIT_S)
        assert caught.value.code == "no_inbox"


async def test_calls(url: str) -> None:
    async with Client(url, token="ann") as client:
        assert await client.call("tea.make", Tea("green", 2), type=Tea) == Tea("green for ann", 2)
        for method, data, code in [
            ("tea.make", Tea("coffee"), "call_refused"),
            ("tea.make", {"kind": 7}, "bad_arguments"),
            ("tea.make", None, "bad_arguments"),
            ("coffee.make", None, "unknown_method"),
        ]:
            with pytest.raises(ClientError) as caught:
                await client.call(method, data)
            assert (caught.value.code, caught.value.retry) == (code, False)
            if code == "call_refused":
                assert caught.value.details == {"reason": "no_coffee"}
                assert caught.value.message == "This is a tea house."
        with pytest.raises(ClientError) as caught:
            await client.call("tea.slow", timeout_s=0.2)
        assert (caught.value.code, caught.value.retry) == ("call_timeout", True)


async def test_token_that_expires_is_renewed_on_the_open_connection(url: str) -> None:
    asked: list[float] = []
    events: list[Event] = []

    def token() -> str:
        asked.append(time.time())
        return f"ann until {time.time() + 2:.3f}"

    async with Client(url, token=token) as client:
        client.on_event(events.append)
        await until(lambda: len(asked) >= 4)
        assert client.user == "ann"
        with pytest.raises(ClientError) as caught:
            await client.authenticate(f"bob until {time.time() + 60:.3f}")
        assert caught.value.code == "foreign_token"
    opened = [event for event in events if isinstance(event, StateChange)]
    assert sum(event.state.value == "open" for event in opened) == 1


async def test_token_that_has_expired_connects_nobody(url: str) -> None:
    async with Client(url, token=f"ann until {time.time() - 1:.3f}") as client:
        with pytest.raises(ClientError) as caught:
            await client.connected(WAIT_S)
    assert caught.value.code == "unauthorized"


async def test_many_subscriptions_come_back_in_one_message(url: str) -> None:
    seen: dict[str, list[Any]] = {f"many/{number}": [] for number in range(50)}
    async with Client(url) as client, Client(url) as writer:
        for stream, messages in seen.items():
            client.subscribe(stream, lambda message, to=messages: to.append(message.data))
        await asyncio.gather(*[writer.publish(stream, 0) for stream in seen])
        await cut(client)
        await asyncio.gather(*[writer.publish(stream, 1) for stream in seen])
        await until(lambda: all(messages[-1:] == [1] for messages in seen.values()))


@pytest.mark.parametrize(
    ("pattern", "code"), [("a/**b", "bad_pattern"), ("", "bad_pattern"), ("a//*", "bad_pattern")]
)
async def test_pattern_that_is_none_is_refused(url: str, pattern: str, code: str) -> None:
    async with Client(url) as client:
        subscription = client.subscribe_pattern(pattern)
        with pytest.raises(ClientError) as caught:
            await asyncio.wait_for(subscription.ready(), WAIT_S)
        assert caught.value.code == code


async def test_keys_are_delivered(url: str) -> None:
    async with Client(url) as client:
        await client.publish("quotes", 1, key="tea")
        ack = await client.publish("quotes", 2, key="milk", durability="memory")
        (first, second) = (await client.history("quotes")).messages
        assert (first.key, second.key, second.position) == ("tea", "milk", ack.position)
