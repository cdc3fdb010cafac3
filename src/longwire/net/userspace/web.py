"""HTTP and WebSocket servers on our own TCP."""

from __future__ import annotations

from longwire.net.asyncio_link import AsyncioLink
from longwire.net.http_server import HttpServer
from longwire.net.loop_state import loop_state
from longwire.net.userspace.network import Network, StackServer

__all__ = ["serve_http"]


def serve_http(
    network: Network, server: HttpServer, port: int, *, address: str | None = None
) -> StackServer:
    """Let ``server`` take connections on a port of our host. Raises OSError when it is taken."""
    state = loop_state(network.driver.loop)
    return network.create_server(
        lambda: AsyncioLink(state, server.make_handler), port, address=address
    )
