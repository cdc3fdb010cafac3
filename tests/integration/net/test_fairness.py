"""No connection holds the event loop: who sends without end lets the others have their turn."""

from __future__ import annotations

import asyncio

import pytest

import longwire
from longwire.base.limits import MIB, WebSocketLimits
from longwire.net.loop_state import loop_state
from tests.integration.net.local import eventually, open_raw, serving
from tests.integration.net.test_opening import REQUEST

SHARE = WebSocketLimits().turn_messages_max


class Recorder(longwire.Callbacks):
    """Keeps what all connections said, in the order in which it was handled."""

    def __init__(self) -> None:
        self.messages: list[str | bytes] = []
        self.endpoints: list[longwire.Endpoint] = []
        self.closed: list[longwire.ConnectionClosed] = []

    def on_open(self, connection: longwire.Endpoint) -> None:
        self.endpoints.append(connection)

    def on_message(self, connection: longwire.Endpoint, message: str | bytes) -> None:
        self.messages.append(message)

    def on_close(self, connection: longwire.Endpoint, error: longwire.ConnectionClosed) -> None:
        self.closed.append(error)


def numbers(count: int) -> list[str]:
    return [f"{number:05}" for number in range(count)]


def frames(messages: list[str]) -> bytes:
    """Masked text frames with a key of zeros."""
    return b"".join(b"\x81%c\0\0\0\0%b" % (0x80 | len(m), m.encode()) for m in messages)


def turns_shared() -> int:
    return loop_state(asyncio.get_running_loop()).turns_shared


async def test_a_message_of_another_comes_between_those_of_a_greedy_connection() -> None:
    recorder = Recorder()
    async with (
        serving(recorder, compression=None) as (_, uri),
        longwire.connect(uri, compression=None) as greedy,
        longwire.connect(uri, compression=None) as modest,
    ):
        # Both are written in this turn, and lie in the server's sockets when it looks.
        for message in numbers(8 * SHARE):
            greedy.endpoint.send(message)
        modest.endpoint.send("mine")
        await eventually(lambda: len(recorder.messages) == 8 * SHARE + 1)
        # What one read brings depends on TCP; a share and what came meanwhile is never half of it.
        assert recorder.messages.index("mine") <= 4 * SHARE
        recorder.messages.remove("mine")
        assert recorder.messages == numbers(8 * SHARE)


async def test_messages_that_grow_when_they_are_inflated_take_their_time_in_turns() -> None:
    count = 32
    recorder = Recorder()
    async with (
        serving(recorder, compression="deflate") as (_, uri),
        longwire.connect(uri, compression="deflate") as ws,
    ):
        before = turns_shared()
        for _ in range(count):  # a kilobyte each on the wire, and all may come in one read
            ws.endpoint.send(bytes(MIB))
        await eventually(lambda: len(recorder.messages) == count)
        assert turns_shared() > before


async def test_compressed_messages_have_the_same_share() -> None:
    recorder = Recorder()
    async with (
        serving(recorder, compression="deflate") as (_, uri),
        longwire.connect(uri, compression="deflate") as ws,
    ):
        before = turns_shared()
        for message in numbers(4 * SHARE):
            ws.endpoint.send(message)
        await eventually(lambda: len(recorder.messages) == 4 * SHARE)
        assert recorder.messages == numbers(4 * SHARE)
        assert turns_shared() > before


@pytest.mark.parametrize(("excess", "turns"), [(0, 0), (1, 1)])
async def test_the_share_of_a_turn_and_one_more(excess: int, turns: int) -> None:
    recorder = Recorder()
    async with serving(recorder, compression=None) as (_, uri):
        reader, writer = await open_raw(uri)
        # With the handshake everything is one segment, and so one read.
        writer.write(REQUEST)
        await reader.readuntil(b"\r\n\r\n")
        before = turns_shared()
        writer.write(frames(numbers(SHARE + excess)))
        await eventually(lambda: len(recorder.messages) == SHARE + excess)
        assert recorder.messages == numbers(SHARE + excess)
        assert turns_shared() - before == turns
        writer.close()


@pytest.mark.parametrize("compression", [None, "deflate"])
async def test_all_is_handled_before_the_close_behind_it(compression: str | None) -> None:
    recorder = Recorder()
    count = 5 * SHARE
    async with serving(recorder, compression=compression) as (_, uri):
        ws = await longwire.connect(uri, compression=compression)
        for message in numbers(count):
            ws.endpoint.send(message)
        await ws.close(1000, "done")
        assert ws.close_code == 1000
        await eventually(lambda: recorder.closed)
        assert recorder.messages == numbers(count)
        assert recorder.closed[0].code == 1000


async def test_all_is_handled_before_the_end_of_tcp_behind_it() -> None:
    recorder = Recorder()
    async with serving(recorder, compression=None) as (_, uri):
        reader, writer = await open_raw(uri)
        writer.write(REQUEST)
        await reader.readuntil(b"\r\n\r\n")
        writer.write(frames(numbers(3 * SHARE)))
        writer.close()
        await eventually(lambda: recorder.closed)
        assert recorder.messages == numbers(3 * SHARE)


async def test_messages_behind_one_that_failed_are_not_handled() -> None:
    class Failing(Recorder):
        def on_message(self, connection: longwire.Endpoint, message: str | bytes) -> None:
            super().on_message(connection, message)
            raise ZeroDivisionError

    recorder = Failing()
    async with serving(recorder, compression=None) as (_, uri):
        ws = await longwire.connect(uri, compression=None)
        for message in numbers(3 * SHARE):
            ws.endpoint.send(message)
        await ws.wait_closed()
        assert ws.close_code == 1011
        await eventually(lambda: recorder.closed)
        assert recorder.messages == numbers(1)


async def test_who_pauses_in_a_turn_gets_no_other_until_it_resumes() -> None:
    class Pausing(Recorder):
        def on_message(self, connection: longwire.Endpoint, message: str | bytes) -> None:
            super().on_message(connection, message)
            if len(self.messages) == 10:
                connection.pause_reading()

    recorder = Pausing()
    async with (
        serving(recorder, compression=None) as (_, uri),
        longwire.connect(uri, compression=None) as ws,
    ):
        for message in numbers(4 * SHARE):
            ws.endpoint.send(message)
        await eventually(lambda: len(recorder.messages) >= 10)
        held = len(recorder.messages)
        await asyncio.sleep(0.1)
        assert len(recorder.messages) == held <= SHARE
        (endpoint,) = recorder.endpoints
        endpoint.resume_reading()
        endpoint.pause_reading()
        endpoint.resume_reading()
        await eventually(lambda: len(recorder.messages) == 4 * SHARE)
        assert recorder.messages == numbers(4 * SHARE)


@pytest.mark.parametrize("compression", [None, "deflate"])
async def test_callback_that_pauses_and_resumes_keeps_the_order(compression: str | None) -> None:
    # So short that one step of inflating has more of them than a share.
    messages = [chr(ord("A") + number % 23) for number in range(6 * SHARE)]

    class Restless(Recorder):
        def on_message(self, connection: longwire.Endpoint, message: str | bytes) -> None:
            super().on_message(connection, message)
            connection.pause_reading()
            connection.resume_reading()

    recorder = Restless()
    async with (
        serving(recorder, compression=compression) as (_, uri),
        longwire.connect(uri, compression=compression) as ws,
    ):
        for message in messages:
            ws.endpoint.send(message)
        await eventually(lambda: len(recorder.messages) == len(messages))
        assert recorder.messages == messages


async def test_coroutines_receive_all_in_order() -> None:
    got: list[str | bytes] = []

    async def handler(connection: longwire.Connection) -> None:
        async for message in connection:
            got.append(message)  # noqa: PERF401 - what came before the end counts, too

    async with serving(handler, compression=None) as (_, uri):
        async with longwire.connect(uri, compression=None) as ws:
            for message in numbers(6 * SHARE):
                ws.endpoint.send(message)
        await eventually(lambda: len(got) == 6 * SHARE)
        assert got == numbers(6 * SHARE)
