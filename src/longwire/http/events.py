"""One vocabulary for HTTP/1.1, HTTP/2 and HTTP/3: what engines report and what they are told.

``stream`` names the exchange of one request and its response: the number of the request on the
connection for HTTP/1.x (1, 2, 3 …), the stream identifier for HTTP/2 and HTTP/3.

The life of a stream, as events: ``RequestReceived``, any number of ``BodyReceived``,
``RequestEnded``, and last of all ``StreamClosed``. ``StreamClosed`` may come early, after which
nothing more is said about the stream; with ``error`` set the exchange failed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

from longwire.base.headers import Headers
from longwire.http.request_received import RequestReceived

__all__ = [
    "Body",
    "BodyConsumed",
    "BodyReceived",
    "BodyWanted",
    "ConnectionEnded",
    "End",
    "HttpCommand",
    "HttpEvent",
    "Informational",
    "LimitReached",
    "RequestEnded",
    "RequestReceived",
    "RequestRefused",
    "Reset",
    "Response",
    "StreamClosed",
    "Upgraded",
]


# Received: an engine reports these, and ``RequestReceived``.


@dataclass(frozen=True, slots=True)
class BodyReceived:
    """A piece of the body of a request; never empty."""

    stream: int
    data: bytes


@dataclass(frozen=True, slots=True)
class RequestEnded:
    """The request is complete. ``trailers`` are kept apart from the headers."""

    stream: int
    trailers: Headers


@dataclass(frozen=True, slots=True)
class StreamClosed:
    """The exchange is over; ``error`` says in a sentence what went wrong, or is ``None``."""

    stream: int
    error: str | None


@dataclass(frozen=True, slots=True)
class RequestRefused:
    """The engine itself answered a request that was not given out; the connection goes on.

    HTTP/1.x cannot go on after such a request, and says it with ``ConnectionEnded`` instead.
    """

    stream: int
    status: int
    error: str


@dataclass(frozen=True, slots=True)
class LimitReached:
    """A limit ended a stream whose request had been given out, or a connection that sent none;
    ``limit`` is the setting's name."""

    limit: str


@dataclass(frozen=True, slots=True)
class Upgraded:
    """Our 101 has been queued; ``rest`` is what the peer sent that is no longer HTTP.

    The last event of an HTTP/1.1 engine: the caller takes the connection over.
    """

    stream: int
    rest: bytes


@dataclass(frozen=True, slots=True)
class ConnectionEnded:
    """The engine takes nothing more. Comes once, last.

    ``error`` is ``None`` when both sides were done. ``status`` is the HTTP status with which the
    engine itself answered, where it did; 429 where HTTP/2 said ENHANCE_YOUR_CALM.
    """

    error: str | None
    status: int | None = None


HttpEvent: TypeAlias = (
    RequestReceived
    | BodyReceived
    | RequestEnded
    | RequestRefused
    | LimitReached
    | StreamClosed
    | Upgraded
    | ConnectionEnded
)


# Sent: an engine is told these.


@dataclass(frozen=True, slots=True)
class Response:
    """The head of the final response (status 200 to 599).

    ``end`` says that no body follows. The engine frames the body and adds ``Date``, ``Server``
    and ``Connection`` where they are missing.
    """

    stream: int
    status: int
    headers: Headers
    end: bool = field(default=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class Informational:
    """An interim response (status 100 to 199); 101 hands the connection over (HTTP/1.1 only)."""

    stream: int
    status: int
    headers: Headers = field(default_factory=Headers)


@dataclass(frozen=True, slots=True)
class Body:
    """A piece of the response's body."""

    stream: int
    data: bytes


@dataclass(frozen=True, slots=True)
class End:
    """The response is complete. Trailers go out where the framing can carry them."""

    stream: int
    trailers: Headers = field(default_factory=Headers)


@dataclass(frozen=True, slots=True)
class Reset:
    """Give the exchange up. On HTTP/1.x this closes the connection: nothing else can say it.

    An HTTP/1.0 client that was told no length cannot tell this from the end of the response.
    """

    stream: int
    reason: str


@dataclass(frozen=True, slots=True)
class BodyWanted:
    """The application waits for the body: a client that asked for 100 (Continue) gets it now."""

    stream: int


@dataclass(frozen=True, slots=True)
class BodyConsumed:
    """The application took so many bytes of the body.

    HTTP/2 and 3 give the peer that much flow-control credit back. HTTP/1.x has none: its driver
    pauses reading from the connection instead.
    """

    stream: int
    size_bytes: int


HttpCommand: TypeAlias = Response | Informational | Body | End | Reset | BodyWanted | BodyConsumed
