"""What is read back from Redis is what the scripts write, and nothing else is taken for it."""

import struct

import pytest

from longwire.base.errors import StoreError
from longwire.base.limits import RetentionLimits
from longwire.stores.redis.layout import (
    LiveFlag,
    creation_spec,
    parse_entry,
    parse_live_message,
    parse_settings,
)
from longwire.streams.lineage import Lineage
from longwire.streams.position import START, Position
from longwire.streams.store import StreamSettings

EPOCH = "abcdefgh"


def packed_entry(offset: int, key: bytes = b"", payload: bytes = b"x") -> bytes:
    header = struct.pack(">QQ8s8sI", offset, 1234, b"previous", b"thislink", len(key))
    return header + key + payload


def test_entry_is_read() -> None:
    entry = parse_entry(packed_entry(7, "é".encode(), b"payload"), Lineage(EPOCH), "text/plain")
    assert entry.position == Position(7, EPOCH, b"thislink")
    assert entry.previous == Position(6, EPOCH, b"previous")
    assert (entry.key, entry.payload, entry.time_ms) == ("é", b"payload", 1234)
    assert parse_entry(packed_entry(1), Lineage(EPOCH), "text/plain").previous == START


def test_live_message_is_read() -> None:
    entries = [packed_entry(7), packed_entry(8, b"k", b"")]
    packed = b"".join(struct.pack(">I", len(entry)) + entry for entry in entries)
    head = struct.pack(">8sB8sQ8sH", b"aserver!", 1, EPOCH.encode(), 8, b"thislink", 10)
    message = parse_live_message(head + b"text/plain" + packed)
    assert message.flags == LiveFlag.CLOSED
    assert message.tail == Position(8, EPOCH, b"thislink")
    assert [entry.position.offset for entry in message.entries()] == [7, 8]
    assert message.entries()[1].content_type == "text/plain"


@pytest.mark.parametrize("data", [b"", b"hello", b"\xff" * 40])
def test_what_others_publish_on_the_channel_is_no_message(data: bytes) -> None:
    with pytest.raises(StoreError, match="cannot be read"):
        parse_live_message(data)


@pytest.mark.parametrize(
    "settings",
    [
        StreamSettings(),
        StreamSettings(
            content_type="text/plain",
            is_keep_latest=True,
            retention=RetentionLimits(entries_max=None, bytes_max=5, age_max_s=0.5),
        ),
    ],
)
def test_settings_are_read_as_they_were_written(settings: StreamSettings) -> None:
    import msgspec

    spec = msgspec.json.decode(creation_spec(settings))
    assert parse_settings(spec["text"].encode()) == settings
    assert spec["age_max_ms"] in (500, 86_400_000)
    assert spec["entries_max"] in (-1, 10_000)
