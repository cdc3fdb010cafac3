"""Heads of requests and responses: read strictly and incrementally (RFC 9112 sections 2 to 5)."""

from __future__ import annotations

import pytest

from longwire.base.headers import Headers
from longwire.base.limits import WebSocketLimits
from longwire.websocket.head import (
    HandshakeError,
    HeadReader,
    RequestHead,
    ResponseHead,
    serialize_head,
)
from tests.unit.websocket.wire import cut

REQUEST = (
    b"GET /chat?a=b HTTP/1.1\r\nHost: example.com\r\nX:  padded \t\r\nEmpty:\r\nx: again\r\n\r\n"
)


def read(data: bytes, way: str, limits: WebSocketLimits | None = None) -> HeadReader:
    """Feed ``data``; return the reader, which must have found the end."""
    reader = HeadReader(limits)
    done = False
    for piece in cut(data, way):
        done = reader.feed(piece)
    assert done
    return reader


def refused(data: bytes, way: str, limits: WebSocketLimits | None = None) -> HandshakeError:
    """Feed ``data`` and read a request; return the error this gives."""
    reader = HeadReader(limits)
    with pytest.raises(HandshakeError) as caught:
        for piece in cut(data, way):
            reader.feed(piece)
        reader.request()
    return caught.value


class TestRequests:
    def test_9112_3_request_is_read(self, way: str) -> None:
        request = read(REQUEST, way).request()
        assert (request.method, request.target, request.version) == ("GET", "/chat?a=b", "1.1")
        assert request.headers.items() == [
            ("Host", "example.com"),
            ("X", "padded"),
            ("Empty", ""),
            ("x", "again"),
        ]
        assert request.headers.get_all("X") == ["padded", "again"]

    def test_what_follows_the_head_is_kept(self, way: str) -> None:
        reader = read(REQUEST + b"\x81\x80key!", way)
        assert reader.rest == b"\x81\x80key!"
        assert reader.feed(b"more")
        assert reader.rest == b"\x81\x80key!more"

    def test_head_without_headers(self, way: str) -> None:
        assert len(read(b"GET / HTTP/1.0\r\n\r\n", way).request().headers) == 0

    def test_9112_2_2_empty_line_before_the_request_is_skipped(self, way: str) -> None:
        assert read(b"\r\n" + REQUEST, way).request().method == "GET"

    def test_9110_5_5_values_are_octets(self, way: str) -> None:
        request = read(b"GET / HTTP/1.1\r\nX: \xe9\xff\ttab\r\n\r\n", way).request()
        assert request.headers["X"] == "\xe9\xff\ttab"

    def test_reader_in_other_buffers(self) -> None:
        for kind in (bytearray, memoryview):
            reader = HeadReader()
            assert reader.feed(kind(REQUEST + b"rest"))
            assert reader.rest == b"rest"

    def test_incomplete_head_cannot_be_read(self) -> None:
        reader = HeadReader()
        assert not reader.feed(REQUEST[:-1])
        with pytest.raises(HandshakeError, match="not complete"):
            reader.request()

    @pytest.mark.parametrize(
        "line",
        [
            b"",
            b"GET",
            b"GET /",
            b"GET  / HTTP/1.1",
            b"GET /  HTTP/1.1",
            b" GET / HTTP/1.1",
            b"GET / HTTP/1.1 ",
            b"GET / HTTP/11",
            b"GET / http/1.1",
            b"GET / HTTP/1.x",
            b"GET /\x00 HTTP/1.1",
            b"GET /\xe9 HTTP/1.1",
            b"GET /a b HTTP/1.1",
            b"G@T / HTTP/1.1",
            b"GET\t/\tHTTP/1.1",
        ],
    )
    def test_9112_3_malformed_request_line_is_400(self, way: str, line: bytes) -> None:
        assert refused(line + b"\r\nHost: x\r\n\r\n", way).status == 400

    @pytest.mark.parametrize("version", [b"2.0", b"3.0", b"0.9"])
    def test_other_versions_are_505(self, way: str, version: bytes) -> None:
        error = refused(b"GET / HTTP/" + version + b"\r\nHost: x\r\n\r\n", way)
        assert error.status == 505
        assert version.decode() in error.message


class TestRefusedHeaders:
    @pytest.mark.parametrize(
        ("line", "sentence"),
        [
            (b"no colon", "not a header name and a colon"),
            (b": no name", "not a header name and a colon"),
            (b"Name : x", "not a header name and a colon"),
            (b"Na me: x", "not a header name and a colon"),
            (b"N\xe4me: x", "not a header name and a colon"),
            (b"Name\x00: x", "not a header name and a colon"),
            (b" folded: x", "folded"),
            (b"\tfolded", "folded"),
            (b"Name: a\x00b", "control characters"),
            (b"Name: a\x7fb", "control characters"),
            (b"Name: \x1b[31m", "control characters"),
        ],
    )
    def test_9112_5_malformed_header_is_400(self, way: str, line: bytes, sentence: str) -> None:
        error = refused(b"GET / HTTP/1.1\r\nHost: x\r\n" + line + b"\r\n\r\n", way)
        assert error.status == 400
        assert sentence in error.message

    @pytest.mark.parametrize(
        ("data", "sentence"),
        [
            (b"GET / HTTP/1.1\nHost: x\n\n", "LF without CR"),
            (b"GET / HTTP/1.1\r\nHost: x\nY: z\r\n\r\n", "LF without CR"),
            (b"GET / HTTP/1.1\r\nHost: x\r\n\n", "LF without CR"),
            (b"GET / HTTP/1.1\r\nHost: a\rb\r\n\r\n", "CR stands alone"),
            (b"GET / HTTP/1.1\r\nHost: a\r\r\n\r\n", "CR stands alone"),
            (b"\r\r\n\r\n", "CR stands alone"),
        ],
    )
    def test_9112_2_2_bare_cr_and_lf_are_400(self, way: str, data: bytes, sentence: str) -> None:
        error = refused(data, way)
        assert error.status == 400
        assert sentence in error.message

    def test_9112_2_2_bare_lf_is_refused_before_the_head_ends(self) -> None:
        reader = HeadReader()
        with pytest.raises(HandshakeError, match="LF without CR"):
            reader.feed(b"GET / HTTP/1.1\n")


class TestLimits:
    def test_head_bytes_are_limited_at_the_edge(self, way: str) -> None:
        size = len(REQUEST)
        limits = WebSocketLimits(handshake_head_bytes_max=size)
        assert read(REQUEST + b"rest that does not count", way, limits).request()
        error = refused(REQUEST, way, WebSocketLimits(handshake_head_bytes_max=size - 1))
        assert error.status == 431
        assert str(size - 1) in error.message and "handshake_head_bytes_max" in error.message

    def test_endless_head_is_refused_as_it_grows(self) -> None:
        reader = HeadReader(WebSocketLimits(handshake_head_bytes_max=1000))
        reader.feed(b"GET / HTTP/1.1\r\nX: ")
        with pytest.raises(HandshakeError) as caught:
            for _ in range(100):
                reader.feed(b"a" * 100)
        assert caught.value.status == 431

    def test_what_breaks_past_the_limit_is_not_looked_at(self, way: str) -> None:
        limits = WebSocketLimits(handshake_head_bytes_max=len(b"GET / HTTP/1.1\r\nX: yyyy"))
        for fault in (b"\nA: b", b"\rA: b", b"y\n"):
            head = b"GET / HTTP/1.1\r\nX: yyyy" + fault + b"\r\n\r\n"
            assert refused(head, way, limits).status == 431

    def test_header_count_is_limited_at_the_edge(self, way: str) -> None:
        limits = WebSocketLimits(handshake_headers_max=3)
        head = b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 3 + b"\r\n"
        assert len(read(head, way, limits).request().headers) == 3
        error = refused(b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 4 + b"\r\n", way, limits)
        assert error.status == 431
        assert "handshake_headers_max" in error.message


class TestOtherProtocols:
    @pytest.mark.parametrize("expects", ["request", "response", None])
    def test_tls_on_a_plain_connection_is_named(self, expects: str | None) -> None:
        reader = HeadReader(expects=expects)  # type: ignore[arg-type]
        with pytest.raises(HandshakeError, match="speaks TLS"):
            reader.feed(b"\x16\x03\x01\x02\x00\x01")

    def test_client_notices_another_protocol_at_once(self) -> None:
        reader = HeadReader(expects="response")
        with pytest.raises(HandshakeError, match=r"does not speak HTTP.*SSH-2\.0"):
            reader.feed(b"SSH-2.0-OpenSSH_9.2\r\n")

    def test_server_notices_binary_at_once(self) -> None:
        reader = HeadReader(expects="request")
        with pytest.raises(HandshakeError, match="0x00"):
            reader.feed(b"\x00\x01")

    @pytest.mark.parametrize("data", [b"H", b"HT", b"HTTP/1.1 1", b""])
    def test_start_of_a_response_is_waited_for(self, data: bytes) -> None:
        assert not HeadReader(expects="response").feed(data)


class TestResponses:
    @pytest.mark.parametrize(
        ("line", "status", "reason"),
        [
            (b"HTTP/1.1 101 Switching Protocols", 101, "Switching Protocols"),
            (b"HTTP/1.1 101 ", 101, ""),
            (b"HTTP/1.1 101", 101, ""),
            (b"HTTP/1.0 404 N\xe3o existe", 404, "N\xe3o existe"),
        ],
    )
    def test_9112_4_response_is_read(self, way: str, line: bytes, status: int, reason: str) -> None:
        reader = read(line + b"\r\nUpgrade: websocket\r\n\r\n\x81\x00", way)
        response = reader.response()
        assert (response.status, response.reason) == (status, reason)
        assert response.headers["upgrade"] == "websocket"
        assert reader.rest == b"\x81\x00"

    @pytest.mark.parametrize(
        "line",
        [
            b"HTTP/1.1",
            b"HTTP/1.1 1",
            b"HTTP/1.1 1010",
            b"HTTP/1.1 011 x",
            b"HTTP/1.1  101 x",
            b"HTP/1.1 101 x",
            b"101 x",
        ],
    )
    def test_9112_4_malformed_status_line_is_refused(self, way: str, line: bytes) -> None:
        with pytest.raises(HandshakeError, match="status line"):
            read(line + b"\r\n\r\n", way).response()

    def test_other_version_is_refused(self, way: str) -> None:
        with pytest.raises(HandshakeError, match=r"HTTP/2\.0"):
            read(b"HTTP/2.0 200 OK\r\n\r\n", way).response()


class TestSerializing:
    def test_head_can_be_read_again(self, way: str) -> None:
        headers = Headers([("Host", "x"), ("A", "1"), ("A", "2"), ("B", "\xe9")])
        request = read(
            serialize_head(
                RequestHead("GET", "/é".encode("ascii", "replace").decode(), "1.1", headers)
            ),
            way,
        ).request()
        assert request.headers == headers
        response = read(serialize_head(ResponseHead(426, "Upgrade Required", headers)), way)
        assert response.response() == ResponseHead(426, "Upgrade Required", headers)

    def test_body_follows_the_head(self) -> None:
        data = serialize_head(ResponseHead(400, "Bad Request", Headers(), b"why\n"))
        assert data == b"HTTP/1.1 400 Bad Request\r\n\r\nwhy\n"

    @pytest.mark.parametrize(
        "head",
        [
            RequestHead("GET", "/a b"),
            RequestHead("GET", "/\r\nX: y"),
            RequestHead("G\r\nT", "/"),
            RequestHead("GET", "/", "1.1", Headers([("X", "a\r\nInjected: b")])),
            RequestHead("GET", "/", "1.1", Headers([("X", "a\n")])),
            RequestHead("GET", "/", "1.1", Headers([("X: y\r\nZ", "a")])),
            RequestHead("GET", "/", "1.1", Headers([("", "a")])),
            RequestHead("GET", "/", "1.1", Headers([("X", "☃")])),
            ResponseHead(200, "OK\r\nX: y"),
            ResponseHead(99, "Low"),
            ResponseHead(200, "OK", Headers([("X", "a\x00")])),
        ],
    )
    def test_9112_11_1_nothing_can_split_a_head(self, head: RequestHead | ResponseHead) -> None:
        with pytest.raises(ValueError):
            serialize_head(head)


class TestHandshakeError:
    def test_response_carries_the_sentence(self) -> None:
        error = HandshakeError(405, "use GET", [("Allow", "GET")])
        response = error.response()
        assert (response.status, response.reason) == (405, "Method Not Allowed")
        assert response.body == b"use GET\n"
        assert response.headers["Allow"] == "GET"
        assert response.headers["Content-Length"] == "8"
        assert response.headers["Connection"] == "close"
        assert error.headers.items() == [("Allow", "GET")]

    def test_response_keeps_upgrade_in_connection(self) -> None:
        error = HandshakeError(426, "no", [("Connection", "Upgrade"), ("Upgrade", "websocket")])
        assert error.response().headers["Connection"] == "Upgrade, close"
