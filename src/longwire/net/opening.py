"""What the opening handshake of a connection settled."""

from __future__ import annotations

from dataclasses import dataclass

from longwire.websocket.deflate import DeflateParameters
from longwire.websocket.handshake import RequestHead, ResponseHead

__all__ = ["Opening"]


@dataclass(frozen=True, slots=True)
class Opening:
    """Request and response of the handshake, and what was agreed in it."""

    request: RequestHead
    response: ResponseHead
    subprotocol: str | None
    deflate: DeflateParameters | None
