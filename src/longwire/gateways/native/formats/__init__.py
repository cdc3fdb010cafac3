"""The formats of the native protocol: one vocabulary, written in three ways (protocol.md, 16)."""
