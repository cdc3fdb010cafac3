"""WebSocket (RFC 6455) with permessage-deflate (RFC 7692), client and server, without I/O."""
