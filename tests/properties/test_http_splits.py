"""Whatever a client sends, and however the network cuts it, the engine says the same."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import example, given
from hypothesis import strategies as st

from longwire.base.limits import HttpLimits
from longwire.http.events import ConnectionEnded, StreamClosed
from tests.unit.http.smuggling_vectors import ONE_REQUEST, REFUSED
from tests.unit.http.wire import Conversation, byte_by_byte

# Small, so that generated input passes them.
LIMITS = HttpLimits(
    request_line_bytes_max=40,
    header_bytes_max=160,
    headers_max=6,
    body_bytes_max=50,
    chunk_extension_bytes_max=8,
    pipelined_requests_max=2,
)

FRAGMENTS = [
    b"GET ", b"POST ", b"HEAD ", b"CONNECT ", b"PRI ", b"x", b"/ ", b"/a?b ", b"* ", b"http://h/ ",
    b"HTTP/1.1\r\n", b"HTTP/1.0\r\n", b"HTTP/2.0\r\n", b"HTTP/1.1", b"Host: h\r\n", b"Host:",
    b"GET / HTTP/1.1\r\nHost: h\r\n", b"POST / HTTP/1.1\r\nHost: h\r\n", b"GET / HTTP/1.0\r\n",
    b"Content-Length: 5\r\n", b"Content-Length: 0\r\n", b"Content-Length: 51\r\n",
    b"Transfer-Encoding: chunked\r\n", b"Transfer-Encoding: gzip\r\n", b"Connection: close\r\n",
    b"Connection: keep-alive\r\n", b"Connection: upgrade\r\nUpgrade: websocket\r\n",
    b"Expect: 100-continue\r\n", b"X: y\r\n", b"X : y\r\n", b" folded\r\n", b"X: y\n",
    b"\r\n", b"\r\n", b"\n", b"\r", b" ", b"\t", b"\x00", b":", b"hello", b"5\r\nhello\r\n",
    b"5;a=b\r\nhello\r\n", b"0\r\n\r\n", b"0\r\nT: 1\r\n\r\n", b"1\r\n", b"ffffffffffffffff\r\n",
]  # fmt: skip

EXPECTING = b"GET / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 40\r\n\r\n"

inputs = st.one_of(
    st.lists(st.one_of(st.sampled_from(FRAGMENTS), st.binary(max_size=4)), max_size=25).map(
        b"".join
    ),
    st.sampled_from([vector.data for vector in [*REFUSED, *ONE_REQUEST]]),
    st.binary(max_size=100),
)


@st.composite
def cut_inputs(draw: st.DrawFn) -> tuple[bytes, list[bytes]]:
    data = draw(inputs)
    marks = sorted(draw(st.sets(st.integers(0, len(data)), max_size=10)))
    edges = [0, *marks, len(data)]
    return data, [data[start:end] for start, end in pairwise(edges)]


def hold(pieces: list[bytes]) -> Conversation:
    conversation = Conversation(limits=LIMITS)
    conversation.feed(pieces)
    conversation.eof()
    return conversation


@given(cut_inputs())
def test_events_and_answers_do_not_depend_on_the_cut(
    given_input: tuple[bytes, list[bytes]],
) -> None:
    data, pieces = given_input
    whole = hold([data])
    for cut in (pieces, byte_by_byte(data)):
        other = hold(cut)
        assert other.events == whole.events
        assert other.output == whole.output
        assert other.engine.wants_close == whole.engine.wants_close


@given(inputs)
def test_connection_always_ends_once_and_every_answer_is_legal(data: bytes) -> None:
    conversation = hold([data])
    if conversation.seen and conversation.seen[-1].head.protocol is not None:
        return  # waits for an answer that the application did not give
    assert conversation.engine.wants_close
    assert isinstance(conversation.events[-1], ConnectionEnded)
    completed = [seen for seen in conversation.seen if seen.trailers is not None]
    methods = [seen.head.method for seen in conversation.seen]
    # Our answer to a refused HEAD is the only one that ends with its head.
    refused_method = "HEAD" if conversation.output.endswith(b"\r\n\r\n") else "GET"
    answers = conversation.answers(*methods[: len(completed)], refused_method)
    final = [answer for answer in answers if answer.status >= 200]
    refused = conversation.ended.status is not None
    assert len(final) == len(completed) + refused
    closed = [event.stream for event in conversation.events if isinstance(event, StreamClosed)]
    assert closed == list(range(1, len(conversation.seen) + 1))


@given(inputs, st.lists(st.integers(0, 3), max_size=20))
@example(EXPECTING, [])
def test_time_never_raises_and_comes_to_an_end(data: bytes, marks: list[int]) -> None:
    conversation = Conversation(limits=LIMITS)
    for piece in byte_by_byte(data):
        conversation.feed(piece)
        if marks:
            conversation.wait(float(marks.pop()) * 4)
    conversation.wait(1000)
    waits_for_answer = bool(conversation.seen) and not conversation.engine.wants_close
    if waits_for_answer:
        # For a handshake, or for the word that the body may come, which nobody says here.
        head = conversation.seen[-1].head
        assert head.protocol is not None or head.headers.get("Expect") == "100-continue"
