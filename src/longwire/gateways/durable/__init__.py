"""Durable Streams 1.0 over HTTP (docs/durable-streams.md).

Read PROTOCOL.md of github.com/durable-streams/durable-streams first; "Durable Streams" and a number
in this package are a section of it. An offset of that protocol is a position of ours.
"""
