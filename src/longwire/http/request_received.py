# cython: annotation_typing=False, auto_pickle=False
"""The event that begins every exchange, apart from the others since it is made for each request."""

from __future__ import annotations

from longwire.base.headers import Headers

__all__ = ["RequestReceived"]


class RequestReceived:
    """The head of a request, complete and checked. Nobody changes it; its headers are the taker's.

    ``target`` is the path with its query (``/a?b``), or ``*`` for a server-wide OPTIONS, whatever
    form stood on the wire; ``scheme`` and ``authority`` hold the rest of the target URI
    (RFC 9110 section 7.1). ``authority`` is empty only for HTTP/1.0 without Host.

    ``protocol`` is set when the client asks for another protocol on this stream: ``websocket``
    for an Upgrade on HTTP/1.1, the ``:protocol`` of an extended CONNECT (RFC 8441, RFC 9220) on
    HTTP/2 and 3. The answer that agrees is ``Informational(101)`` on HTTP/1.1, ``Response(200)``
    without ``end`` on the others.
    """

    # A frozen dataclass would be ten times as dear to make.
    __slots__ = (
        "authority",
        "headers",
        "method",
        "protocol",
        "scheme",
        "stream",
        "target",
        "version",
    )

    def __init__(
        self,
        stream: int,
        method: str,
        target: str,
        version: str,
        headers: Headers,
        scheme: str,
        authority: str,
        protocol: str | None,
    ) -> None:
        self.stream = stream
        self.method = method
        self.target = target
        self.version = version
        self.headers = headers
        self.scheme = scheme
        self.authority = authority
        self.protocol = protocol

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, RequestReceived):
            return NotImplemented
        return all(getattr(self, name) == getattr(other, name) for name in _NAMES)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        members = ", ".join([f"{name}={getattr(self, name)!r}" for name in _NAMES])
        return f"RequestReceived({members})"


_NAMES = ("stream", "method", "target", "version", "headers", "scheme", "authority", "protocol")
