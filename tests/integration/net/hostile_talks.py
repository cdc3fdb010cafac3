"""Conversations on HTTP/1.x in which time, or an early answer, decides what a byte belongs to.

Each is written as steps; what ``SMUGGLED`` would answer is never among the requests. The classes
are those of the published work: pause-based desynchronisation, CL.0 by handlers that do not read
their body, 0.CL by ``Expect``, responses that come before the request has ended.
"""

from __future__ import annotations

from typing import NamedTuple

from tests.unit.http.smuggling_vectors import SIZE, SMUGGLED

__all__ = ["ANSWER", "TALKS", "Answer", "Talk"]

LAST = b"GET /last HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"


class Answer:
    """A step: wait until one more answer has come."""


ANSWER = Answer()


class Talk(NamedTuple):
    name: str
    steps: tuple[bytes | Answer, ...]
    statuses: list[int]
    """Of all answers, interim ones included, to the end of the connection."""
    asked: list[str]
    """The targets that handlers may see."""


def _post(target: str, *lines: str) -> bytes:
    return "\r\n".join([f"POST {target} HTTP/1.1", "Host: h", *lines, "", ""]).encode()


SIZED = f"Content-Length: {SIZE}"
CHUNKED = "Transfer-Encoding: chunked"
EXPECT = "Expect: 100-continue"
CHUNK = b"%x\r\n%b\r\n0\r\n\r\n" % (SIZE, SMUGGLED)

TALKS = [
    Talk(
        "a body that its handler leaves unread",
        (_post("/early", SIZED), SMUGGLED, LAST),
        [200, 200],
        ["/early", "/last"],
    ),
    Talk(
        "a body that comes after the answer",
        (_post("/early", SIZED), ANSWER, SMUGGLED, LAST),
        [200, 200],
        ["/early", "/last"],
    ),
    Talk(
        "a body that comes half before and half after the answer",
        (_post("/early", SIZED) + SMUGGLED[:20], ANSWER, SMUGGLED[20:] + LAST),
        [200, 200],
        ["/early", "/last"],
    ),
    Talk(
        "chunks that come after the answer",
        (_post("/early", CHUNKED), ANSWER, CHUNK, LAST),
        [200, 200],
        ["/early", "/last"],
    ),
    Talk(
        "a chunk that breaks after the answer",
        (_post("/early", CHUNKED), ANSWER, b"5\nhello" + SMUGGLED),
        [200],
        ["/early"],
    ),
    Talk(
        "a body too long to be dropped, after the answer",
        (_post("/early", "Content-Length: 9999999"), ANSWER, SMUGGLED),
        [200],
        ["/early"],
    ),
    Talk(
        "a body that 100 was not said to",
        (_post("/early", SIZED, EXPECT), ANSWER, SMUGGLED),
        [200],
        ["/early"],
    ),
    Talk(
        "a body that 100 was said to",
        (_post("/read", SIZED, EXPECT), ANSWER, SMUGGLED + LAST),
        [100, 200, 200],
        ["/read", "/last"],
    ),
    Talk(
        "chunks that 100 was said to",
        (_post("/read", CHUNKED, EXPECT), ANSWER, CHUNK + LAST),
        [100, 200, 200],
        ["/read", "/last"],
    ),
    Talk(
        "a body to HEAD that is answered early",
        (_post("/early", SIZED).replace(b"POST", b"HEAD"), ANSWER, SMUGGLED, LAST),
        [200, 200],
        ["/early", "/last"],
    ),
    Talk(
        "an upgrade that is refused, with a body",
        (_post("/early", SIZED, "Connection: Upgrade", "Upgrade: websocket"), SMUGGLED, LAST),
        [200, 200],
        ["/early", "/last"],
    ),
    Talk(
        "a pause before the body",
        (_post("/read", SIZED), ANSWER, SMUGGLED),
        [408],
        ["/read"],
    ),
    Talk(
        "a pause inside the body",
        (_post("/read", SIZED) + SMUGGLED[:9], ANSWER, SMUGGLED[9:] + SMUGGLED),
        [408],
        ["/read"],
    ),
    Talk(
        "a pause inside a chunk",
        (_post("/read", CHUNKED) + b"%x\r\n" % SIZE, ANSWER, SMUGGLED),
        [408],
        ["/read"],
    ),
    Talk(
        "a pause inside the trailers",
        (_post("/read", CHUNKED) + b"0\r\nX: a\r\n", ANSWER, b"\r\n" + SMUGGLED),
        [408],
        ["/read"],
    ),
    Talk(
        "a pause inside the head",
        (_post("/read", SIZED)[:-2], ANSWER, b"\r\n" + SMUGGLED),
        [408],
        [],
    ),
    Talk(
        "a pause inside the second head",
        (b"GET /one HTTP/1.1\r\nHost: h\r\n\r\n", ANSWER, b"GET /tw", ANSWER, SMUGGLED),
        [200, 408],
        ["/one"],
    ),
    Talk(
        "a fault, and later a whole request",
        (b"GET / HTTP/1.1\r\nHost : h\r\n\r\n", ANSWER, SMUGGLED),
        [400],
        [],
    ),
    Talk(
        "a fault in the second of three requests",
        (b"GET /one HTTP/1.1\r\nHost: h\r\n\r\nGET /two HTTP/1.1\n\n" + SMUGGLED,),
        [200, 400],
        ["/one"],
    ),
    Talk(
        "a request after the last one",
        (LAST, ANSWER, SMUGGLED),
        [200],
        ["/last"],
    ),
    Talk(
        "the preface of HTTP/2 after a request",
        (b"GET /one HTTP/1.1\r\nHost: h\r\n\r\nPRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + SMUGGLED,),
        [200, 505],
        ["/one"],
    ),
]
