"""What holds for every origin and every pattern."""

from __future__ import annotations

from hypothesis import assume, given
from hypothesis import strategies as st

from longwire.identity.origins import OriginPolicy, parse_origin

labels = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,8}[a-z0-9])?", fullmatch=True)
hosts = st.lists(labels, min_size=1, max_size=4).map(".".join)
schemes = st.sampled_from(["http", "https"])
ports = st.none() | st.integers(1, 65535)


def spell(scheme: str, host: str, port: int | None) -> str:
    return f"{scheme}://{host}" + ("" if port is None else f":{port}")


def default(scheme: str, port: int | None) -> int:
    return {"http": 80, "https": 443}[scheme] if port is None else port


@given(st.text() | st.text(alphabet="htps:/.*[]@ \r\n0a-"))
def test_any_text_is_parsed_or_refused(text: str) -> None:
    origin = parse_origin(text)
    policy = OriginPolicy(["same", "https://example.com", "*.example.com", "null"])
    answer = policy.is_allowed(text, scheme="http", host="ws.test")
    if origin is None and text != "null":
        assert answer is False


@given(schemes, hosts, ports, schemes, hosts, ports)
def test_exact_pattern_matches_its_origin_alone(
    scheme: str, host: str, port: int | None, scheme2: str, host2: str, port2: int | None
) -> None:
    policy = OriginPolicy([spell(scheme, host, port)])
    assert policy.is_allowed(spell(scheme, host, port), scheme="http", host="x")
    is_equal = (scheme, host, default(scheme, port)) == (scheme2, host2, default(scheme2, port2))
    assert policy.is_allowed(spell(scheme2, host2, port2), scheme="http", host="x") is is_equal


@given(schemes, hosts, ports, hosts)
def test_wildcard_matches_subdomains_alone(
    scheme: str, host: str, port: int | None, other: str
) -> None:
    policy = OriginPolicy([spell(scheme, f"*.{host}", port)])
    assert policy.is_allowed(spell(scheme, f"{other}.{host}", port), scheme="http", host="x")
    assert not policy.is_allowed(spell(scheme, host, port), scheme="http", host="x")
    assert not policy.is_allowed(spell(scheme, f"{other}{host}", port), scheme="http", host="x")
    assume(not other.endswith(f".{host}"))
    assert not policy.is_allowed(spell(scheme, other, port), scheme="http", host="x")


@given(schemes, hosts, ports, hosts, ports)
def test_same_matches_the_host_header_alone(
    scheme: str, host: str, port: int | None, host2: str, port2: int | None
) -> None:
    policy = OriginPolicy(["same"])
    header = host2 if port2 is None else f"{host2}:{port2}"
    is_equal = host == host2 and default(scheme, port) == default(scheme, port2)
    answer = policy.is_allowed(spell(scheme, host, port), scheme=scheme, host=header)
    assert answer is is_equal


@given(st.lists(st.sampled_from(["same", "null", "https://example.com", "*.test"])))
def test_missing_origin_is_always_allowed(patterns: list[str]) -> None:
    assert OriginPolicy(patterns).is_allowed(None, scheme="http", host=None)
