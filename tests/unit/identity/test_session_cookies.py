"""Cookies of sessions: only what was signed here is looked up."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longwire.identity.session_cookies import SessionCookies

COOKIES = SessionCookies("s", "a" * 32)


def test_value_is_read_with_its_secret_only() -> None:
    value = COOKIES.make_value(os.urandom)
    key = COOKIES.read(value)
    assert key is not None and len(key) == 64 and key not in value
    assert COOKIES.read(value) == key
    assert COOKIES.make_value(os.urandom) != value
    assert SessionCookies("s", "b" * 32).read(value) is None


def test_every_changed_character_is_noticed() -> None:
    value = COOKIES.make_value(os.urandom)
    for at, character in enumerate(value):
        changed = value[:at] + ("A" if character != "A" else "B") + value[at + 1 :]
        assert COOKIES.read(changed) is None
    for changed in (value[:-1], value + "A", value.replace(".", ""), "", "."):
        assert COOKIES.read(changed) is None


@given(st.text(max_size=100))
def test_any_text_is_read_or_not(text: str) -> None:
    assert COOKIES.read(text) is None


@pytest.mark.parametrize("is_secure", [True, False])
def test_6265_4_1_attributes(is_secure: bool) -> None:
    field = COOKIES.set_cookie("value", 60, is_secure=is_secure)
    name, *attributes = field.split("; ")
    assert name == "s=value"
    assert set(attributes) >= {"HttpOnly", "SameSite=Lax", "Path=/", "Max-Age=60"}
    assert ("Secure" in attributes) == is_secure
