"""Names of the keys of a stream: all with one hash tag, so that a cluster keeps them together."""

from __future__ import annotations

__all__ = ["STREAM_KEYS", "meta_key", "name_of", "producer_member", "ring_key", "stream_keys"]

STREAM_KEYS = ("m", "l", "k", "o", "x", "h", "u", "f", "e", "b")
"""Ends of the names, in the order in which the scripts want the keys (``lua/shared.lua``): meta,
log, latest, order, links, heads, used, forgotten, erased, forks."""


def _tag(name: str) -> bytes:
    # The tag ends at the first "}" and must not be empty, or the keys would part. Redis's patterns
    # (SCAN) have their own characters, which stay as they are: nobody searches for one stream.
    return name.replace("%", "%25").replace("{", "%7B").replace("}", "%7D").encode()


def stream_keys(prefix: bytes, name: str) -> list[bytes]:
    """The keys of the stream ``name``: ``longwire:{name}:m`` and so on."""
    start = b"%b{%b}:" % (prefix, _tag(name))
    return [start + end.encode() for end in STREAM_KEYS]


def meta_key(prefix: bytes, name: str) -> bytes:
    """The key of the stream's meta, which is also the channel of its live path."""
    return b"%b{%b}:m" % (prefix, _tag(name))


def ring_key(prefix: bytes, name: str, member: bytes) -> bytes:
    """The key of a producer's results."""
    return b"%b{%b}:r:%b" % (prefix, _tag(name), member)


def producer_member(principal: str, producer_id: str) -> bytes:
    """A producer within a stream; the length keeps its two parts from running together."""
    return f"{len(principal)}:{principal}{producer_id}".encode()


def name_of(prefix: bytes, key: bytes) -> str | None:
    """The stream that a meta key belongs to; ``None`` when it is no meta key of ours."""
    if not (key.startswith(prefix + b"{") and key.endswith(b"}:m")):
        return None
    tag = key[len(prefix) + 1 : -3].decode()
    return tag.replace("%7D", "}").replace("%7B", "{").replace("%25", "%")
