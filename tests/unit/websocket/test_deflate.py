"""permessage-deflate on messages (RFC 7692 sections 6, 7.2 and 8.2)."""

from __future__ import annotations

import itertools
import random
import tracemalloc
import zlib

import pytest

from longwire.base.errors import LimitError, ProtocolError
from longwire.base.limits import WebSocketLimits
from longwire.websocket.connection import WebSocketEngine
from longwire.websocket.deflate import DeflateOptions, DeflateParameters, Deflater, Inflater
from longwire.websocket.events import Fragment
from tests.unit.websocket.wire import client, frame_to, output, receive, server

TAIL = b"\x00\x00\xff\xff"


def deflater(bits: int = 15, resets: bool = False, level: int = 6) -> Deflater:
    return Deflater(bits, resets, level=level, memory_level=8)


def inflate(inflater: Inflater, data: bytes, maximum: int | None = None) -> bytes:
    return inflater.inflate(data, is_final=True, before=0, maximum=maximum)


def texts(seed: int, count: int) -> list[bytes]:
    """Return messages that repeat themselves, each other, and nothing at all."""
    generator = random.Random(seed)
    words = [generator.randbytes(generator.randint(1, 40)) for _ in range(30)]
    made = [b"", b"a", generator.randbytes(5000)]
    made += [
        b"".join(generator.choice(words) for _ in range(generator.randint(0, 400)))
        for _ in range(count)
    ]
    generator.shuffle(made)
    return made


class TestExamplesOfSection7_2_3:
    """The payloads that RFC 7692 section 7.2.3 spells out."""

    def test_7692_7_2_3_1_one_block(self) -> None:
        hello = bytes.fromhex("f248cdc9c90700")
        assert deflater().deflate(b"Hello", is_final=True) == hello
        assert inflate(Inflater(15, False), hello) == b"Hello"

    def test_7692_7_2_3_1_in_two_fragments(self, way: str) -> None:
        engine = client(deflate=DeflateParameters())
        data = bytes.fromhex("4103f248cd8004c9c90700")
        assert receive(engine, data, way) == ["Hello"]

    def test_7692_7_2_3_2_shared_window(self) -> None:
        sender, receiver = deflater(), Inflater(15, False)
        first = sender.deflate(b"Hello", is_final=True)
        second = sender.deflate(b"Hello", is_final=True)
        assert second == bytes.fromhex("f200110000")
        assert [inflate(receiver, first), inflate(receiver, second)] == [b"Hello"] * 2

    def test_7692_7_2_3_3_block_without_compression(self) -> None:
        stored = bytes.fromhex("000500faff48656c6c6f00")
        assert inflate(Inflater(15, False), stored) == b"Hello"

    def test_7692_7_2_3_4_final_block(self) -> None:
        final = bytes.fromhex("f348cdc9c9070000")
        receiver = Inflater(15, False)
        assert [inflate(receiver, final), inflate(receiver, final)] == [b"Hello"] * 2

    def test_7692_7_2_3_5_two_blocks(self) -> None:
        assert (
            inflate(Inflater(15, False), bytes.fromhex("f248050000 00ffffcac9c90700")) == b"Hello"
        )

    def test_7692_7_2_3_6_empty_message(self) -> None:
        for resets in (False, True):
            sender = deflater(resets=resets)
            receiver = Inflater(15, resets)
            for message in (b"", b"", b"text", b"", b""):
                assert inflate(receiver, sender.deflate(message, is_final=True)) == message
        assert deflater().deflate(b"", is_final=True) == b"\x00"


class TestBothWays:
    @pytest.mark.parametrize("bits", range(8, 16))
    @pytest.mark.parametrize("resets", [False, True])
    def test_7692_7_1_2_messages_go_there_and_back(self, bits: int, resets: bool) -> None:
        sender, receiver = deflater(bits, resets), Inflater(bits, resets)
        for message in texts(bits, 30):
            compressed = sender.deflate(message, is_final=True)
            assert not compressed.endswith(TAIL)
            assert inflate(receiver, compressed) == message

    @pytest.mark.parametrize("level", range(10))
    def test_7692_7_1_2_window_of_256_bytes_is_kept(self, level: int) -> None:
        # zlib compresses with 512 bytes instead; what it writes must not look back past 256.
        sender = deflater(8, False, level)
        receiver = zlib.decompressobj(-8)
        generator = random.Random(level)
        unit = generator.randbytes(700)
        for distance in (*range(240, 270), 500, 511, 512, 513):
            message = unit[:distance] * 3 + unit[: distance // 2] * 2
            compressed = sender.deflate(message, is_final=True)
            assert receiver.decompress(compressed + TAIL) == message, distance

    def test_7692_7_2_1_fragments_share_one_stream(self) -> None:
        for resets in (False, True):
            sender, receiver = deflater(resets=resets), Inflater(15, resets)
            for _ in range(3):
                parts = [b"repeat " * 20, b"", b"repeat " * 20, b"end"]
                got = b""
                for index, part in enumerate(parts):
                    is_final = index == len(parts) - 1
                    compressed = sender.deflate(part, is_final=is_final)
                    piece = receiver.inflate(
                        compressed, is_final=is_final, before=len(got), maximum=None
                    )
                    # Every fragment can be read as soon as it is there.
                    assert piece == part
                    got += piece

    def test_7692_7_2_2_input_may_be_cut_anywhere(self) -> None:
        sender = deflater()
        for message in texts(5, 5):
            compressed = sender.deflate(message, is_final=True)
            for step in (1, 2, 3, 7, 1000):
                receiver = Inflater(15, False)
                alone = deflater().deflate(message, is_final=True)
                got = b""
                for start in range(0, len(alone), step):
                    piece = alone[start : start + step]
                    got += receiver.inflate(
                        piece,
                        is_final=start + step >= len(alone),
                        before=len(got),
                        maximum=None,
                    )
                assert got == message
            assert compressed

    def test_no_takeover_keeps_nothing_between_messages(self) -> None:
        sender, receiver = deflater(resets=True), Inflater(15, True)
        compressed = sender.deflate(b"text" * 50, is_final=True)
        assert not sender.holds_state
        assert inflate(receiver, compressed) == b"text" * 50
        assert not receiver.holds_state
        assert sender.deflate(b"text" * 50, is_final=True) == compressed

    def test_takeover_makes_repeated_messages_small(self) -> None:
        sender = deflater()
        message = random.Random(7).randbytes(300)
        first = sender.deflate(message, is_final=True)
        assert len(sender.deflate(message, is_final=True)) < len(first) / 10


class TestFinalBlocks:
    """RFC 7692 section 7.2.3.4: a sender may finish its stream and go on with another."""

    def finished(self, data: bytes) -> bytes:
        compressor = zlib.compressobj(9, zlib.DEFLATED, -15)
        return compressor.compress(data) + compressor.flush(zlib.Z_FINISH)

    def test_7692_7_2_3_4_message_of_several_streams(self) -> None:
        data = b"".join(self.finished(part) for part in (b"one ", b"", b"two ", b"three"))
        for step in (1, 2, 5, 1000):
            receiver = Inflater(15, False)
            got = b""
            for start in range(0, len(data), step):
                got += receiver.inflate(
                    data[start : start + step], is_final=False, before=len(got), maximum=None
                )
            got += receiver.inflate(b"\x00", is_final=True, before=len(got), maximum=None)
            assert got == b"one two three"

    def test_7692_7_2_3_4_message_may_end_with_the_final_block(self) -> None:
        receiver = Inflater(15, False)
        assert inflate(receiver, self.finished(b"all of it")) == b"all of it"
        assert not receiver.holds_state
        assert inflate(receiver, deflater().deflate(b"next", is_final=True)) == b"next"

    def test_7692_7_2_3_4_message_after_it_may_use_the_window_since(self) -> None:
        sender, receiver = deflater(), Inflater(15, False)
        repeated = random.Random(8).randbytes(200)
        mixed = self.finished(b"old") + sender.deflate(repeated, is_final=True)
        assert inflate(receiver, mixed) == b"old" + repeated
        again = sender.deflate(repeated, is_final=True)
        assert len(again) < 50
        assert inflate(receiver, again) == repeated

    def test_7692_7_2_3_4_long_stream_may_follow(self) -> None:
        receiver = Inflater(15, False)
        rest = random.Random(12).randbytes(20_000)
        mixed = self.finished(b"short") + deflater().deflate(rest, is_final=True)
        assert inflate(receiver, mixed) == b"short" + rest

    def test_many_final_blocks_are_bounded_like_everything_else(self) -> None:
        receiver = Inflater(15, False)
        data = self.finished(b"ab") * 20_000
        assert inflate(receiver, data, 40_000) == b"ab" * 20_000
        with pytest.raises(LimitError):
            inflate(Inflater(15, False), data, 39_999)


class TestLimit:
    """RFC 7692 section 8.2: a small message may inflate to a large one."""

    @pytest.mark.parametrize("resets", [False, True])
    def test_limit_holds_at_its_edge(self, resets: bool) -> None:
        for size in (0, 1, 999, 1000, 1001, 5000):
            compressed = deflater().deflate(bytes(size), is_final=True)
            receiver = Inflater(15, resets)
            if size <= 1000:
                assert inflate(receiver, compressed, 1000) == bytes(size)
            else:
                with pytest.raises(LimitError) as caught:
                    inflate(receiver, compressed, 1000)
                assert caught.value.code == 1009
                assert caught.value.limit_name == "message_bytes_max"
                assert caught.value.maximum == 1000

    def test_limit_counts_earlier_pieces(self) -> None:
        sender = deflater()
        pieces = [sender.deflate(bytes(400), is_final=index == 2) for index in range(3)]
        receiver = Inflater(15, False)
        for index in range(2):
            receiver.inflate(pieces[index], is_final=False, before=400 * index, maximum=1000)
        with pytest.raises(LimitError):
            receiver.inflate(pieces[2], is_final=True, before=800, maximum=1000)

    def test_bomb_is_never_inflated(self) -> None:
        compressor = zlib.compressobj(9, zlib.DEFLATED, -15)
        bomb = b"".join(compressor.compress(bytes(1 << 20)) for _ in range(32))
        bomb += compressor.flush(zlib.Z_SYNC_FLUSH)
        tracemalloc.start()
        try:
            with pytest.raises(LimitError):
                inflate(Inflater(15, False), bomb, 100_000)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        # The input is 32 KiB and its unread part is copied once; 32 MiB would be inflated.
        assert peak < 2 * 1024 * 1024

    @pytest.mark.parametrize("streaming", [False, True])
    def test_engine_fails_with_1009(self, role: str, way: str, streaming: bool) -> None:
        limits = WebSocketLimits(message_bytes_max=1000)
        make = client if role == "client" else server
        engine = make(limits=limits, deflate=DeflateParameters(), streaming=streaming)
        sender = deflater()
        good = frame_to(engine, 2, sender.deflate(bytes(1000), is_final=True), rsv1=True)
        assert receive(engine, good, way)
        assert engine.failure is None
        receive(
            engine, frame_to(engine, 2, sender.deflate(bytes(1001), is_final=True), rsv1=True), way
        )
        failure = engine.failure
        assert isinstance(failure, LimitError)
        assert (failure.code, failure.limit_name) == (1009, "message_bytes_max")

    def test_compressed_frames_may_be_larger_than_the_message(self, role: str, way: str) -> None:
        # What cannot be compressed grows a little; that is no reason to refuse it.
        make = client if role == "client" else server
        engine = make(limits=WebSocketLimits(message_bytes_max=1000), deflate=DeflateParameters())
        message = random.Random(9).randbytes(1000)
        compressed = deflater(level=0).deflate(message, is_final=True)
        assert len(compressed) > 1000
        assert receive(engine, frame_to(engine, 2, compressed, rsv1=True), way) == [message]


class TestInvalidData:
    @pytest.mark.parametrize("data", [b"\xff", b"\x07", b"Hello", b"\x00\x05\x00\x00\x00"])
    def test_engine_fails_with_1007(self, role: str, way: str, data: bytes) -> None:
        make = client if role == "client" else server
        engine = make(deflate=DeflateParameters())
        assert receive(engine, frame_to(engine, 2, data + b"\xff" * 8, rsv1=True), way) == []
        assert engine.failure is not None and engine.failure.code == 1007
        assert "DEFLATE" in engine.failure.message

    def test_reference_before_the_window_is_refused(self) -> None:
        sender = deflater(15)
        sender.deflate(b"some text to look back at", is_final=True)
        second = sender.deflate(b"some text to look back at", is_final=True)
        with pytest.raises(ProtocolError) as caught:
            inflate(Inflater(15, False), second)
        assert caught.value.code == 1007

    def test_reference_past_the_agreed_window_does_no_harm_without_takeover(
        self, role: str, way: str
    ) -> None:
        make = client if role == "client" else server
        agreed = DeflateParameters(
            server_no_context_takeover=True,
            client_no_context_takeover=True,
            server_max_window_bits=9,
            client_max_window_bits=9,
        )
        engine = make(deflate=agreed)
        unit = random.Random(10).randbytes(2000)
        compressed = deflater(15).deflate(unit + unit, is_final=True)
        assert receive(engine, frame_to(engine, 2, compressed, rsv1=True), way) == [unit + unit]

    def test_6455_8_1_inflated_text_is_checked(self, role: str, way: str) -> None:
        make = client if role == "client" else server
        engine = make(deflate=DeflateParameters())
        compressed = deflater().deflate(b"good\xff bad", is_final=True)
        assert receive(engine, frame_to(engine, 1, compressed, rsv1=True), way) == []
        assert engine.failure is not None and engine.failure.code == 1007
        assert "UTF-8" in engine.failure.message


AGREED = [
    DeflateParameters(
        server_no_context_takeover=server_resets,
        client_no_context_takeover=client_resets,
        server_max_window_bits=bits,
        client_max_window_bits=24 - bits,
        threshold_bytes=threshold,
    )
    for server_resets, client_resets, (bits, threshold) in itertools.product(
        (False, True), (False, True), ((9, 0), (12, 100), (15, 0))
    )
]


class TestEngines:
    """A client and a server that agreed."""

    def pair(self, role: str, agreed: DeflateParameters) -> tuple[WebSocketEngine, WebSocketEngine]:
        engines = client(deflate=agreed), server(deflate=agreed)
        return engines if role == "client" else (engines[1], engines[0])

    @pytest.mark.parametrize("agreed", AGREED)
    def test_messages_arrive(self, role: str, way: str, agreed: DeflateParameters) -> None:
        ours, theirs = self.pair(role, agreed)
        for message in texts(11, 6):
            ours.send(message)
            ours.send(message.hex())
            assert receive(theirs, output(ours), way) == [message, message.hex()]

    @pytest.mark.parametrize("agreed", AGREED[::4])
    def test_fragments_arrive(self, role: str, way: str, agreed: DeflateParameters) -> None:
        ours, theirs = self.pair(role, agreed)
        for _ in range(3):
            for index in range(4):
                ours.send_fragment(f"part {index} " * 30, final=index == 3)
                ours.ping(b"p", now=0.0)
            events = receive(theirs, output(ours), way)
            assert "".join(f"part {index} " * 30 for index in range(4)) in events

    def test_7692_6_1_bit_is_set_on_the_first_frame_only(self) -> None:
        engine = server(deflate=DeflateParameters())
        for index in range(3):
            engine.send_fragment("x", final=index == 2)
        engine.send("y" * 1000)
        engine.ping(now=0.0)
        assert [frame[0] for frame in engine.take_output()] == [0x41, 0x00, 0x80, 0xC1, 0x89]

    def test_threshold_and_override(self) -> None:
        engine = server(deflate=DeflateParameters(threshold_bytes=10))
        engine.send("x" * 9)
        engine.send("x" * 10)
        engine.send("x" * 9, compress=True)
        engine.send("x" * 1000, compress=False)
        frames = engine.take_output()
        assert [frame[0] & 0x40 for frame in frames] == [0, 0x40, 0x40, 0]
        assert receive(client(deflate=DeflateParameters()), b"".join(frames)) == [
            "x" * 9,
            "x" * 10,
            "x" * 9,
            "x" * 1000,
        ]

    def test_compress_without_an_agreement_sends_it_plain(self) -> None:
        engine = server()
        engine.send("x" * 1000, compress=True)
        assert engine.take_output()[0][0] == 0x81

    def test_7692_6_peer_may_send_uncompressed(self, role: str, way: str) -> None:
        ours, _ = self.pair(role, DeflateParameters())
        sender = deflater()
        data = (
            frame_to(ours, 1, b"plain")
            + frame_to(ours, 1, sender.deflate(b"small", is_final=True), rsv1=True)
            + frame_to(ours, 1, b"pla", fin=False)
            + frame_to(ours, 0, b"in")
        )
        assert receive(ours, data, way) == ["plain", "small", "plain"]

    def test_streaming_inflates_as_it_arrives(self, role: str) -> None:
        agreed = DeflateParameters()
        theirs = client(deflate=agreed, streaming=True)
        ours = server(deflate=agreed)
        if role == "server":
            theirs = server(deflate=agreed, streaming=True)
            ours = client(deflate=agreed)
        ours.send_fragment("first ", final=False)
        assert receive(theirs, output(ours)) == [Fragment("first ", True, False)]
        ours.send_fragment("last", final=True)
        got = [event for event in receive(theirs, output(ours)) if isinstance(event, Fragment)]
        assert "".join(str(fragment.data) for fragment in got) == "last"
        assert got[-1].final

    def test_nothing_is_kept_when_closed(self) -> None:
        engine = server(deflate=DeflateParameters())
        engine.send("x" * 1000)
        receive(
            engine, frame_to(engine, 1, deflater().deflate(b"y" * 99, is_final=True), rsv1=True)
        )
        engine.close(now=1.0)
        receive(engine, frame_to(engine, 8))
        assert engine._deflater is None
        assert engine._assembler._inflater is None


class TestOptions:
    @pytest.mark.parametrize("name", ["server_max_window_bits", "client_max_window_bits"])
    @pytest.mark.parametrize("value", [7, 16, 0, -9])
    def test_7692_7_1_2_window_bits_are_8_to_15(self, name: str, value: int) -> None:
        with pytest.raises(ValueError, match=f"{name} is {value}; it is 8 to 15"):
            DeflateOptions(**{name: value})

    @pytest.mark.parametrize(("name", "value"), [("level", 10), ("level", -1), ("memory_level", 0)])
    def test_levels_are_checked(self, name: str, value: int) -> None:
        with pytest.raises(ValueError, match=name):
            DeflateOptions(**{name: value})

    def test_default_keeps_no_state_between_messages(self) -> None:
        options = DeflateOptions()
        assert options.server_no_context_takeover and options.client_no_context_takeover
