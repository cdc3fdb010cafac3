"""Streams as server-sent events for ``EventSource`` (docs/protocol.md, 12)."""
