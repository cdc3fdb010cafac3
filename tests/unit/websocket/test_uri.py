"""WebSocket URIs (RFC 6455 section 3)."""

from __future__ import annotations

from typing import Any

import pytest

from longwire.websocket.uri import UriError, WebSocketUri, parse_uri


def parts(uri: str) -> tuple[bool, str, int, str, str]:
    parsed = parse_uri(uri)
    return parsed.secure, parsed.host, parsed.port, parsed.target, parsed.authority


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("ws://localhost", (False, "localhost", 80, "/", "localhost")),
        ("ws://localhost/", (False, "localhost", 80, "/", "localhost")),
        ("wss://example.com/chat", (True, "example.com", 443, "/chat", "example.com")),
        ("WS://Example.COM/Chat", (False, "example.com", 80, "/Chat", "example.com")),
        ("ws://h:80/", (False, "h", 80, "/", "h")),
        ("wss://h:443/", (True, "h", 443, "/", "h")),
        ("ws://h:443/", (False, "h", 443, "/", "h:443")),
        ("ws://h:8080?q=1", (False, "h", 8080, "/?q=1", "h:8080")),
        ("ws://h/a/b?x=1&y=%20;z", (False, "h", 80, "/a/b?x=1&y=%20;z", "h")),
        ("ws://h/a//b/../c", (False, "h", 80, "/a//b/../c", "h")),
        ("ws://h/é?ü", (False, "h", 80, "/%C3%A9?%C3%BC", "h")),
        ('ws://h/"<>{}|\\^`', (False, "h", 80, "/%22%3C%3E%7B%7D%7C%5C%5E%60", "h")),
        ("ws://127.0.0.1:81/", (False, "127.0.0.1", 81, "/", "127.0.0.1:81")),
        ("ws://[::1]/", (False, "::1", 80, "/", "[::1]")),
        ("wss://[2001:db8::1]:8443/x", (True, "2001:db8::1", 8443, "/x", "[2001:db8::1]:8443")),
        (
            "ws://münchen.example/",
            (False, "xn--mnchen-3ya.example", 80, "/", "xn--mnchen-3ya.example"),
        ),
        ("ws://my_host-1.example./", (False, "my_host-1.example.", 80, "/", "my_host-1.example.")),
        ("http://h/", (False, "h", 80, "/", "h")),
        ("https://h/", (True, "h", 443, "/", "h")),
    ],
)
def test_6455_3_uri_is_taken_apart(uri: str, expected: tuple[bool, str, int, str, str]) -> None:
    assert parts(uri) == expected


@pytest.mark.parametrize(
    ("uri", "username", "password"),
    [
        ("ws://h/", None, None),
        ("ws://user@h/", "user", None),
        ("ws://user:pass@h/", "user", "pass"),
        ("ws://us%40er:p%3Ass@h/", "us@er", "p:ss"),
        ("ws://user:@h/", "user", ""),
    ],
)
def test_user_and_password_are_kept_apart(uri: str, username: object, password: object) -> None:
    parsed = parse_uri(uri)
    assert (parsed.username, parsed.password) == (username, password)
    assert parsed.authority == "h"
    assert "pass" not in str(parsed)


@pytest.mark.parametrize(
    ("uri", "sentence"),
    [
        ("", "neither ws:// nor wss://"),
        ("localhost:80", "neither ws:// nor wss://"),
        ("ftp://h/", "neither ws:// nor wss://"),
        ("//h/", "neither ws:// nor wss://"),
        ("ws:h/", "no //"),
        ("ws:/h/", "no //"),
        ("ws:///path", "names no host"),
        ("ws://:80/", "names no host"),
        ("ws://h/#fragment", "fragment"),
        ("ws://h/#", "fragment"),
        ("ws://h:0/", "port 0"),
        ("ws://h:65536/", "not a URI"),
        ("ws://h:abc/", "not a URI"),
        ("ws://h:-1/", "not a URI"),
        ("ws://[::1/", "not a URI"),
        ("ws://[nonsense]/", "IPv6"),
        ("ws://[fe80::1%eth0]/", "eth0"),
        ("ws://h h/", "white space"),
        ("ws://h/\r\nX: y", "white space"),
        ("ws://h/\t", "white space"),
        (" ws://h/", "white space"),
        ("ws://h<x>/", "characters in its host"),
        ("ws://a..é/", "ASCII"),
    ],
)
def test_bad_uri_is_refused_with_a_reason(uri: str, sentence: str) -> None:
    with pytest.raises(UriError) as caught:
        parse_uri(uri)
    assert sentence in str(caught.value)
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize("wrong", [None, 5, b"ws://h/"])
def test_uri_is_text(wrong: Any) -> None:
    with pytest.raises(UriError, match="text"):
        parse_uri(wrong)


@pytest.mark.parametrize(
    ("base", "reference", "expected"),
    [
        ("ws://h/a/b", "c", "ws://h/a/c"),
        ("ws://h:81/a/b", "/c?d", "ws://h:81/c?d"),
        ("ws://h/a", "//other/x", "ws://other/x"),
        ("ws://h/a", "wss://other/x", "wss://other/x"),
        ("ws://h/a", "https://other/x", "wss://other/x"),
        ("wss://h/a?b", "?c", "wss://h/a?c"),
    ],
)
def test_reference_is_resolved(base: str, reference: str, expected: str) -> None:
    assert str(parse_uri(base).resolve(reference)) == expected


def test_text_of_a_uri_means_the_same() -> None:
    for uri in ("ws://h:81/a?b", "wss://[::1]:8443/", "ws://h/%20"):
        assert str(parse_uri(uri)) == uri
        assert parse_uri(str(parse_uri(uri))) == parse_uri(uri)
    assert isinstance(parse_uri("ws://h/"), WebSocketUri)
