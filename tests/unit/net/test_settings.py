"""The arguments of connect and serve, as settings."""

from __future__ import annotations

from typing import Any

import pytest

from longwire.net.settings import WebSocketSettings, websocket_settings
from longwire.websocket.deflate import DeflateOptions

DEFAULTS: dict[str, Any] = {
    "compression": "deflate",
    "max_size": 2**20,
    "max_queue": 16,
    "write_limit": 2**16,
    "open_timeout": 10,
    "ping_interval": 20,
    "ping_timeout": 20,
    "close_timeout": 10,
}


def made(**changes: Any) -> WebSocketSettings:
    return websocket_settings(**{**DEFAULTS, **changes})


def test_pairs_set_both_marks() -> None:
    settings = made(max_size=(100, 10), max_queue=(8, 2), write_limit=(1000, 500))
    assert (settings.limits.message_bytes_max, settings.limits.frame_bytes_max) == (100, 10)
    assert settings.limits.read_queue_messages_max == 8
    assert settings.read_queue_messages_low == 2
    assert settings.limits.write_buffer_bytes_max == 1000
    assert settings.write_buffer_bytes_low == 500


@pytest.mark.parametrize("name", ["max_queue", "write_limit"])
def test_low_mark_over_the_high_one_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=name):
        made(**{name: (10, 11)})
    made(**{name: (10, 10)})


def test_none_is_no_limit() -> None:
    settings = made(max_size=None, max_queue=None, ping_interval=None, close_timeout=None)
    assert settings.limits.message_bytes_max is None
    assert settings.limits.read_queue_messages_max is None
    assert settings.limits.read_queue_bytes_max is None
    assert settings.keepalive.ping_interval_s is None
    assert settings.limits.close_timeout_s is None


def test_compression_takes_options() -> None:
    options = DeflateOptions(level=1)
    assert made(compression=options).deflate is options
    assert made(compression=None).deflate is None
    assert isinstance(made().deflate, DeflateOptions)


@pytest.mark.parametrize("name", [name for name in DEFAULTS if name != "compression"])
def test_negative_values_are_refused_by_name(name: str) -> None:
    with pytest.raises(ValueError, match=name):
        made(**{name: -1})
    with pytest.raises(ValueError, match="compression"):
        made(compression="brotli")
