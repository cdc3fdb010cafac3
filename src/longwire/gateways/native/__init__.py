"""The native WebSocket protocol, written down in docs/protocol.md."""
