"""What streams of some names are like."""

from __future__ import annotations

import pytest

from longwire.base.errors import ConfigError
from longwire.base.limits import RetentionLimits
from longwire.hub.readers import SlowRule
from longwire.server.app import App

RETENTION = RetentionLimits(entries_max=100, bytes_max=1000, age_max_s=60.0)


def test_first_pattern_that_fits_holds():
    app = App()
    app.stream("quotes/gold", entries_max=1)
    app.stream("quotes/*", keep_latest=True, slow="latest", age_max_s=5)
    app.stream("typing/**", ephemeral=True, ttl_s=60)
    rules = app.stream_rules
    assert rules.settings(
        "quotes/gold", "application/json", RETENTION
    ).retention == RetentionLimits(entries_max=1, bytes_max=1000, age_max_s=60.0)
    quotes = rules.settings("quotes/tin", "application/json", RETENTION)
    assert (quotes.is_keep_latest, quotes.retention.age_max_s) == (True, 5)
    assert rules.slow_rule("quotes/tin") is SlowRule.LATEST
    typing = rules.settings("typing/a/b", "application/json", RETENTION)
    assert (typing.is_ephemeral, typing.ttl_s, typing.keeps_latest) == (True, 60, True)
    other = rules.settings("chat", "text/plain", RETENTION)
    assert (other.content_type, other.retention, other.is_keep_latest) == (
        "text/plain",
        RETENTION,
        False,
    )
    assert rules.slow_rule("chat") is SlowRule.REPORT


def test_wrong_rules_are_named():
    app = App()
    with pytest.raises(ConfigError, match="entries_max is -1"):
        app.stream("a", entries_max=-1)
    with pytest.raises(ConfigError, match="pattern"):
        app.stream("a//b")
    with pytest.raises(ValueError, match="never"):
        app.stream("a", slow="never")
