"""The client's side of the opening handshake (RFC 6455 section 4.1)."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

import pytest

from longwire.base.headers import Headers
from longwire.websocket.deflate import DeflateOptions
from longwire.websocket.handshake import (
    ClientHandshake,
    HandshakeError,
    HeadReader,
    ResponseHead,
    UriError,
    accept_request,
    serialize_head,
)
from tests.unit.websocket.wire import cut, seeded


def sample_nonce(count: int) -> bytes:
    # RFC 6455 section 1.3.
    assert count == 16
    return b"the sample nonce"


ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


def opening(uri: str = "ws://server.example.com/chat", **options: Any) -> ClientHandshake:
    return ClientHandshake(uri, entropy=sample_nonce, **options)


def response(
    *, without: Sequence[str] = (), extra: Sequence[tuple[str, str]] = (), status: int = 101
) -> ResponseHead:
    fields = [
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Accept", ACCEPT),
    ]
    kept = [field for field in fields if field[0] not in without]
    return ResponseHead(status, "Switching Protocols", Headers([*kept, *extra]))


def refused(handshake: ClientHandshake, head: ResponseHead) -> HandshakeError:
    with pytest.raises(HandshakeError) as caught:
        handshake.check_response(head)
    assert caught.value.status == head.status
    assert caught.value.headers == head.headers
    return caught.value


class TestRequest:
    def test_6455_4_1_request_has_what_it_must(self) -> None:
        request = opening().request
        assert (request.method, request.target, request.version) == ("GET", "/chat", "1.1")
        assert request.headers.items() == [
            ("Host", "server.example.com"),
            ("Upgrade", "websocket"),
            ("Connection", "Upgrade"),
            ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
            ("Sec-WebSocket-Version", "13"),
            ("User-Agent", "longwire"),
        ]

    def test_request_bytes_are_a_request(self) -> None:
        data = opening("ws://h:81/a?b", user_agent=None).request_bytes()
        assert data.startswith(b"GET /a?b HTTP/1.1\r\nHost: h:81\r\nUpgrade: websocket\r\n")
        assert data.endswith(b"\r\nSec-WebSocket-Version: 13\r\n\r\n")

    def test_6455_4_1_key_is_16_fresh_bytes(self) -> None:
        entropy = seeded()
        keys = {
            ClientHandshake("ws://h/", entropy=entropy).request.headers["Sec-WebSocket-Key"]
            for _ in range(10)
        }
        assert len(keys) == 10
        assert all(len(base64.b64decode(key)) == 16 for key in keys)

    def test_options_become_headers(self) -> None:
        headers = opening(
            origin="https://example.com",
            subprotocols=["chat", "superchat"],
            deflate=DeflateOptions(client_max_window_bits=None, server_max_window_bits=None),
            user_agent="test/1",
            headers={"X-Extra": "1", "Cookie": "a=b"},
        ).request.headers
        assert headers["Origin"] == "https://example.com"
        assert headers["Sec-WebSocket-Protocol"] == "chat, superchat"
        assert headers["Sec-WebSocket-Extensions"].startswith("permessage-deflate; ")
        assert headers["User-Agent"] == "test/1"
        assert (headers["X-Extra"], headers["Cookie"]) == ("1", "a=b")

    def test_ipv6_host_has_brackets(self) -> None:
        assert opening("ws://[::1]:81/").request.headers["Host"] == "[::1]:81"

    def test_user_in_the_uri_becomes_basic_authorization(self) -> None:
        headers = opening("ws://Aladdin:open%20sesame@h/").request.headers
        # RFC 7617 section 2.
        assert headers["Authorization"] == "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="

    @pytest.mark.parametrize("name", ["Host", "Origin", "User-Agent", "authorization"])
    def test_own_headers_replace_ours(self, name: str) -> None:
        headers = opening(
            "ws://u:p@h/", origin="https://a.example", headers={name: "mine"}
        ).request.headers
        assert headers.get_all(name) == ["mine"]

    @pytest.mark.parametrize(
        "name",
        [
            "Upgrade",
            "Connection",
            "sec-websocket-key",
            "Sec-WebSocket-Extensions",
            "Content-Length",
        ],
    )
    def test_headers_of_the_handshake_cannot_be_set(self, name: str) -> None:
        with pytest.raises(ValueError, match=name.lower()):
            opening(headers={name: "x"})

    @pytest.mark.parametrize("subprotocols", [["a", "a"], ["a b"], [""], ["a,b"], ["é"]])
    def test_6455_4_1_subprotocols_are_different_tokens(self, subprotocols: list[str]) -> None:
        with pytest.raises(ValueError):
            opening(subprotocols=subprotocols)

    def test_one_string_is_not_a_list_of_subprotocols(self) -> None:
        with pytest.raises(TypeError, match="sequence"):
            opening(subprotocols="chat")

    def test_bad_uri_is_refused(self) -> None:
        with pytest.raises(UriError):
            opening("http//nothing")

    def test_header_that_would_split_the_request_is_refused(self) -> None:
        with pytest.raises(ValueError, match="X-Evil"):
            opening(headers={"X-Evil": "a\r\nInjected: b"}).request_bytes()


class TestResponse:
    def test_6455_4_1_client_takes_the_example(self, way: str) -> None:
        reader = HeadReader(expects="response")
        for piece in cut(serialize_head(response()) + b"\x81\x00", way):
            done = reader.feed(piece)
        assert done
        accepted = opening().check_response(reader.response())
        assert accepted.subprotocol is None and accepted.deflate is None
        assert accepted.response.status == 101
        assert reader.rest == b"\x81\x00"

    @pytest.mark.parametrize(
        "fields",
        [
            [("upgrade", "WebSocket"), ("connection", "UPGRADE")],
            [("Upgrade", "websocket"), ("Connection", "keep-alive, Upgrade")],
            [("Upgrade", "websocket"), ("Connection", "x"), ("Connection", "upgrade")],
        ],
    )
    def test_6455_4_1_upgrade_and_connection_ignore_case(
        self, fields: list[tuple[str, str]]
    ) -> None:
        opening().check_response(response(without=("Upgrade", "Connection"), extra=fields))

    @pytest.mark.parametrize("status", [200, 301, 302, 400, 401, 403, 404, 426, 500, 503])
    def test_6455_4_1_other_statuses_are_refused(self, status: int) -> None:
        error = refused(opening(), ResponseHead(status, "Why", Headers([("Location", "/x")])))
        assert f"the server answered {status} Why" in error.message
        assert error.headers["Location"] == "/x"

    @pytest.mark.parametrize("extra", [[], [("Upgrade", "h2c")], [("Upgrade", "websocket, h2c")]])
    def test_6455_4_1_upgrade_must_be_websocket(self, extra: list[tuple[str, str]]) -> None:
        error = refused(opening(), response(without=["Upgrade"], extra=extra))
        assert "Upgrade" in error.message

    @pytest.mark.parametrize("extra", [[], [("Connection", "keep-alive")], [("Connection", "a b")]])
    def test_6455_4_1_connection_must_hold_upgrade(self, extra: list[tuple[str, str]]) -> None:
        error = refused(opening(), response(without=["Connection"], extra=extra))
        assert "Connection" in error.message

    @pytest.mark.parametrize(
        "values", [[], [ACCEPT, ACCEPT], [ACCEPT.lower()], ["x"], [""], [ACCEPT + "="]]
    )
    def test_6455_4_1_accept_must_belong_to_our_key(self, values: list[str]) -> None:
        extra = [("Sec-WebSocket-Accept", value) for value in values]
        error = refused(opening(), response(without=["Sec-WebSocket-Accept"], extra=extra))
        assert "Sec-WebSocket-Accept" in error.message

    def test_6455_4_1_subprotocol_we_offered(self) -> None:
        handshake = opening(subprotocols=["a", "b"])
        accepted = handshake.check_response(response(extra=[("Sec-WebSocket-Protocol", "b")]))
        assert accepted.subprotocol == "b"
        assert handshake.check_response(response()).subprotocol is None

    @pytest.mark.parametrize("values", [["c"], ["A"], ["a", "b"], ["a, b"], ["a b"], [""]])
    def test_6455_4_1_other_subprotocols_are_refused(self, values: list[str]) -> None:
        extra = [("Sec-WebSocket-Protocol", value) for value in values]
        error = refused(opening(subprotocols=["a", "b"]), response(extra=extra))
        assert "subprotocol" in error.message or "Sec-WebSocket-Protocol" in error.message

    def test_6455_4_1_subprotocol_nobody_offered_is_refused(self) -> None:
        error = refused(opening(), response(extra=[("Sec-WebSocket-Protocol", "chat")]))
        assert "'chat'" in error.message

    def test_7692_5_deflate_is_agreed(self) -> None:
        extra = [("Sec-WebSocket-Extensions", "permessage-deflate; server_max_window_bits=10")]
        accepted = opening(deflate=DeflateOptions()).check_response(response(extra=extra))
        assert accepted.deflate is not None
        assert accepted.deflate.server_max_window_bits == 10
        assert opening(deflate=DeflateOptions()).check_response(response()).deflate is None

    @pytest.mark.parametrize(
        ("value", "sentence"),
        [
            ("foo", "foo"),
            ("permessage-deflate, foo", "foo"),
            ("permessage-deflate, permessage-deflate", "twice"),
            ("permessage-deflate; unknown", "unknown"),
            ("permessage-deflate; server_max_window_bits=99", "99"),
            ("permessage-deflate; client_max_window_bits=7", "7"),
            ("permessage-deflate;", "name of a parameter"),
        ],
    )
    def test_6455_4_1_other_extensions_are_refused(self, value: str, sentence: str) -> None:
        handshake = opening(deflate=DeflateOptions(client_max_window_bits=12))
        error = refused(handshake, response(extra=[("Sec-WebSocket-Extensions", value)]))
        assert sentence in error.message

    def test_6455_4_1_extension_nobody_offered_is_refused(self) -> None:
        extra = [("Sec-WebSocket-Extensions", "permessage-deflate")]
        assert "not offered" in refused(opening(), response(extra=extra)).message


def test_client_and_server_of_ours_agree(way: str) -> None:
    handshake = ClientHandshake(
        "wss://u:p@example.com:8443/a?b=c",
        entropy=seeded(),
        origin="https://example.com",
        subprotocols=["x", "y"],
        deflate=DeflateOptions(),
    )
    reader = HeadReader(expects="request")
    for piece in cut(handshake.request_bytes(), way):
        reader.feed(piece)
    accepted = accept_request(
        reader.request(), subprotocols=["y"], deflate=DeflateOptions(server_max_window_bits=10)
    )
    answer = HeadReader(expects="response")
    for piece in cut(serialize_head(accepted.response), way):
        answer.feed(piece)
    got = handshake.check_response(answer.response())
    assert got.subprotocol == accepted.subprotocol == "y"
    assert got.deflate == accepted.deflate is not None
