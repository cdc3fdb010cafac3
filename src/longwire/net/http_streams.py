# cython: annotation_typing=False, auto_pickle=False
"""The streams of one HTTP connection: requests that are answered, and WebSockets over HTTP/2."""

from __future__ import annotations

from longwire.http.events import BodyReceived, HttpEvent, RequestEnded, StreamClosed
from longwire.net.http_exchange import HttpExchange
from longwire.net.stream_link import StreamLink

__all__ = ["HttpStreams"]


class HttpStreams:
    """Who gets the events of which stream. A stream has an exchange, or has become a tunnel."""

    __slots__ = ("_exchanges", "_tunnels")

    def __init__(self) -> None:
        self._exchanges: dict[int, HttpExchange] = {}
        # Made when it is needed: few connections have any (RFC 8441).
        self._tunnels: dict[int, StreamLink] | None = None

    def add(self, stream: int, exchange: HttpExchange) -> None:
        """A request begins."""
        self._exchanges[stream] = exchange

    def has(self, exchange: HttpExchange) -> bool:
        """Whether a request is still here, neither answered nor turned into something else."""
        return exchange.request.stream in self._exchanges

    def turn_into_socket(self, exchange: HttpExchange, status: int) -> None:
        """A request has become a WebSocket, and is none any more."""
        self._exchanges.pop(exchange.request.stream).upgraded(status)

    def add_tunnel(self, stream: int, tunnel: StreamLink) -> None:
        """What comes on a stream from now on belongs to a WebSocket."""
        if self._tunnels is None:
            self._tunnels = {}
        self._tunnels[stream] = tunnel

    def receive(self, event: HttpEvent) -> None:
        """Hand an event of a stream to whom it belongs; other events belong to nobody here."""
        if self._tunnels and (tunnel := self._tunnels.get(getattr(event, "stream", 0))):
            self._receive_in_tunnel(tunnel, event)
        elif isinstance(event, BodyReceived):
            self._exchanges[event.stream].body_received(event.data)
        elif isinstance(event, RequestEnded):
            self._exchanges[event.stream].body_ended(event.trailers)
        elif isinstance(event, StreamClosed):
            self.end(event.stream, event.error)

    def _receive_in_tunnel(self, tunnel: StreamLink, event: HttpEvent) -> None:
        assert self._tunnels is not None
        if isinstance(event, BodyReceived):
            tunnel.data_received(event.data)
        elif isinstance(event, RequestEnded):
            tunnel.ended()
        elif isinstance(event, StreamClosed):
            del self._tunnels[event.stream]
            tunnel.lost(None if event.error is None else ConnectionResetError(event.error))

    def end(self, stream: int, error: str | None) -> None:
        """A request is over: answered, or with ``error``."""
        exchange = self._exchanges.pop(stream, None)
        if exchange is not None:
            exchange.stream_closed(error)

    def end_all(self, error: OSError | None) -> None:
        """The connection is gone; ``error`` if it broke."""
        reason = "the client closed the connection" if error is None else f"the link broke: {error}"
        for exchange in self._exchanges.values():
            exchange.stream_closed(reason)
        self._exchanges.clear()
        tunnels, self._tunnels = self._tunnels, None
        for tunnel in (tunnels or {}).values():
            tunnel.lost(error)

    def shutdown(self) -> None:
        """The server is going."""
        for tunnel in self._open_tunnels():
            tunnel.handler.shutdown()
        for exchange in list(self._exchanges.values()):
            exchange.wake()

    def drained(self) -> None:
        """The link took enough for all to go on."""
        for exchange in list(self._exchanges.values()):
            exchange.wake()
        for tunnel in self._open_tunnels():
            tunnel.look_at_window()

    def look_at_windows(self) -> None:
        """The client may have taken something, which HTTP/2 says inside the connection."""
        for exchange in list(self._exchanges.values()):
            exchange.wake_if_draining()
        for tunnel in self._open_tunnels():
            tunnel.look_at_window()

    def unread_bytes(self) -> int:
        """Bytes of request bodies that no handler has read yet."""
        if not self._exchanges:
            return 0
        return sum([exchange.unread_bytes for exchange in self._exchanges.values()])

    def open_ended(self) -> list[HttpExchange]:
        """Return the requests whose responses have no end of their own."""
        return [exchange for exchange in self._exchanges.values() if exchange.is_open_ended]

    def _open_tunnels(self) -> list[StreamLink]:
        return list(self._tunnels.values()) if self._tunnels else []
