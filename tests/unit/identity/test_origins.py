"""The Origin allow-list (RFC 6454, RFC 6455 section 10.2)."""

from __future__ import annotations

import pytest

from longwire.base.errors import ConfigError
from longwire.identity.origins import Origin, OriginPolicy, parse_authority, parse_origin


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://example.com", Origin("https", "example.com", 443)),
        ("http://example.com", Origin("http", "example.com", 80)),
        ("http://example.com:80", Origin("http", "example.com", 80)),
        ("http://localhost:3000", Origin("http", "localhost", 3000)),
        ("HTTPS://Example.COM", Origin("https", "example.com", 443)),
        ("http://[0:0::1]:8080", Origin("http", "[::1]", 8080)),
        ("capacitor://localhost", Origin("capacitor", "localhost", None)),
        ("null", None),
        ("", None),
        ("example.com", None),
        ("https://", None),
        ("https://a.example https://b.example", None),
        ("https://user@example.com", None),
        ("https://example.com/path", None),
        ("https://example.com/", None),
        ("https://example.com:65536", None),
        ("https://example.com:x", None),
        ("https://exa mple.com", None),
        ("https://[::1", None),
        ("https://[12345::]", None),
        ("https://example.com\n", None),
    ],
)
def test_6454_7_parser_reads_origin(text: str, expected: Origin | None) -> None:
    assert parse_origin(text) == expected


def test_3986_3_2_3_authority_may_have_empty_port() -> None:
    assert parse_authority("example.com:") == ("example.com", None)


def allowed(patterns: list[str], origin: str | None, host: str = "ws.test", scheme: str = "http"):
    return OriginPolicy(patterns).is_allowed(origin, scheme=scheme, host=host)


def test_policy_allows_missing_origin() -> None:
    assert allowed([], None)


@pytest.mark.parametrize(
    ("origin", "scheme", "host", "expected"),
    [
        ("http://ws.test", "http", "ws.test", True),
        ("http://ws.test", "http", "ws.test:80", True),
        ("http://ws.test:80", "http", "ws.test", True),
        ("http://ws.test:8080", "http", "ws.test:8080", True),
        ("http://WS.test", "http", "ws.TEST", True),
        ("http://ws.test:8081", "http", "ws.test:8080", False),
        ("http://other.test", "http", "ws.test", False),
        ("https://ws.test", "https", "ws.test", True),
        ("https://ws.test", "https", "ws.test:443", True),
        # a proxy ended TLS
        ("https://ws.test", "http", "ws.test", True),
        # a page that anyone on the wire could have written
        ("http://ws.test", "https", "ws.test", False),
        ("http://ws.test:443", "https", "ws.test:443", False),
        ("http://ws.test", "http", None, False),
        ("http://ws.test", "http", "", False),
        ("http://[::1]:8080", "http", "[::1]:8080", True),
        ("null", "http", "ws.test", False),
        ("chrome-extension://ws.test", "http", "ws.test", False),
    ],
)
def test_6454_5_same_compares_scheme_host_and_port(
    origin: str, scheme: str, host: str | None, expected: bool
) -> None:
    policy = OriginPolicy(["same"])
    assert policy.is_allowed(origin, scheme=scheme, host=host) is expected


@pytest.mark.parametrize(
    ("pattern", "origin", "expected"),
    [
        ("https://example.com", "https://example.com", True),
        ("https://example.com", "https://example.com:443", True),
        ("https://example.com:443", "https://example.com", True),
        ("https://example.com", "http://example.com", False),
        ("https://example.com", "https://example.com:8443", False),
        ("https://example.com", "https://www.example.com", False),
        ("https://example.com", "https://example.com.evil.test", False),
        ("https://EXAMPLE.com", "https://example.com", True),
        ("https://*.example.com", "https://a.example.com", True),
        ("https://*.example.com", "https://a.b.example.com", True),
        ("https://*.example.com", "https://example.com", False),
        ("https://*.example.com", "https://evilexample.com", False),
        ("https://*.example.com", "https://.example.com", False),
        ("https://*.example.com", "https://a.example.com:444", False),
        ("https://*.example.com:*", "https://a.example.com:444", True),
        ("*.example.com", "http://a.example.com", True),
        ("*.example.com", "https://a.example.com", True),
        ("*.example.com", "gopher://a.example.com", False),
        ("example.com", "https://example.com", True),
        ("example.com:8080", "http://example.com:8080", True),
        ("http://localhost:*", "http://localhost:5173", True),
        ("http://localhost:*", "http://localhost", True),
        ("http://localhost:*", "http://localhost.evil.test:80", False),
        ("capacitor://localhost", "capacitor://localhost", True),
        ("https://bücher.example", "https://xn--bcher-kva.example", True),
        ("null", "null", True),
        ("https://example.com", "null", False),
        ("*", "null", True),
        ("*", "https://anything.test", True),
        ("*", "not an origin", True),
        ("https://[0::1]:8443", "https://[::1]:8443", True),
    ],
)
def test_pattern_matches_origin(pattern: str, origin: str, expected: bool) -> None:
    assert allowed([pattern], origin) is expected


@pytest.mark.parametrize(
    ("pattern", "hint"),
    [
        ("https://example.com/", "leave the slash out"),
        ("https://example.com/app", "an origin such as"),
        ("wss://example.com", "write https://example.com"),
        ("ws://localhost:*", "write http://localhost:*"),
        ("https://*", "an origin such as"),
        ("https://a.*.example.com", "an origin such as"),
        ("", "an origin such as"),
        ("https://exa mple.com", "an origin such as"),
        ("1://example.com", "an origin such as"),
        ("https://*.[::1]", "an origin such as"),
        ("https://" + "ü" * 70, "an origin such as"),
    ],
)
def test_policy_refuses_what_is_no_pattern(pattern: str, hint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        OriginPolicy([pattern])
    assert hint in caught.value.hint
    assert f'"{pattern}"' in caught.value.message
