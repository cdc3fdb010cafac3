"""Names of keys: one slot for a stream, whatever its name."""

import pytest

from longwire.stores.redis.keys import (
    STREAM_KEYS,
    meta_key,
    name_of,
    producer_member,
    ring_key,
    stream_keys,
)

PREFIX = b"longwire:"


def hash_tag(key: bytes) -> bytes:
    """What a cluster hashes (Redis cluster specification, "Hash tags")."""
    start = key.index(b"{")
    end = key.index(b"}", start)
    assert end > start + 1, "an empty tag: the whole key would be hashed"
    return key[start + 1 : end]


@pytest.mark.parametrize("name", ["chat", "a/b", "}", "{", "{}", "}{x", "%7D", "é", "a b", "$x"])
def test_keys_of_a_stream_share_their_hash_tag(name: str) -> None:
    keys = [*stream_keys(PREFIX, name), ring_key(PREFIX, name, producer_member("}{", "{p}"))]
    assert len(keys) == len(set(keys)) == len(STREAM_KEYS) + 1
    assert len({hash_tag(key) for key in keys}) == 1
    assert keys[0] == meta_key(PREFIX, name)
    assert name_of(PREFIX, keys[0]) == name


def test_names_that_look_alike_have_other_keys() -> None:
    names = ["}", "%7D", "%257D", "{", "%7B"]
    assert len({meta_key(PREFIX, name) for name in names}) == len(names)


def test_other_keys_belong_to_no_stream() -> None:
    assert name_of(PREFIX, b"longwire:expiry") is None
    assert name_of(PREFIX, stream_keys(PREFIX, "s")[1]) is None
    assert name_of(PREFIX, b"other:{s}:m") is None


def test_principal_and_producer_do_not_run_together() -> None:
    assert producer_member("ab", "c") != producer_member("a", "bc")
