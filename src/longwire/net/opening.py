"""What the opening handshake of a connection settled."""

from __future__ import annotations

from longwire.base.errors import LongwireError
from longwire.base.headers import Headers
from longwire.websocket.deflate import DeflateParameters
from longwire.websocket.handshake import RequestHead, ResponseHead

__all__ = ["Opening"]


class Opening:
    """Request and response of the handshake, and what was agreed in it.

    Both heads are kept as text, and taken apart again for whoever asks: as objects they would be
    half of what an idle connection costs. Each question makes new objects.
    """

    __slots__ = ("_request", "_response", "deflate", "subprotocol")

    def __init__(
        self,
        request: RequestHead,
        response: ResponseHead,
        subprotocol: str | None,
        deflate: DeflateParameters | None,
    ) -> None:
        self._request: str | None = _pack(
            f"{request.method} {request.target} {request.version}", request.headers
        )
        self._response: str | None = _pack(f"{response.status} {response.reason}", response.headers)
        self.subprotocol = subprotocol
        self.deflate = deflate

    def forget_heads(self) -> None:
        """Nobody will ask for request and response."""
        self._request = self._response = None

    @property
    def request(self) -> RequestHead:
        first, headers = _unpack(self._request)
        method, target, version = first.split(" ", 2)
        return RequestHead(method, target, version, headers)

    @property
    def response(self) -> ResponseHead:
        first, headers = _unpack(self._response)
        status, _, reason = first.partition(" ")
        return ResponseHead(int(status), reason, headers)


def _pack(first: str, headers: Headers) -> str:
    """One text; neither names nor values have line ends, nor names colons."""
    return "\n".join([first, *[f"{name}:{value}" for name, value in headers]])


def _unpack(text: str | None) -> tuple[str, Headers]:
    if text is None:
        raise LongwireError("the heads of this connection's handshake were not kept")
    first, *lines = text.split("\n")
    fields = [line.partition(":") for line in lines]
    return first, Headers([(name, value) for name, _, value in fields])
