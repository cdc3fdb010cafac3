"""The HTTP/2 engine under anything: it never raises, its state stays bounded, cuts change nothing.

And with a well-behaved client of another make, whatever both do in whatever order comes through.
"""

from __future__ import annotations

import random

import h2.config
import h2.connection
import h2.events
from hypothesis import example, given
from hypothesis import strategies as st

from longwire.base.headers import Headers
from longwire.base.limits import Http2Limits, HttpLimits
from longwire.http.events import (
    Body,
    BodyConsumed,
    BodyReceived,
    ConnectionEnded,
    End,
    HttpEvent,
    RequestEnded,
    RequestReceived,
    Response,
    StreamClosed,
)
from longwire.http.h2 import Http2Engine
from tests.unit.http.h2_wire import PREFACE, Conversation, frame, request
from tests.unit.http.wire import byte_by_byte

LIMITS = HttpLimits(header_bytes_max=2_000, body_bytes_max=50_000)
HTTP2 = Http2Limits(concurrent_streams_max=4)

streams = st.sampled_from([0, 1, 2, 3, 5, 7, 9, 11, 0x7FFF_FFFF])
kinds = st.one_of(st.integers(0, 10), st.integers(0, 255))
payloads = st.one_of(st.binary(max_size=40), st.sampled_from([bytes(4), bytes(5), bytes(8)]))
wild_frames = st.builds(frame, kinds, streams, payloads, st.integers(0, 255))


@st.composite
def heads(draw: st.DrawFn) -> bytes:
    """A request that is mostly right; its block uses no table, so that each stands alone."""
    fields = draw(st.permutations(request(draw(st.sampled_from(["/", "/a", "*", ""])))))
    more = draw(st.lists(st.sampled_from([("a", "b"), ("A", "b"), ("te", "x"), (":x", "y")])))
    block = b"".join(
        b"\x00" + bytes([len(name)]) + name.encode() + bytes([len(value)]) + value.encode()
        for name, value in [*fields, *more][:12]
    )
    return frame(1, draw(streams), block, draw(st.sampled_from([0, 1, 4, 5])))


conversations = st.lists(st.one_of(wild_frames, heads(), st.binary(max_size=20)), max_size=12)


def check_life_of_streams(events: list[HttpEvent]) -> None:
    """Each stream begins once, ends once, and says nothing outside; the end comes last."""
    open_streams: set[int] = set()
    seen: set[int] = set()
    for index, event in enumerate(events):
        if isinstance(event, ConnectionEnded):
            assert index == len(events) - 1
            assert not open_streams
        elif isinstance(event, RequestReceived):
            assert event.stream not in seen
            seen.add(event.stream)
            open_streams.add(event.stream)
            assert len(open_streams) <= HTTP2.concurrent_streams_max
        elif isinstance(event, StreamClosed) and event.stream in seen:
            open_streams.remove(event.stream)
        elif isinstance(event, BodyReceived | RequestEnded):
            assert event.stream in open_streams


SLOW_BODY = (
    b"\x00\x00<\x01\x04\x00\x00\x00\x01\x00\x07:method\x03GET\x00\x07:scheme\x04http"
    b"\x00\n:authority\x0bexample.org\x00\x05:path\x01/"
)


def check_end(talk: Conversation) -> None:
    """After any talk, long silence and the end leave every stream closed once."""
    check_life_of_streams(talk.events)
    talk.wait(1_000.0)
    if not talk.engine.wants_close:
        assert talk.engine.held_bytes(1) <= 50_000
    talk._handle(talk.engine.receive_eof(talk.now))
    check_life_of_streams(talk.events)


@example([SLOW_BODY], True)
@given(conversations, st.booleans())
def test_anything_is_answered_by_the_rules(pieces: list[bytes], begins: bool) -> None:
    """However the reads are cut. Requests are not answered: what of an answer leaves before a
    broken frame behind the request ends the connection does depend on that."""
    data = b"".join(pieces)
    talks = []
    for cut in (lambda whole: [whole], byte_by_byte):
        talk = Conversation(limits=LIMITS, http2=HTTP2, begin=begins, echo=False, cut=cut)
        talk.feed(data)
        talks.append(talk)
    whole, cut_up = talks
    assert whole.events == cut_up.events
    assert [each.serialize() for each in whole.frames] == [
        each.serialize() for each in cut_up.frames
    ]
    for talk in talks:
        check_end(talk)


@example([SLOW_BODY.replace(b"\x01\x04", b"\x01\x05", 1), frame(0, 0)], True, False)
@given(conversations, st.booleans(), st.booleans())
def test_answers_go_only_to_those_who_still_want_them(
    pieces: list[bytes], begins: bool, is_cut: bool
) -> None:
    cut = byte_by_byte if is_cut else lambda whole: [whole]
    talk = Conversation(limits=LIMITS, http2=HTTP2, begin=begins, echo=True, cut=cut)
    talk.feed(b"".join(pieces))
    check_end(talk)


sizes = st.sampled_from([0, 1, 100, 16_384, 16_385, 70_000])


@given(
    st.lists(st.tuples(sizes, sizes), min_size=1, max_size=4),
    st.randoms(use_true_random=False),
    st.integers(2_000, 100_000),
)
def test_what_both_say_comes_through(
    bodies: list[tuple[int, int]], chance: random.Random, window: int
) -> None:
    engine = Http2Engine(now=0.0, limits=HttpLimits(body_bytes_max=None))
    client = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True))
    client.local_settings.initial_window_size = window
    client.local_settings.acknowledge()
    client.initiate_connection()
    to_send = {}
    answers: dict[int, bytes] = {}
    received: dict[int, bytes] = {}
    wanted = {}
    for question, answer in bodies:
        stream = client.get_next_available_stream_id()
        head = [(":method", "POST"), (":scheme", "http"), (":authority", "a"), (":path", "/")]
        client.send_headers(stream, head)
        to_send[stream] = bytes(question)
        wanted[stream] = bytes(answer)
    done: set[int] = set()
    for _ in range(400):
        for stream in list(to_send):
            size = min(client.local_flow_control_window(stream), 16_384, len(to_send[stream]))
            size = chance.randint(0, size) or size
            client.send_data(stream, to_send[stream][:size])
            to_send[stream] = to_send[stream][size:]
            if not to_send[stream]:
                del to_send[stream]
                client.end_stream(stream)
        for event in engine.receive(client.data_to_send(), 0.0) + engine.take_events():
            if isinstance(event, BodyReceived):
                received[event.stream] = received.get(event.stream, b"") + event.data
                engine.send(BodyConsumed(event.stream, len(event.data)), now=0.0)
            elif isinstance(event, RequestEnded):
                head_of = Response(event.stream, 200, Headers())
                engine.send(head_of, Body(event.stream, wanted[event.stream]), now=0.0)
                engine.send(End(event.stream), now=0.0)
        for said in client.receive_data(b"".join(engine.take_output())):
            if isinstance(said, h2.events.DataReceived):
                answers[said.stream_id] = answers.get(said.stream_id, b"") + bytes(said.data)
                client.acknowledge_received_data(said.flow_controlled_length, said.stream_id)
            elif isinstance(said, h2.events.StreamEnded):
                done.add(said.stream_id)
        if len(done) == len(bodies):
            break
    assert done == set(wanted), "somebody waits for ever"
    assert [len(answers.get(stream, b"")) for stream in sorted(wanted)] == [b for _, b in bodies]
    assert [len(received.get(stream, b"")) for stream in sorted(wanted)] == [a for a, _ in bodies]


def test_the_preface_alone_costs_little() -> None:
    engine = Http2Engine(now=0.0)
    engine.take_output()
    assert engine.receive(PREFACE, 0.0) == []
