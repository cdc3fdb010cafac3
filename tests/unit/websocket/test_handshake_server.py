"""The server's side of the opening handshake (RFC 6455 section 4.2)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from longwire.base.headers import Headers
from longwire.websocket.deflate import DeflateOptions
from longwire.websocket.handshake import (
    HandshakeError,
    HeadReader,
    RequestHead,
    accept_request,
    accept_value,
    serialize_head,
)
from tests.unit.websocket.wire import cut

# RFC 6455 section 1.3.
KEY = "dGhlIHNhbXBsZSBub25jZQ=="
ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


def request(
    *,
    without: Sequence[str] = (),
    extra: Sequence[tuple[str, str]] = (),
    method: str = "GET",
    version: str = "1.1",
) -> RequestHead:
    """Return the opening request of RFC 6455 section 1.2 with changes."""
    fields = [
        ("Host", "server.example.com"),
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Key", KEY),
        ("Sec-WebSocket-Version", "13"),
    ]
    kept = [field for field in fields if field[0] not in without]
    return RequestHead(method, "/chat", version, Headers([*kept, *extra]))


def refused(head: RequestHead, **options: Any) -> HandshakeError:
    with pytest.raises(HandshakeError) as caught:
        accept_request(head, **options)
    return caught.value


class TestAccepting:
    def test_6455_1_3_accept_value_of_the_example(self) -> None:
        assert accept_value(KEY) == ACCEPT

    def test_6455_4_2_2_server_accepts_the_example(self) -> None:
        accepted = accept_request(request())
        assert accepted.response.status == 101
        assert accepted.response.headers.items() == [
            ("Upgrade", "websocket"),
            ("Connection", "Upgrade"),
            ("Sec-WebSocket-Accept", ACCEPT),
        ]
        assert accepted.subprotocol is None and accepted.deflate is None
        assert serialize_head(accepted.response).startswith(b"HTTP/1.1 101 Switching Protocols\r\n")

    def test_request_goes_through_the_reader(self, way: str) -> None:
        reader = HeadReader()
        for piece in cut(serialize_head(request()), way):
            done = reader.feed(piece)
        assert done
        assert accept_request(reader.request()).response.status == 101

    @pytest.mark.parametrize("version", ["1.1", "1.2", "HTTP/1.1"])
    def test_6455_4_1_http_1_1_or_higher(self, version: str) -> None:
        accept_request(request(version=version))

    @pytest.mark.parametrize(
        "fields",
        [
            [("Upgrade", "WebSocket"), ("Connection", "upgrade")],
            [("upgrade", "websocket"), ("connection", "keep-alive, Upgrade")],
            [("Upgrade", "h2c, websocket"), ("Connection", "Upgrade, HTTP2-Settings")],
            [("Upgrade", "HTTP/2.0"), ("Upgrade", "websocket"), ("Connection", "Upgrade")],
            [("Upgrade", "websocket"), ("Connection", "keep-alive"), ("Connection", "Upgrade")],
            [("Upgrade", ",websocket,"), ("Connection", " , Upgrade ,")],
        ],
    )
    def test_6455_4_2_1_upgrade_and_connection_are_lists(
        self, fields: list[tuple[str, str]]
    ) -> None:
        accept_request(request(without=("Upgrade", "Connection"), extra=fields))

    def test_headers_are_added(self) -> None:
        accepted = accept_request(
            request(), headers=[("Server", "longwire"), ("Set-Cookie", "a"), ("Set-Cookie", "b")]
        )
        assert accepted.response.headers.get_all("Set-Cookie") == ["a", "b"]
        assert accepted.response.headers["Server"] == "longwire"

    @pytest.mark.parametrize(
        "name", ["Upgrade", "connection", "Sec-WebSocket-Accept", "Content-Length"]
    )
    def test_headers_of_the_handshake_cannot_be_replaced(self, name: str) -> None:
        with pytest.raises(ValueError, match=name):
            accept_request(request(), headers={name: "x"})


class TestRefusing:
    @pytest.mark.parametrize("method", ["POST", "HEAD", "PUT", "OPTIONS", "get"])
    def test_6455_4_1_other_methods_are_405(self, method: str) -> None:
        error = refused(request(method=method))
        assert error.status == 405
        assert error.headers["Allow"] == "GET"
        assert method in error.message

    def test_6455_4_1_http_1_0_is_400(self) -> None:
        error = refused(request(version="1.0"))
        assert error.status == 400
        assert "HTTP/1.1" in error.message

    @pytest.mark.parametrize("extra", [[], [("Host", "a"), ("Host", "b")]])
    def test_6455_4_2_1_one_host_or_400(self, extra: list[tuple[str, str]]) -> None:
        error = refused(request(without=["Host"], extra=extra))
        assert error.status == 400
        assert "Host" in error.message

    @pytest.mark.parametrize("extra", [[], [("Upgrade", "h2c")], [("Upgrade", "websockets")]])
    def test_9110_15_5_22_no_upgrade_is_426(self, extra: list[tuple[str, str]]) -> None:
        error = refused(request(without=["Upgrade"], extra=extra))
        assert error.status == 426
        assert error.headers["Upgrade"] == "websocket"
        assert error.headers["Connection"] == "Upgrade"
        assert "proxy" in error.message

    @pytest.mark.parametrize(
        "extra", [[], [("Connection", "keep-alive")], [("Connection", "close")]]
    )
    def test_6455_4_2_1_no_connection_upgrade_is_400(self, extra: list[tuple[str, str]]) -> None:
        error = refused(request(without=["Connection"], extra=extra))
        assert error.status == 400
        assert "Connection: Upgrade" in error.message

    @pytest.mark.parametrize("value", ["Upgrade websocket", "Upgrade; x", "\xe9"])
    def test_malformed_connection_is_400(self, value: str) -> None:
        error = refused(request(without=["Connection"], extra=[("Connection", value)]))
        assert error.status == 400
        assert "Connection" in error.message

    @pytest.mark.parametrize(
        "key",
        [
            "",
            "dGhlIHNhbXBsZSBub25j",
            "dGhlIHNhbXBsZSBub25jZQAA",
            "dGhlIHNhbXBsZSBub25jZQ",
            "dGhlIHNhbXBsZSBub25jZQ=",
            "dGhlIHNhbXBsZSBub25jZ!==",
            "dGhl IHNhbXBsZSBub25jZQ==",
            "\xe9GhlIHNhbXBsZSBub25jZQ==",
        ],
    )
    def test_6455_4_2_1_key_is_16_bytes_or_400(self, key: str) -> None:
        error = refused(request(without=["Sec-WebSocket-Key"], extra=[("Sec-WebSocket-Key", key)]))
        assert error.status == 400
        assert "Sec-WebSocket-Key" in error.message

    @pytest.mark.parametrize("count", [0, 2])
    def test_6455_11_3_1_one_key_or_400(self, count: int) -> None:
        extra = [("Sec-WebSocket-Key", KEY)] * count
        error = refused(request(without=["Sec-WebSocket-Key"], extra=extra))
        assert error.status == 400
        assert f"not {count}" in error.message

    @pytest.mark.parametrize("value", [None, "8", "7", "14", "013", "", "13, 8", "thirteen"])
    def test_6455_4_4_other_versions_are_426(self, value: str | None) -> None:
        extra = [] if value is None else [("Sec-WebSocket-Version", value)]
        error = refused(request(without=["Sec-WebSocket-Version"], extra=extra))
        assert error.status == 426
        assert error.headers["Sec-WebSocket-Version"] == "13"
        assert error.headers["Upgrade"] == "websocket"

    def test_6455_11_3_5_one_version_or_400(self) -> None:
        assert refused(request(extra=[("Sec-WebSocket-Version", "13")])).status == 400

    @pytest.mark.parametrize(
        "field",
        [("Content-Length", "5"), ("Transfer-Encoding", "chunked"), ("Content-Length", "x")],
    )
    def test_body_is_400(self, field: tuple[str, str]) -> None:
        error = refused(request(extra=[field]))
        assert error.status == 400
        assert "no body" in error.message

    def test_empty_body_is_none(self) -> None:
        accept_request(request(extra=[("Content-Length", "0")]))

    def test_refusal_can_be_sent(self) -> None:
        response = refused(request(method="POST")).response()
        data = serialize_head(response)
        assert data.startswith(b"HTTP/1.1 405 Method Not Allowed\r\n")
        assert data.endswith(b"\r\n\r\na WebSocket handshake is a GET request, not POST\n")


class TestOrigin:
    """RFC 6455 sections 4.2.2 and 10.2."""

    def allowed(self, origin: str | None) -> bool:
        return origin in (None, "https://example.com")

    def test_6455_10_2_allowed_origin_passes(self) -> None:
        accept_request(
            request(extra=[("Origin", "https://example.com")]), is_origin_allowed=self.allowed
        )
        accept_request(request(), is_origin_allowed=self.allowed)
        accept_request(request(extra=[("Origin", "https://evil.example")]))

    def test_6455_10_2_other_origin_is_403(self) -> None:
        head = request(extra=[("Origin", "https://evil.example")])
        error = refused(head, is_origin_allowed=self.allowed)
        assert error.status == 403
        assert "https://evil.example" in error.message

    def test_missing_origin_may_be_403_too(self) -> None:
        error = refused(request(), is_origin_allowed=lambda origin: origin is not None)
        assert error.status == 403
        assert "without an Origin" in error.message

    def test_two_origins_are_400(self) -> None:
        head = request(extra=[("Origin", "https://example.com"), ("Origin", "null")])
        assert refused(head, is_origin_allowed=self.allowed).status == 400

    def test_malformed_request_is_400_whatever_its_origin(self) -> None:
        head = request(without=["Sec-WebSocket-Key"], extra=[("Origin", "https://evil.example")])
        assert refused(head, is_origin_allowed=self.allowed).status == 400


class TestSubprotocols:
    """RFC 6455 sections 1.9, 4.2.2 and 11.3.4."""

    def offering(self, *values: str) -> RequestHead:
        return request(extra=[("Sec-WebSocket-Protocol", value) for value in values])

    @pytest.mark.parametrize(
        ("offers", "ours", "chosen"),
        [
            (["chat"], ["chat"], "chat"),
            (["a, b"], ["b", "a"], "b"),
            (["a", "b"], ["b"], "b"),
            (["a"], ["b"], None),
            (["a"], [], None),
            (["A"], ["a"], None),
        ],
    )
    def test_6455_4_2_2_best_of_ours_is_chosen(
        self, offers: list[str], ours: list[str], chosen: str | None
    ) -> None:
        accepted = accept_request(self.offering(*offers), subprotocols=ours)
        assert accepted.subprotocol == chosen
        assert accepted.response.headers.get("Sec-WebSocket-Protocol") == chosen

    def test_nothing_offered_nothing_chosen(self) -> None:
        assert accept_request(request(), subprotocols=["a"]).subprotocol is None

    def test_caller_may_choose(self) -> None:
        seen: list[list[str]] = []

        def choose(offered: Sequence[str]) -> str | None:
            seen.append(list(offered))
            return offered[0] if offered else None

        head = self.offering("x, y")
        accepted = accept_request(head, subprotocols=["y"], select_subprotocol=choose)
        assert accepted.subprotocol == "x"
        assert accept_request(request(), select_subprotocol=choose).subprotocol is None
        assert seen == [["x", "y"], []]

    def test_caller_may_not_choose_what_was_not_offered(self) -> None:
        with pytest.raises(ValueError, match="'z'"):
            accept_request(self.offering("x"), select_subprotocol=lambda offered: "z")

    @pytest.mark.parametrize("values", [["a b"], ["a/b"], ["\xe9"], ["a, a"], ["a", "a"], ['"a"']])
    def test_6455_11_3_4_malformed_offers_are_400(self, values: list[str]) -> None:
        error = refused(self.offering(*values), subprotocols=["a"])
        assert error.status == 400
        assert "Sec-WebSocket-Protocol" in error.message


class TestExtensions:
    def offering(self, *values: str) -> RequestHead:
        return request(extra=[("Sec-WebSocket-Extensions", value) for value in values])

    def test_7692_5_deflate_is_agreed(self) -> None:
        head = self.offering("permessage-bzip2", "permessage-deflate; client_max_window_bits")
        accepted = accept_request(head, deflate=DeflateOptions())
        assert accepted.deflate is not None
        assert accepted.response.headers["Sec-WebSocket-Extensions"] == (
            "permessage-deflate; server_no_context_takeover; client_no_context_takeover; "
            "server_max_window_bits=12; client_max_window_bits=12"
        )

    def test_6455_9_1_nothing_is_agreed_unless_both_want_it(self) -> None:
        for accepted in (
            accept_request(self.offering("permessage-deflate")),
            accept_request(request(), deflate=DeflateOptions()),
            accept_request(self.offering("foo"), deflate=DeflateOptions()),
        ):
            assert accepted.deflate is None
            assert "Sec-WebSocket-Extensions" not in accepted.response.headers

    @pytest.mark.parametrize("deflate", [None, DeflateOptions()])
    def test_6455_9_1_malformed_offers_are_400(self, deflate: DeflateOptions | None) -> None:
        error = refused(self.offering("permessage-deflate;;"), deflate=deflate)
        assert error.status == 400
        assert "Sec-WebSocket-Extensions" in error.message
