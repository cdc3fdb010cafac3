"""The hosts that a server answers for."""

from __future__ import annotations

import pytest

from longwire.base.errors import ConfigError
from longwire.server.config import SettingsError, load_settings
from longwire.server.hosts import HostList


@pytest.mark.parametrize(
    ("authority", "is_ours"),
    [
        ("example.com", True),
        ("EXAMPLE.com:8443", True),
        ("example.com.", True),
        ("example.com:", True),
        ("www.example.com", False),
        ("example.com.evil.test", False),
        ("a.example.org", True),
        ("a.b.example.org:1", True),
        ("example.org", False),
        ("badexample.org", False),
        ("[0:0::1]:80", True),
        ("[::2]", False),
        ("", False),
        ("example.com:x", False),
    ],
)
def test_name_counts_without_its_port(authority: str, is_ours: bool) -> None:
    assert HostList(["Example.com", "*.example.org", "[::1]"]).has(authority) is is_ours


@pytest.mark.parametrize("pattern", ["", "*", "a b", "http://a", "a:80", "*.", "a.*.b", "[::1]:80"])
def test_what_is_no_host_is_refused(pattern: str) -> None:
    with pytest.raises(ConfigError, match="is no host"):
        HostList([pattern])


def test_wrong_setting_is_named() -> None:
    with pytest.raises(SettingsError, match=r"server\.hosts does not fit: .*a:80"):
        load_settings(None, {"LONGWIRE_HOSTS": "example.com,a:80"})
