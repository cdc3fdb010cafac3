"""The coroutine style over real sockets, longwire on both sides."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator

import pytest

import longwire
from longwire.websocket.connection import State
from tests.integration.net.local import RawServer, echo, eventually, serving


async def test_echo_returns_messages_with_their_types() -> None:
    async with serving() as (_, uri), longwire.connect(uri) as ws:
        for message in ("", "text", "käse \U0001f9c0", b"", b"\x00\xff", b"x" * 300_000):
            await ws.send(message)
            assert await ws.recv() == message
        for message in (bytearray(b"ab"), memoryview(b"cd")):
            await ws.send(message)
            assert await ws.recv() == bytes(message)


async def test_send_obeys_text_argument() -> None:
    async with serving() as (_, uri), longwire.connect(uri) as ws:
        await ws.send(b"as text", text=True)
        assert await ws.recv() == "as text"
        await ws.send("as bytes", text=False)
        assert await ws.recv() == b"as bytes"


async def test_recv_converts_types_when_asked() -> None:
    async with serving() as (_, uri), longwire.connect(uri) as ws:
        await ws.send("ä")
        assert await ws.recv(decode=False) == "ä".encode()
        await ws.send("ä".encode())
        assert await ws.recv(decode=True) == "ä"


async def test_iterables_are_sent_as_fragments_of_one_message() -> None:
    async def parts() -> AsyncIterator[bytes]:
        for part in (b"a", b"b", b"c"):
            await asyncio.sleep(0)
            yield part

    async with serving() as (_, uri), longwire.connect(uri) as ws:
        await ws.send(["one ", "two ", "three"])
        assert await ws.recv() == "one two three"
        await ws.send(parts())
        assert await ws.recv() == b"abc"
        await ws.send([])  # nothing is no message
        await ws.send("after")
        assert await ws.recv() == "after"


async def test_send_refuses_what_is_no_message() -> None:
    async with serving() as (_, uri), longwire.connect(uri) as ws:
        for wrong in ({"a": 1}, 5, None):
            with pytest.raises(TypeError):
                await ws.send(wrong)  # type: ignore[arg-type]
        await ws.send("still fine")
        assert await ws.recv() == "still fine"


@pytest.mark.parametrize("parts", [["a", b"b"], ["a", 5]])
async def test_fragments_of_mixed_types_close_with_1011(parts: list[object]) -> None:
    async with serving() as (_, uri):
        ws = await longwire.connect(uri)
        with pytest.raises(TypeError):
            await ws.send(parts)  # type: ignore[arg-type]
        await ws.wait_closed()
        assert ws.closed is not None
        assert ws.closed.ending.sent == longwire.Close(1011, "a fragmented message was cut short")
        assert ws.closed.verdict.code == "our_error"


async def test_other_messages_wait_for_a_fragmented_one() -> None:
    gate = asyncio.Event()

    async def parts() -> AsyncIterator[str]:
        yield "begin "
        await gate.wait()
        yield "end"

    async with serving() as (_, uri), longwire.connect(uri) as ws:
        slow = asyncio.create_task(ws.send(parts()))
        await asyncio.sleep(0.01)
        other = asyncio.create_task(ws.send("other"))
        assert await ws.ping() >= 0  # RFC 6455 5.4: control frames may go between fragments
        assert not other.done()
        gate.set()
        await asyncio.gather(slow, other)
        assert [await ws.recv(), await ws.recv()] == ["begin end", "other"]


async def test_cancelled_fragmented_message_closes_the_connection() -> None:
    async def parts() -> AsyncIterator[str]:
        yield "begin"
        await asyncio.Event().wait()

    async with serving() as (_, uri):
        ws = await longwire.connect(uri)
        task = asyncio.create_task(ws.send(parts()))
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        with pytest.raises(longwire.ConnectionClosedError) as caught:
            await ws.recv()
        assert caught.value.sent is not None and caught.value.sent.code == 1011


async def test_recv_streaming_gives_parts_before_the_message_ends() -> None:
    gate = asyncio.Event()

    async def handler(connection: longwire.Connection) -> None:
        async def parts() -> AsyncIterator[str]:
            yield "first"
            await gate.wait()
            yield "second"

        await connection.send(parts())
        await connection.send("whole")
        await connection.wait_closed()

    async with serving(handler) as (_, uri), longwire.connect(uri) as ws:
        parts = ws.recv_streaming()
        assert await anext(parts) == "first"
        gate.set()
        assert "".join([part async for part in parts]) == "second"  # type: ignore[arg-type]
        assert await ws.recv() == "whole"


async def test_recv_streaming_of_a_whole_message_in_the_queue() -> None:
    async with serving() as (_, uri), longwire.connect(uri) as ws:
        await ws.send("whole")
        await ws.ping()  # the echo came before the pong
        assert [part async for part in ws.recv_streaming()] == ["whole"]
        await ws.send(b"bytes")
        assert b"".join([part async for part in ws.recv_streaming(decode=False)]) == b"bytes"


async def test_abandoned_stream_is_skipped_by_the_next_recv() -> None:
    async def handler(connection: longwire.Connection) -> None:
        await connection.recv()
        await connection.send(["a", "b", "c"])
        await connection.send("next")
        await connection.wait_closed()

    async with serving(handler) as (_, uri), longwire.connect(uri) as ws:
        parts = ws.recv_streaming()
        await ws.send("go")
        assert await anext(parts) == "a"
        assert await ws.recv() == "next"
        with pytest.raises(longwire.ConcurrencyError):
            await anext(parts)


async def test_abandoned_stream_that_was_not_begun_loses_nothing() -> None:
    async with serving() as (_, uri), longwire.connect(uri) as ws:
        ws.recv_streaming()
        await ws.send(["whole ", "message"])
        assert await ws.recv() == "whole message"


async def test_ping_returns_latency_and_settles_older_pings() -> None:
    async with serving() as (_, uri), longwire.connect(uri) as ws:
        assert ws.latency == 0
        latency_s = await ws.ping()
        assert 0 < latency_s < 20
        assert ws.latency > 0
        assert all(
            latency > 0 for latency in await asyncio.gather(*(ws.ping(b"%d" % n) for n in range(9)))
        )
        await ws.pong(b"unasked")
        await ws.send("fine")
        assert await ws.recv() == "fine"


async def test_ping_of_a_closed_connection_raises() -> None:
    async with serving() as (_, uri):
        ws = await longwire.connect(uri)
        pending = asyncio.create_task(ws.ping())
        await asyncio.sleep(0)
        ws.endpoint.abort()
        with pytest.raises(longwire.ConnectionClosed):
            await pending
        with pytest.raises(longwire.ConnectionClosed):
            await ws.ping()


async def test_control_frames_are_answered_while_nobody_receives() -> None:
    release = asyncio.Event()

    async def handler(connection: longwire.Connection) -> None:
        await release.wait()

    async with serving(handler) as (_, uri), longwire.connect(uri) as ws:
        await ws.send("unread")
        assert await ws.ping() > 0
        await ws.close()  # the Close is answered, although the handler sleeps
        assert ws.closed is not None and ws.closed.is_ok
        release.set()


async def test_second_receiver_is_told_who_receives() -> None:
    async with serving() as (_, uri), longwire.connect(uri) as ws:
        first = asyncio.create_task(ws.recv(), name="the-reader")
        await asyncio.sleep(0)
        with pytest.raises(longwire.ConcurrencyError, match="the-reader"):
            await ws.recv()
        with pytest.raises(longwire.ConcurrencyError, match="the-reader"):
            ws.recv_streaming()
        await ws.send("for the first")
        assert await first == "for the first"


async def test_cancelled_recv_loses_no_message() -> None:
    count = 200

    async def handler(connection: longwire.Connection) -> None:
        for number in range(count):
            await connection.send(str(number))
            if number % 7 == 0:
                await asyncio.sleep(0)
        await connection.wait_closed()

    received: list[object] = []
    async with serving(handler) as (_, uri), longwire.connect(uri, max_queue=2) as ws:
        turns = 0
        while len(received) < count:
            # Cancel after a number of turns of the loop, so that every await point is hit.
            task = asyncio.create_task(ws.recv())
            for _ in range(turns % 6):
                await asyncio.sleep(0)
            turns += 1
            task.cancel()
            try:
                received.append(await task)
            except asyncio.CancelledError:
                continue
    assert received == [str(number) for number in range(count)]


async def test_wait_for_recv_loses_no_message() -> None:
    count = 50

    async def handler(connection: longwire.Connection) -> None:
        for number in range(count):
            await connection.send(str(number))
            await asyncio.sleep(0.001)
        await connection.wait_closed()

    received: list[object] = []
    async with serving(handler) as (_, uri), longwire.connect(uri) as ws:
        while len(received) < count:
            try:
                received.append(await asyncio.wait_for(ws.recv(), 0.0007))
            except TimeoutError:
                continue
    assert received == [str(number) for number in range(count)]


async def test_cancelled_streaming_step_loses_nothing() -> None:
    text = "".join(chr(97 + number % 26) for number in range(5000))

    async def handler(connection: longwire.Connection) -> None:
        async def parts() -> AsyncIterator[str]:
            for start in range(0, len(text), 100):
                yield text[start : start + 100]
                await asyncio.sleep(0)

        await connection.send(parts())
        await connection.wait_closed()

    async with serving(handler) as (_, uri), longwire.connect(uri) as ws:
        parts = ws.recv_streaming()
        received = ""
        turns = 0
        while not parts.is_finished:
            task = asyncio.ensure_future(anext(parts))
            for _ in range(turns % 5):
                await asyncio.sleep(0)
            turns += 1
            task.cancel()
            try:
                received += await task  # type: ignore[operator]
            except asyncio.CancelledError:
                continue
            except StopAsyncIteration:
                break
        assert received == text


async def test_cancelled_send_sends_all_or_nothing() -> None:
    started = asyncio.Event()
    release = asyncio.Event()

    async def handler(connection: longwire.Connection) -> None:
        started.set()
        await release.wait()
        seen.extend([message async for message in connection])

    seen: list[object] = []
    sent: list[object] = []
    payload = b"x" * 100_000
    async with serving(handler, compression=None) as (_, uri):
        async with longwire.connect(uri, compression=None) as ws:
            await started.wait()
            number = 0
            while number < 400:
                message = b"%08d" % number + payload
                number += 1
                try:
                    await asyncio.wait_for(ws.send(message), 0.05)
                    sent.append(message)
                except TimeoutError:
                    break
            assert number < 400, "send never waited"
            release.set()
        await eventually(lambda: len(seen) >= len(sent))
    assert seen == sent


async def test_slow_reader_makes_the_sender_wait_in_bounded_memory() -> None:
    release = asyncio.Event()
    sent_bytes = 0

    async def handler(connection: longwire.Connection) -> None:
        nonlocal sent_bytes
        payload = b"y" * 10_000
        for _ in range(3000):
            await connection.send(payload)
            sent_bytes += len(payload)
            held.append(connection.link.held_bytes)
        await connection.send("done")
        await connection.wait_closed()

    held: list[int] = []
    async with (
        serving(handler, compression=None) as (_, uri),
        longwire.connect(uri, compression=None) as ws,
    ):
        await eventually(lambda: ws.link.is_reading_paused)
        previous = -1
        while sent_bytes != previous:  # until the sender stands still
            previous = sent_bytes
            await asyncio.sleep(0.3)
        assert sent_bytes < 3000 * 10_000
        assert max(held) <= 64 * 1024 + 10_000 + 20
        assert ws.link.is_reading_paused
        messages, unread_bytes = ws.unread()
        assert unread_bytes < 2 * 1024 * 1024
        assert messages > 16
        release.set()
        total = 0
        async for message in ws:
            if message == "done":
                break
            total += len(message)
        assert total == 3000 * 10_000


async def test_keepalive_spares_a_connection_that_is_not_read() -> None:
    async def handler(connection: longwire.Connection) -> None:
        for _ in range(3):
            for _ in range(100):
                await connection.send("flood")
            await asyncio.sleep(0.3)
        await connection.wait_closed()

    async with (
        serving(handler, ping_interval=None) as (_, uri),
        longwire.connect(uri, ping_interval=0.1, ping_timeout=0.4, max_queue=4) as ws,
    ):
        await eventually(lambda: ws.link.is_reading_paused)
        await asyncio.sleep(0.8)  # longer than a ping and its time-out
        assert ws.state is State.OPEN
        for _ in range(300):
            assert await ws.recv() == "flood"
        await asyncio.sleep(0.7)
        assert ws.state is State.OPEN


async def test_keepalive_gives_up_a_peer_that_answers_nothing() -> None:
    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(raw.accept())
        while await reader.read(4096):
            pass

    async with RawServer(play) as raw:
        ws = await longwire.connect(raw.uri, ping_interval=0.1, ping_timeout=0.3)
        with pytest.raises(longwire.ConnectionClosedError) as caught:
            await ws.recv()
        assert caught.value.verdict.code == "peer_process_stuck"
        assert caught.value.evidence.has_keepalive_expired
        assert caught.value.evidence.last_ping_age_s is not None
        assert caught.value.sent is not None and caught.value.sent.code == 1011


async def test_close_passes_codes_and_reasons_both_ways() -> None:
    async def handler(connection: longwire.Connection) -> None:
        await connection.recv()
        await connection.close(4321, "because")

    async with serving(handler) as (_, uri):
        ws = await longwire.connect(uri)
        assert ws.close_code is None and ws.close_reason is None
        await ws.send("go")
        with pytest.raises(longwire.ConnectionClosedError) as caught:
            await ws.recv()
        error = caught.value
        assert error.rcvd == longwire.Close(4321, "because") == error.sent
        assert error.rcvd_then_sent is True
        assert (error.code, error.reason) == (4321, "because")
        assert error.verdict.code == "peer_said_error"
        assert (ws.close_code, ws.close_reason) == (4321, "because")
        assert ws.state is State.CLOSED
        with pytest.raises(longwire.ConnectionClosedError):
            await ws.send("too late")
        await ws.close()  # closing again does nothing


async def test_async_for_ends_on_a_polite_close_and_raises_on_others() -> None:
    async def handler(connection: longwire.Connection) -> None:
        await connection.send("one")
        assert connection.request is not None
        await connection.close(int(connection.request.target[1:]))

    async with serving(handler) as (_, uri):
        for code in (1000, 1001):
            async with longwire.connect(f"{uri}{code}") as ws:
                assert [message async for message in ws] == ["one"]
        async with longwire.connect(f"{uri}1011") as ws:
            with pytest.raises(longwire.ConnectionClosedError):
                async for message in ws:
                    assert message == "one"


async def test_messages_before_the_close_are_still_received() -> None:
    async def handler(connection: longwire.Connection) -> None:
        for number in range(5):
            await connection.send(str(number))

    async with serving(handler) as (_, uri):
        ws = await longwire.connect(uri)
        await ws.wait_closed()
        assert ws.closed is not None
        assert [await ws.recv() for _ in range(5)] == ["0", "1", "2", "3", "4"]
        with pytest.raises(longwire.ConnectionClosedOK):
            await ws.recv()


async def test_close_finds_the_peers_close_behind_a_full_queue() -> None:
    async def handler(connection: longwire.Connection) -> None:
        try:
            while True:
                await connection.send("flood" * 100)
        except longwire.ConnectionClosed:
            pass

    async with serving(handler, compression=None) as (_, uri):
        ws = await longwire.connect(uri, max_queue=4, compression=None)
        await eventually(lambda: ws.link.is_reading_paused)
        await ws.close()
        assert ws.closed is not None and ws.closed.is_ok
        assert ws.closed.verdict.code == "closed_by_us"
        assert ws.endpoint.messages_discarded > 0


async def test_close_with_an_illegal_code_is_refused_and_harmless() -> None:
    async with serving() as (_, uri), longwire.connect(uri) as ws:
        for code in (1005, 1006, 1015, 999, 5000):
            with pytest.raises(longwire.ProtocolError):
                await ws.close(code, "reason")
        with pytest.raises(longwire.ProtocolError):
            await ws.close(1000, "ä" * 100)
        await ws.send("alive")
        assert await ws.recv() == "alive"


async def test_exception_in_a_client_block_closes_with_1011() -> None:
    seen: list[int | None] = []

    async def handler(connection: longwire.Connection) -> None:
        await connection.wait_closed()
        seen.append(connection.close_code)

    async with serving(handler) as (_, uri):
        with pytest.raises(ZeroDivisionError):
            async with longwire.connect(uri):
                _ = 1 / 0
        await eventually(lambda: seen)
    assert seen == [1011]


async def test_compression_does_not_defeat_the_queue_limit() -> None:
    """Kilobytes on the wire may be megabytes in memory; a pause has to hold within one read."""

    async def handler(connection: longwire.Connection) -> None:
        bomb = b"\0" * 500_000
        for _ in range(100):
            connection.endpoint.send(bomb)  # no waiting: all of it fits into one read
        await connection.wait_closed()

    async with serving(handler) as (_, uri), longwire.connect(uri) as ws:
        await eventually(lambda: ws.link.is_reading_paused)
        await asyncio.sleep(0.2)
        assert ws.unread()[1] < 12_000_000  # one step over the limit of 1 MiB, of 50 MB in all
        for _ in range(100):
            assert len(await ws.recv()) == 500_000
        await ws.send("alive")


async def test_broadcast_reaches_all_open_connections() -> None:
    async with serving(lambda ws: ws.wait_closed()) as (server, uri):
        clients = [await longwire.connect(uri, compression=c) for c in ("deflate", None, None)]
        await eventually(lambda: len(server.connections) == 3)
        longwire.broadcast(server.connections, "text")
        longwire.broadcast(server.connections, b"bytes")
        longwire.broadcast(server.connections, b"retyped", text=True)
        for client in clients:
            assert [await client.recv() for _ in range(3)] == ["text", b"bytes", "retyped"]
        await clients[0].close()
        longwire.broadcast([*server.connections, *clients], "again")
        assert await clients[1].recv() == "again"
        with pytest.raises(TypeError):
            longwire.broadcast(server.connections, 5)  # type: ignore[arg-type]
        for client in clients:
            await client.close()


async def test_broadcast_skips_a_connection_inside_a_fragmented_message() -> None:
    gate = asyncio.Event()

    async def parts() -> AsyncIterator[str]:
        yield "a"
        await gate.wait()

    async def handler(connection: longwire.Connection) -> None:
        await connection.send(parts())
        await connection.wait_closed()

    async with serving(handler) as (server, uri), longwire.connect(uri) as ws:
        await eventually(lambda: server.connections)
        await asyncio.sleep(0.01)
        longwire.broadcast(server.connections, "missed")
        with pytest.raises(ExceptionGroup):
            longwire.broadcast(server.connections, "missed", raise_exceptions=True)
        gate.set()
        assert await ws.recv() == "a"


async def test_ended_connections_are_not_kept() -> None:
    import weakref

    references = []

    async def handler(connection: longwire.Connection) -> None:
        references.append(weakref.ref(connection))
        references.append(weakref.ref(connection.endpoint))
        await echo(connection)

    async with serving(handler) as (_, uri):
        for _ in range(3):
            async with longwire.connect(uri) as ws:
                await ws.send("x")
                await ws.recv()
            references.append(weakref.ref(ws))
            del ws

        def is_gone() -> bool:
            gc.collect()
            return all(reference() is None for reference in references)

        await eventually(is_gone)
