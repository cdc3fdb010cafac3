"""The grammar of list headers (RFC 9110 section 5.6, RFC 6455 section 9.1)."""

from __future__ import annotations

import pytest

from longwire.base.headers import Headers
from longwire.websocket.extensions import (
    Extension,
    HeaderValueError,
    format_extensions,
    has_token,
    parse_extensions,
    parse_protocols,
    parse_tokens,
)


class TestTokens:
    @pytest.mark.parametrize(
        ("values", "tokens"),
        [
            ([], []),
            ([""], []),
            (["a"], ["a"]),
            (["a,b"], ["a", "b"]),
            (["a , \tb", " c"], ["a", "b", "c"]),
            ([",,a,, ,b,"], ["a", "b"]),
            (["keep-alive, Upgrade"], ["keep-alive", "Upgrade"]),
            (["!#$%&'*+-.^_`|~09azAZ"], ["!#$%&'*+-.^_`|~09azAZ"]),
        ],
    )
    def test_9110_5_6_1_lists_are_read(self, values: list[str], tokens: list[str]) -> None:
        assert parse_tokens("X", values) == tokens

    @pytest.mark.parametrize("value", ["a b", "a;b", '"a"', "é", "a/b", "(a)", "a=b", "a\x00", "@"])
    def test_9110_5_6_2_other_characters_are_refused(self, value: str) -> None:
        with pytest.raises(HeaderValueError, match=r"Some-Header: .* at character \d+ of"):
            parse_tokens("Some-Header", [value])

    def test_error_says_where(self) -> None:
        with pytest.raises(HeaderValueError, match="a comma is expected at character 3 of 'a b'"):
            parse_tokens("X", ["a b"])

    def test_has_token_ignores_case_and_order(self) -> None:
        headers = Headers([("Connection", "keep-alive"), ("connection", "UPGRADE, x")])
        assert has_token(headers, "Connection", "upgrade")
        assert has_token(headers, "Connection", "keep-alive")
        assert not has_token(headers, "Connection", "close")
        assert not has_token(headers, "Upgrade", "upgrade")

    def test_9110_7_8_protocols_may_have_versions(self) -> None:
        assert parse_protocols(["HTTP/2.0, SHTTP/1.3", "websocket"]) == [
            "HTTP/2.0",
            "SHTTP/1.3",
            "websocket",
        ]
        for value in ("a/", "/b", "a/b/c"):
            with pytest.raises(HeaderValueError):
                parse_protocols([value])


class TestExtensions:
    @pytest.mark.parametrize(
        ("values", "extensions"),
        [
            ([], []),
            (["foo"], [Extension("foo")]),
            (["foo, bar; baz=2"], [Extension("foo"), Extension("bar", (("baz", "2"),))]),
            (
                ["deflate-stream", "mux; max-channels=4; flow-control, deflate-stream"],
                [
                    Extension("deflate-stream"),
                    Extension("mux", (("max-channels", "4"), ("flow-control", None))),
                    Extension("deflate-stream"),
                ],
            ),
            (['foo; x="quoted"'], [Extension("foo", (("x", "quoted"),))]),
            (['foo; x="q\\uot\\ed"; y'], [Extension("foo", (("x", "quoted"), ("y", None)))]),
            ([" foo ;\tx = 1 ,, bar"], [Extension("foo", (("x", "1"),)), Extension("bar")]),
            (["foo; x; x=1"], [Extension("foo", (("x", None), ("x", "1")))]),
        ],
    )
    def test_6455_9_1_lists_are_read(self, values: list[str], extensions: list[Extension]) -> None:
        assert parse_extensions(values) == extensions

    @pytest.mark.parametrize(
        "value",
        [
            "foo;",
            "foo; =1",
            "foo; x=",
            "foo bar",
            'foo; x="',
            'foo; x="a b"',
            'foo; x=""',
            'foo; x="a\\"b"',
            'foo; x="\\',
            '"foo"',
            "foo; x=1 2",
            "foo=1",
            ";x",
            "foo; x==1",
        ],
    )
    def test_6455_9_1_other_values_are_refused(self, value: str) -> None:
        with pytest.raises(HeaderValueError, match=r"Sec-WebSocket-Extensions: .* at character"):
            parse_extensions([value])

    def test_format_can_be_read_again(self) -> None:
        extensions = [
            Extension("a"),
            Extension("b", (("x", None), ("y", "2"))),
            Extension("c", (("z", "tok"),)),
        ]
        assert format_extensions(extensions) == "a, b; x; y=2, c; z=tok"
        assert parse_extensions([format_extensions(extensions)]) == extensions
