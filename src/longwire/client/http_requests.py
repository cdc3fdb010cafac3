"""``POST /ws`` (docs/protocol.md, 18): messages of the client up, messages of the server down."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from typing import Any, Literal

import msgspec

from longwire.base.headers import Headers
from longwire.net.http_client import FetchError, HttpClient, HttpResponse
from longwire.net.retry import parse_retry_after

__all__ = ["HTTP_OPTIONS", "HttpRequests", "RequestFailed"]

NDJSON = "application/x-ndjson"
EVENT_STREAM = "text/event-stream"

REFUSAL_BYTES_MAX = 64 * 1024

HTTP_OPTIONS = frozenset(
    {
        "additional_headers",
        "compression",
        "family",
        "host",
        "local_addr",
        "origin",
        "port",
        "server_hostname",
        "ssl",
        "user_agent_header",
    }
)
"""Options of ``longwire.connect`` that mean something without WebSocket, or do no harm."""

_TCP_OPTIONS = ("family", "host", "local_addr", "port")
_NO_LINE_BREAKS = bytes.maketrans(b"\r\n", b"  ")
_decode = msgspec.json.Decoder(dict[str, Any]).decode


class RequestFailed(Exception):
    """There is no proper answer.

    ``status`` is 0 when there was none at all. ``problem`` is what the server of longwire says of
    its refusal, ``None`` when it was somebody else who refused. ``cause`` is the network's error.
    """

    def __init__(
        self,
        reason: str,
        *,
        status: int = 0,
        problem: Mapping[str, Any] | None = None,
        after_s: float | None = None,
        cause: BaseException | None = None,
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.status = status
        self.problem = problem
        self.after_s = after_s
        self.cause = cause


class HttpRequests:
    """All requests of one client to one server. ``options`` are those of ``longwire.connect``."""

    def __init__(self, url: str, options: Mapping[str, Any], client_key: str) -> None:
        tcp = {name: options[name] for name in _TCP_OPTIONS if options.get(name) is not None}
        self._client = HttpClient(
            url, tls=options.get("ssl"), server_hostname=options.get("server_hostname"), **tcp
        )
        self._headers = Headers(options.get("additional_headers") or ())
        self._headers.set("Content-Type", NDJSON)
        self._headers.set("Longwire-Client-Key", client_key)
        if options.get("origin") is not None:
            self._headers.set("Origin", options["origin"])
        if options.get("user_agent_header") is not None:
            self._headers.set("User-Agent", options["user_agent_header"])

    def close(self) -> None:
        """End all of them."""
        self._client.close()

    async def messages(
        self,
        messages: Sequence[bytes],
        *,
        kind: Literal["events", "lines"] = "lines",
        wait_s: float | None = None,
    ) -> AsyncGenerator[dict[str, Any], None]:
        """Send messages in one request; give those of the answer as they come.

        ``wait_s`` is how long the server may wait for something to tell. Raises
        :exc:`RequestFailed`.
        """
        headers = Headers(self._headers)
        headers.set("Accept", EVENT_STREAM if kind == "events" else NDJSON)
        if wait_s is not None:
            headers.set("Prefer", f"wait={wait_s:.0f}")
        body = b"\n".join(message.translate(_NO_LINE_BREAKS) for message in messages) + b"\n"
        try:
            response = await self._client.request("POST", headers, body)
            if response.status != 200:
                raise await _refusal(response)
            expected = EVENT_STREAM if kind == "events" else NDJSON
            found = response.headers.get("Content-Type") or ""
            if not found.startswith(expected):
                response.close()
                raise RequestFailed(f"the answer is {found or 'of no type'}", status=200)
            texts = _EventTexts() if kind == "events" else _LineTexts()
            async with contextlib.aclosing(response.pieces()) as pieces:
                async for piece in pieces:
                    for text in texts.feed(piece):
                        yield _read(text)
        except FetchError as error:
            raise RequestFailed(str(error), cause=error.cause) from None


class _LineTexts:
    """Cuts a body of lines."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, piece: bytes) -> Iterator[bytes]:
        *lines, self._rest = (self._rest + piece).split(b"\n")
        return (line for line in lines if line)


class _EventTexts(_LineTexts):
    """Cuts server-sent events. Ours end their lines with LF."""

    def __init__(self) -> None:
        super().__init__()
        self._data: list[bytes] = []

    def feed(self, piece: bytes) -> Iterator[bytes]:
        *lines, self._rest = (self._rest + piece).split(b"\n")
        for line in lines:
            if line.startswith(b"data:"):
                self._data.append(line[5:].removeprefix(b" "))
            elif not line and self._data:
                yield b"\n".join(self._data)
                self._data.clear()


def _read(text: bytes) -> dict[str, Any]:
    try:
        message = _decode(text)
    except msgspec.DecodeError:
        message = {}
    if not isinstance(message.get("op"), str):
        raise RequestFailed(f"the server sent no message of the protocol: {text[:80]!r}")
    return message


async def _refusal(response: HttpResponse) -> RequestFailed:
    """What a status other than 200 means."""
    after_s = parse_retry_after(response.headers.get("Retry-After"))
    problem: Mapping[str, Any] | None = None
    try:
        body = await response.read(REFUSAL_BYTES_MAX)
        if response.headers.get("Content-Type") == "application/problem+json":
            problem = _decode(body)
    except (FetchError, msgspec.DecodeError):
        pass
    if problem is not None and "code" not in problem:
        problem = None
    said = "" if problem is None else f": {problem.get('detail', '')}"
    reason = f"the server answered with HTTP {response.status}{said}"
    return RequestFailed(reason, status=response.status, problem=problem, after_s=after_s)
