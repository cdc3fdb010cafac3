"""Heads and header values: any bytes, cut anywhere; what is written can be read."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from longwire.base.headers import Headers
from longwire.base.limits import WebSocketLimits
from longwire.websocket.deflate import DeflateOptions
from longwire.websocket.extensions import (
    Extension,
    HeaderValueError,
    format_extensions,
    parse_extensions,
)
from longwire.websocket.handshake import (
    HandshakeError,
    HeadReader,
    RequestHead,
    ResponseHead,
    UriError,
    accept_request,
    parse_uri,
    serialize_head,
)
from tests.properties.websocket_frames import cuts

LIMITS = WebSocketLimits(handshake_head_bytes_max=300, handshake_headers_max=6)

tokens = st.text("!#$%&'*+-.^_`|~09azAZ", min_size=1, max_size=8)
values = st.text(st.characters(codec="latin-1", exclude_categories=["Cc"]), max_size=20).map(
    lambda text: text.strip(" \t")
)
fields = st.lists(st.tuples(tokens, values), max_size=5).map(Headers)

KEYS = ("dGhlIHNhbXBsZSBub25jZQ==", "short", "")
opening_lines = st.sampled_from(
    [
        b"GET /chat HTTP/1.1",
        b"Host: example.com",
        b"Upgrade: websocket",
        b"Connection: Upgrade",
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        b"Sec-WebSocket-Version: 13",
        b"Sec-WebSocket-Version: 8",
        b"Sec-WebSocket-Protocol: a, b",
        b"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits",
        b"Origin: https://example.com",
        b" folded",
        b"X\x00: y",
        b"Content-Length: 3",
    ]
)
heads = st.lists(opening_lines, max_size=8).map(
    lambda lines: b"\r\n".join([b"GET /chat HTTP/1.1", *lines]) + b"\r\n\r\n"
)
inputs = st.binary(max_size=100) | heads | st.tuples(heads, st.binary(max_size=30)).map(b"".join)


def read(pieces: list[bytes], kind: str) -> Any:
    """Feed ``pieces``; return what came of it in a form that can be compared."""
    reader = HeadReader(LIMITS)
    try:
        for piece in pieces:
            reader.feed(piece)
        head = reader.request() if kind == "request" else reader.response()
    except HandshakeError as error:
        return error.status
    return head, reader.rest


@given(st.data(), inputs, st.sampled_from(["request", "response"]))
def test_9112_head_does_not_depend_on_cuts(data: st.DataObject, wire: bytes, kind: str) -> None:
    whole = read([wire], kind)
    assert read([wire[index : index + 1] for index in range(len(wire))], kind) == whole
    assert read(data.draw(cuts(wire)), kind) == whole


@given(tokens, st.text("!~/?=%aZ09", min_size=1, max_size=20), fields)
def test_request_can_be_read_again(method: str, target: str, headers: Headers) -> None:
    reader = HeadReader()
    assert reader.feed(serialize_head(RequestHead(method, target, "1.1", headers)) + b"rest")
    assert reader.request() == RequestHead(method, target, "1.1", headers)
    assert reader.rest == b"rest"


@given(st.integers(100, 999), values, fields)
def test_response_can_be_read_again(status: int, reason: str, headers: Headers) -> None:
    reader = HeadReader()
    assert reader.feed(serialize_head(ResponseHead(status, reason, headers)))
    assert reader.response() == ResponseHead(status, reason, headers)


@given(inputs)
def test_6455_4_2_any_request_is_accepted_or_refused(wire: bytes) -> None:
    reader = HeadReader()
    try:
        if not reader.feed(wire):
            return
        accepted = accept_request(reader.request(), deflate=DeflateOptions(), subprotocols=["b"])
    except HandshakeError as error:
        assert error.status in (400, 405, 426, 431, 505)
        assert error.message
        # Every refusal can be sent as it is.
        assert HeadReader().feed(serialize_head(error.response()))
        return
    assert accepted.response.status == 101
    assert HeadReader().feed(serialize_head(accepted.response))


parameters = st.tuples(tokens, st.none() | tokens)
extensions = st.lists(
    st.builds(Extension, tokens, st.lists(parameters, max_size=3).map(tuple)), max_size=4
)


@given(extensions)
def test_6455_9_1_extensions_can_be_read_again(offered: list[Extension]) -> None:
    assert parse_extensions([format_extensions(offered)]) == offered
    assert parse_extensions([format_extensions([each]) for each in offered]) == offered


@given(st.text(st.sampled_from('ab;,= "\\\t\xe9'), max_size=25))
def test_6455_9_1_any_value_is_read_or_refused(value: str) -> None:
    try:
        offered = parse_extensions([value])
    except HeaderValueError as error:
        assert "at character" in str(error)
        return
    assert parse_extensions([format_extensions(offered)]) == offered


@given(st.text(max_size=30) | st.text("ws:/@#?[]%h.é0-1", max_size=20).map("ws://".__add__))
def test_6455_3_any_uri_is_read_or_refused(text: str) -> None:
    try:
        uri = parse_uri(text)
    except UriError as error:
        assert str(error)
        return
    # What was read can be sent, and means itself.
    head = RequestHead("GET", uri.target, "1.1", Headers({"Host": uri.authority}))
    assert serialize_head(head)
    again = parse_uri(str(uri))
    assert (again.secure, again.host, again.port, again.target) == (
        uri.secure,
        uri.host,
        uri.port,
        uri.target,
    )
