"""One HTTP/1.1 request over streams of any kind."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import h11

from longwire.net.userspace.network import Network

__all__ = ["Answer", "fetch"]

READ_OCTETS = 64 * 1024


@dataclass(frozen=True)
class Answer:
    """A response; of its body the beginning, the length and the SHA-256."""

    status: int
    text: str
    octets: int
    digest: str


async def fetch(
    network: Network, address: str, port: int, target: str, *, body: bytes | None = None
) -> Answer:
    """GET ``target``, or PUT ``body`` there."""
    reader, writer = await network.open_connection(address, port)
    http = h11.Connection(h11.CLIENT)
    headers = [("Host", "kernel"), ("Connection", "close")]
    if body is not None:
        headers.append(("Content-Length", str(len(body))))
    method = "GET" if body is None else "PUT"
    writer.write(http.send(h11.Request(method=method, target=target, headers=headers)) or b"")
    for start in range(0, len(body or b""), READ_OCTETS):
        assert body is not None
        writer.write(http.send(h11.Data(data=body[start : start + READ_OCTETS])) or b"")
        await writer.drain()
    http.send(h11.EndOfMessage())
    status, octets, text, digest = 0, 0, b"", hashlib.sha256()
    while True:
        event = http.next_event()
        if event is h11.NEED_DATA:
            http.receive_data(await reader.read(READ_OCTETS))
        elif isinstance(event, h11.Response):
            status = event.status_code
        elif isinstance(event, h11.Data):
            digest.update(event.data)
            octets += len(event.data)
            text += event.data[: 200 - len(text)]
        elif isinstance(event, h11.EndOfMessage):
            break
    writer.close()
    await writer.wait_closed()
    return Answer(status, text.decode(errors="replace"), octets, digest.hexdigest())
