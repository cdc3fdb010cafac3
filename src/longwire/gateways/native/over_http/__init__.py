"""The native protocol in HTTP requests, where WebSocket does not work (docs/protocol.md, 18)."""
