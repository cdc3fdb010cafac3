"""h11 is another reader of the same bytes: what is legal both read alike.

And whatever we take for a request, however it was damaged, h11 takes for the same one: there is
no request that we see and a careful reader before us does not.
"""

from __future__ import annotations

from dataclasses import dataclass

import h11
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.http.wire import Conversation, at_random, byte_by_byte

TOKEN_CHARACTERS = "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND", "REPORT"]
# Names that mean something to the framing are put in on purpose, not by chance.
SPECIAL = {"content-length", "transfer-encoding", "connection", "host", "upgrade", "expect"}

tokens = st.text(TOKEN_CHARACTERS, min_size=1, max_size=12)
names = tokens.filter(lambda name: name.lower() not in SPECIAL)
visible = st.characters(min_codepoint=0x21, max_codepoint=0xFF, exclude_characters="\x7f").filter(
    lambda character: not 0x7F <= ord(character) < 0x80
)
inner = st.text(st.one_of(visible, st.sampled_from(" \t")), max_size=20)
values = inner.map(lambda value: value.strip(" \t"))
blanks = st.sampled_from(["", " ", "\t", "  \t "])
targets = st.text(
    st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters="#"), max_size=20
).map(lambda rest: "/" + rest)


@dataclass
class Read:
    """A request as one of the readers saw it."""

    method: str
    target: str
    headers: list[tuple[str, str]]
    body: bytes
    trailers: list[tuple[str, str]]


@st.composite
def field_lines(draw: st.DrawFn, maximum: int = 5) -> str:
    lines = draw(st.lists(st.tuples(names, blanks, values, blanks), max_size=maximum))
    return "".join(f"{name}:{before}{value}{after}\r\n" for name, before, value, after in lines)


@st.composite
def chunked_bodies(draw: st.DrawFn) -> bytes:
    parts = []
    for chunk in draw(st.lists(st.binary(min_size=1, max_size=30), max_size=4)):
        size = format(len(chunk), draw(st.sampled_from(["x", "X", "04x"])))
        extension = draw(st.sampled_from(["", ";a", ";a=b", ';a="b c";d']))
        parts.append(f"{size}{extension}\r\n".encode() + chunk + b"\r\n")
    trailers = draw(field_lines(2)).encode("latin-1")
    return b"".join([*parts, b"0\r\n", trailers, b"\r\n"])


@st.composite
def legal_requests(draw: st.DrawFn) -> bytes:
    fields = draw(field_lines())
    kind = draw(st.sampled_from(["none", "length", "chunked"]))
    body = b""
    if kind == "length":
        body = draw(st.binary(max_size=60))
        fields += f"Content-Length: {len(body)}\r\n"
    elif kind == "chunked":
        body = draw(chunked_bodies())
        fields += "Transfer-Encoding: chunked\r\n"
    fields += draw(st.sampled_from(["", "", "Connection: close\r\n", "Connection: keep-alive\r\n"]))
    method, target = draw(st.sampled_from(METHODS)), draw(targets)
    head = f"{method} {target} HTTP/1.1\r\nHost: example.org\r\n{fields}\r\n"
    return head.encode("latin-1") + body


def read_with_h11(data: bytes) -> list[Read]:
    """Return the requests that h11 read to their end, answering each."""
    requests: list[Read] = []
    while data:
        # h11 takes no empty line before a request; RFC 9112 section 2.2 wants one passed over.
        request, data = read_one_with_h11(data.removeprefix(b"\r\n"))
        if request is not None:
            requests.append(request)
    return requests


def read_one_with_h11(data: bytes) -> tuple[Read | None, bytes]:
    """Return a complete request, and what follows it where the connection goes on."""
    server = h11.Connection(h11.SERVER)
    server.receive_data(data)
    request: Read | None = None
    while True:
        try:
            event = server.next_event()
        except h11.RemoteProtocolError:
            return None, b""
        if isinstance(event, h11.Request):
            fields = pairs(event.headers.raw_items())
            request = Read(event.method.decode(), event.target.decode(), fields, b"", [])
        elif isinstance(event, h11.Data):
            assert request is not None
            request.body += bytes(event.data)
        elif isinstance(event, h11.EndOfMessage):
            assert request is not None
            request.trailers = pairs(event.headers.raw_items())
            server.send(h11.Response(status_code=200, headers=[("Content-Length", "0")]))
            server.send(h11.EndOfMessage())
            goes_on = server.our_state is h11.DONE and server.their_state is h11.DONE
            return request, server.trailing_data[0] if goes_on else b""
        else:
            return None, b""


def pairs(items: list[tuple[bytes, bytes]]) -> list[tuple[str, str]]:
    return [(name.decode(), value.decode("latin-1")) for name, value in items]


def as_h11_has_it(name: str, value: str) -> tuple[str, str]:
    """A field as h11 tells it: the names of transfer codings in lower case."""
    return name, value.lower() if name.lower() == "transfer-encoding" else value


def may_h11_stop_early(data: bytes) -> bool:
    """Tell whether h11 may leave a connection that we keep.

    It does so after HTTP/1.0 with keep-alive and at an upgrade that is not agreed to.
    """
    lower = data.lower()
    return b"http/1.0" in lower or b"upgrade" in lower


def read_with_longwire(pieces: list[bytes]) -> list[Read]:
    conversation = Conversation()
    conversation.feed(pieces)
    return [
        Read(
            seen.head.method,
            seen.head.target,
            seen.head.headers.items(),
            seen.body,
            seen.trailers.items(),
        )
        for seen in conversation.seen
        if seen.trailers is not None
    ]


@given(st.lists(legal_requests(), min_size=1, max_size=4))
def test_legal_requests_are_read_as_h11_reads_them(requests: list[bytes]) -> None:
    data = b"".join(requests)
    expected = read_with_h11(data)
    assert expected
    for pieces in ([data], byte_by_byte(data), at_random(data)):
        assert read_with_longwire(pieces) == expected


@given(
    st.lists(legal_requests(), min_size=1, max_size=3).map(b"".join),
    st.lists(
        st.tuples(
            st.integers(0, 10_000),
            st.sampled_from(["replace", "insert", "delete", "double"]),
            st.one_of(st.sampled_from(b"\r\n\t\x00 :;,0\x0b"), st.integers(0, 255)),
        ),
        min_size=1,
        max_size=3,
    ),
)
def test_damaged_requests_are_refused_or_read_as_h11_reads_them(
    data: bytes, edits: list[tuple[int, str, int]]
) -> None:
    damaged = bytearray(data)
    for place, kind, byte in edits:
        index = place % len(damaged)
        if kind == "replace":
            damaged[index] = byte
        elif kind == "insert":
            damaged.insert(index, byte)
        elif kind == "double":
            damaged[index:index] = damaged[index : index + 2]
        elif len(damaged) > 1:
            del damaged[index]
    ours = read_with_longwire([bytes(damaged)])
    theirs = read_with_h11(bytes(damaged))
    if may_h11_stop_early(bytes(damaged)):
        ours = ours[: len(theirs)]
    assert len(ours) <= len(theirs)
    for our, their in zip(ours, theirs, strict=False):
        if not their.target.startswith("/"):
            # An absolute target is taken apart by us, and its authority replaces Host.
            our.target, our.headers = their.target, their.headers
        our.headers = [as_h11_has_it(*field) for field in our.headers]
        assert our == their
