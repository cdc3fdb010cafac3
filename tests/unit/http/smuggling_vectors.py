"""Requests whose end two readers could see differently, and what each must be answered with.

After every one stands a second request, ``SMUGGLED``. A server that reads the first otherwise
than whoever passed it on would answer the second. The classes are those of the published work on
request smuggling: CL.TE, TE.CL, TE.TE, CL.0, 0.CL, bare line ends, folded and hidden headers,
chunk extensions and sizes, trailers, targets and versions.
"""

from __future__ import annotations

from typing import NamedTuple

SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: victim\r\n\r\n"
SIZE = len(SMUGGLED)


class Vector(NamedTuple):
    name: str
    data: bytes
    status: int


def head_lines(*lines: bytes) -> bytes:
    """A POST whose header lines, after Host, are these bytes."""
    return b"POST / HTTP/1.1\r\nHost: h\r\n" + b"\r\n".join(lines) + b"\r\n\r\n"


def chunks(body: bytes) -> bytes:
    return head_lines(b"Transfer-Encoding: chunked") + body


REQUEST_LINES = [
    ("space before the method", b" GET / HTTP/1.1", 400),
    ("tab before the method", b"\tGET / HTTP/1.1", 400),
    ("two empty lines before the request", b"\r\n\r\nGET / HTTP/1.1", 400),
    ("bare LF before the request", b"\nGET / HTTP/1.1", 400),
    ("bare CR before the request", b"\rGET / HTTP/1.1", 400),
    ("blank before an empty line", b" \r\nGET / HTTP/1.1", 400),
    ("NUL before the method", b"\x00GET / HTTP/1.1", 400),
    ("two spaces before the target", b"GET  / HTTP/1.1", 400),
    ("two spaces before the version", b"GET /  HTTP/1.1", 400),
    ("tab before the target", b"GET\t/ HTTP/1.1", 400),
    ("tab before the version", b"GET /\tHTTP/1.1", 400),
    ("vertical tab before the target", b"GET\x0b/ HTTP/1.1", 400),
    ("form feed before the version", b"GET /\x0cHTTP/1.1", 400),
    ("no-break space before the version", b"GET /\xa0HTTP/1.1", 400),
    ("bare CR before the target", b"GET\r/ HTTP/1.1", 400),
    ("space after the version", b"GET / HTTP/1.1 ", 400),
    ("tab after the version", b"GET / HTTP/1.1\t", 400),
    ("bare CR after the version", b"GET / HTTP/1.1\r", 400),
    ("NUL after the version", b"GET / HTTP/1.1\x00", 400),
    ("space in the target", b"GET /a b HTTP/1.1", 400),
    ("a whole request line in the target", b"GET / HTTP/1.1 HTTP/1.1", 400),
    ("bare LF in the target", b"GET /a\nb HTTP/1.1", 400),
    ("bare CR in the target", b"GET /a\rb HTTP/1.1", 400),
    ("NUL in the target", b"GET /a\x00b HTTP/1.1", 400),
    ("DEL in the target", b"GET /a\x7fb HTTP/1.1", 400),
    ("Latin-1 in the target", b"GET /\xe9 HTTP/1.1", 400),
    ("UTF-8 in the target", "GET /é HTTP/1.1".encode(), 400),
    ("fragment in the target", b"GET /#a HTTP/1.1", 400),
    ("relative target", b"GET a HTTP/1.1", 400),
    ("target that is a query", b"GET ?a HTTP/1.1", 400),
    ("no target", b"GET HTTP/1.1", 400),
    ("empty target", b"GET  HTTP/1.1", 400),
    ("asterisk for GET", b"GET * HTTP/1.1", 400),
    ("authority as target of GET", b"GET h:80 HTTP/1.1", 400),
    ("ftp target", b"GET ftp://h/ HTTP/1.1", 400),
    ("target with userinfo", b"GET http://h@evil/ HTTP/1.1", 400),
    ("target without host", b"GET http:///a HTTP/1.1", 400),
    ("target with a port of letters", b"GET http://h:x/ HTTP/1.1", 400),
    ("target with a port too large", b"GET http://h:65536/ HTTP/1.1", 400),
    ("HTTP/0.9", b"GET /", 400),
    ("HTTP/0.9 with the version", b"GET / HTTP/0.9", 505),
    ("HTTP/2.0", b"GET / HTTP/2.0", 505),
    ("HTTP/3.0", b"GET / HTTP/3.0", 505),
    ("the preface of HTTP/2", b"PRI * HTTP/2.0", 505),
    ("the preface of HTTP/2 as 1.1", b"PRI * HTTP/1.1", 501),
    ("version without minor", b"GET / HTTP/1", 400),
    ("version with an empty minor", b"GET / HTTP/1.", 400),
    ("version with two digits", b"GET / HTTP/1.10", 400),
    ("version with a leading zero", b"GET / HTTP/01.1", 400),
    ("version with a comma", b"GET / HTTP/1,1", 400),
    ("version in lower case", b"GET / http/1.1", 400),
    ("space in the version", b"GET / HTTP/ 1.1", 400),
    ("another protocol's name", b"GET / HTTPS/1.1", 400),
    ("RTSP", b"DESCRIBE / RTSP/1.0", 400),
    ("ICE", b"SOURCE / ICE/1.0", 400),
    ("method with a colon", b"GE:T / HTTP/1.1", 400),
    ("method with a brace", b"{GET / HTTP/1.1", 400),
    ("method in quotes", b'"GET" / HTTP/1.1', 400),
    ("method in lower case", b"get / HTTP/1.1", 501),
    ("method unknown to us", b"GETS / HTTP/1.1", 501),
    ("method of RTSP", b"DESCRIBE / HTTP/1.1", 501),
    ("CONNECT", b"CONNECT h:80 HTTP/1.1", 501),
]

HEADER_LINES = [
    ("folded line with a space", b"X: a\r\n b", 400),
    ("folded line with a tab", b"X: a\r\n\tb", 400),
    ("folded Transfer-Encoding", b"Transfer-Encoding:\r\n chunked", 400),
    ("folded Content-Length", b"Content-Length:\r\n 0", 400),
    ("line of blanks", b"X: a\r\n \t", 400),
    ("space before the colon", b"X : a", 400),
    ("tab before the colon", b"X\t: a", 400),
    ("Content-Length before a space and a colon", b"Content-Length : %d" % SIZE, 400),
    ("Transfer-Encoding before a space and a colon", b"Transfer-Encoding : chunked", 400),
    ("Transfer-Encoding before a tab and a colon", b"Transfer-Encoding\t: chunked", 400),
    ("Transfer-Encoding before a NUL", b"Transfer-Encoding\x00: chunked", 400),
    ("Transfer-Encoding before a vertical tab", b"Transfer-Encoding\x0b: chunked", 400),
    ("Transfer-Encoding after a space", b" Transfer-Encoding: chunked", 400),
    ("Transfer-Encoding after a vertical tab", b"\x0bTransfer-Encoding: chunked", 400),
    ("Transfer-Encoding after a bare CR", b"X: a\rTransfer-Encoding: chunked", 400),
    ("Transfer-Encoding after a bare LF", b"X: a\nTransfer-Encoding: chunked", 400),
    ("Content-Length after a bare CR", b"X: a\rContent-Length: %d" % SIZE, 400),
    ("Content-Length after a bare LF", b"X: a\nContent-Length: %d" % SIZE, 400),
    ("no colon", b"Transfer-Encoding chunked", 400),
    ("equals sign for the colon", b"Content-Length=%d" % SIZE, 400),
    ("empty name", b": a", 400),
    ("name with a parenthesis", b"X(: a", 400),
    ("name with a quote", b'"X": a', 400),
    ("name with a slash", b"X/Y: a", 400),
    ("name with Latin-1", b"X\xe9: a", 400),
    (
        "name with a long s, like Tran\u017fer-Encoding",
        "Tran\u017ffer-Encoding: chunked".encode(),
        400,
    ),
    ("NUL in a value", b"X: a\x00b", 400),
    ("BEL in a value", b"X: a\x07b", 400),
    ("ESC in a value", b"X: a\x1bb", 400),
    ("DEL in a value", b"X: a\x7fb", 400),
    ("vertical tab in a value", b"X: a\x0bb", 400),
    ("bare CR in a value", b"X: a\rb", 400),
    ("bare CR at the end of a value", b"X: a\r", 400),
    ("bare LF at the end of a value", b"X: a\n", 400),
    ("bare LF for the empty line", b"X: a\r\n\nGET /smuggled HTTP/1.1\r\nHost: h", 400),
    ("two bare LF for the end", b"X: a\n\nGET /smuggled HTTP/1.1\nHost: h\n\n", 400),
    ("two bare CR for the end", b"X: a\r\rGET /smuggled HTTP/1.1", 400),
    ("CR CR LF for the empty line", b"X: a\r\n\r\r\nGET /smuggled HTTP/1.1\r\nHost: h", 400),
    ("second Host, the same", b"Host: h", 400),
    ("second Host, another", b"host: evil", 400),
    ("unknown expectation", b"Expect: 200-ok", 417),
    ("two expectations", b"Expect: 100-continue, more", 417),
]

HOSTS = [
    ("empty Host", b"Host:"),
    ("Host with a path", b"Host: h/a"),
    ("Host with userinfo", b"Host: a@h"),
    ("Host with a scheme", b"Host: http://h"),
    ("Host with a space", b"Host: a b"),
    ("Host with a port of letters", b"Host: h:80a"),
    ("Host with two ports", b"Host: h:80:80"),
    ("Host with a port too large", b"Host: h:65536"),
    ("Host with a bad escape", b"Host: h%zz"),
    ("Host with an open bracket", b"Host: [::1"),
    ("Host that is no IPv6 address", b"Host: [1::2::3]"),
    ("Host in Latin-1", b"Host: h\xe9"),
    ("Host with a quote", b'Host: "h"'),
    ("no Host", b"X: a"),
]

LENGTHS = [
    ("two lengths, the same", b"Content-Length: 5\r\nContent-Length: 5"),
    ("two lengths, different", b"Content-Length: 5\r\nContent-Length: %d" % (5 + SIZE)),
    ("list of one length twice", b"Content-Length: 5, 5"),
    ("list of two lengths", b"Content-Length: 5, %d" % (5 + SIZE)),
    ("length with a plus", b"Content-Length: +5"),
    ("negative length", b"Content-Length: -5"),
    ("length in hexadecimal", b"Content-Length: 0x5"),
    ("length with a fraction", b"Content-Length: 5.0"),
    ("length with an exponent", b"Content-Length: 5e0"),
    ("length with a space inside", b"Content-Length: 5 5"),
    ("length with an underscore", b"Content-Length: 1_0"),
    ("length with letters", b"Content-Length: 5a"),
    ("length in quotes", b'Content-Length: "5"'),
    ("length with a comma after", b"Content-Length: 5,"),
    ("length with a comma before", b"Content-Length: ,5"),
    ("empty length", b"Content-Length:"),
    ("length in superscript", b"Content-Length: \xb2"),
    ("length in Arabic digits", "Content-Length: \u0665".encode()),
    ("length over 64 bits", b"Content-Length: 18446744073709551621"),
    ("length of forty digits", b"Content-Length: " + b"9" * 40),
    ("five after forty zeros", b"Content-Length: " + b"0" * 40 + b"5"),
    ("length and chunked", b"Content-Length: 5\r\nTransfer-Encoding: chunked"),
    ("chunked and length", b"Transfer-Encoding: chunked\r\nContent-Length: 5"),
    ("chunked and a length of zero", b"Transfer-Encoding: chunked\r\nContent-Length: 0"),
    ("identity and length", b"Transfer-Encoding: identity\r\nContent-Length: 5"),
]

CODINGS = [
    ("chunked twice in two lines", b"chunked\r\nTransfer-Encoding: chunked", 400),
    ("chunked twice in a list", b"chunked, chunked", 400),
    ("identity, then chunked in a second line", b"identity\r\nTransfer-Encoding: chunked", 400),
    ("chunked, then identity in a second line", b"chunked\r\nTransfer-Encoding: identity", 400),
    ("identity before chunked", b"identity, chunked", 400),
    ("identity after chunked", b"chunked, identity", 400),
    ("identity", b"identity", 400),
    ("no coding", b"", 400),
    ("comma only", b",", 400),
    ("comma before chunked", b", chunked", 400),
    ("comma after chunked", b"chunked,", 400),
    ("something before chunked", b"xchunked", 400),
    ("something after chunked", b"chunkedx", 400),
    ("chunked in two words", b"chun ked", 400),
    ("chunked in quotes", b'"chunked"', 400),
    ("chunked in apostrophes", b"'chunked'", 400),
    ("chunked with a parameter", b"chunked;a=b", 400),
    ("chunked and an unknown word", b"chunked foo", 400),
    ("unknown coding", b"cow", 400),
    ("unknown coding before chunked", b"cow, chunked", 400),
    ("gzip alone", b"gzip", 400),
    ("gzip after chunked", b"chunked, gzip", 400),
    ("gzip before chunked", b"gzip, chunked", 501),
    ("deflate before chunked", b"deflate, chunked", 501),
    ("chunked after a vertical tab", b"\x0bchunked", 400),
    ("chunked before a NUL", b"chunked\x00", 400),
    ("chunked with a Kelvin sign", "chun\u212aed".encode(), 400),
    ("chunked after a no-break space", b"\xa0chunked", 400),
]

CHUNKS = [
    ("space after the size", b"5 \r\nhello\r\n0\r\n\r\n"),
    ("tab after the size", b"5\t\r\nhello\r\n0\r\n\r\n"),
    ("space before the size", b" 5\r\nhello\r\n0\r\n\r\n"),
    ("size with a plus", b"+5\r\nhello\r\n0\r\n\r\n"),
    ("negative size", b"-5\r\nhello\r\n0\r\n\r\n"),
    ("minus zero", b"-0\r\n\r\n"),
    ("size with 0x", b"0x5\r\nhello\r\n0\r\n\r\n"),
    ("size with h", b"5h\r\nhello\r\n0\r\n\r\n"),
    ("size with an underscore", b"1_0\r\n0123456789abcdef\r\n0\r\n\r\n"),
    ("size in superscript", b"\xb2\r\nhi\r\n0\r\n\r\n"),
    ("size in full-width digits", "\uff15\r\nhello\r\n0\r\n\r\n".encode()),
    ("empty size", b"\r\nhello\r\n0\r\n\r\n"),
    ("empty line before the last chunk", b"5\r\nhello\r\n\r\n0\r\n\r\n"),
    ("bare LF after the size", b"5\nhello\r\n0\r\n\r\n"),
    ("bare CR after the size", b"5\rhello\r\n0\r\n\r\n"),
    ("CR CR LF after the size", b"5\r\r\nhello\r\n0\r\n\r\n"),
    ("bare LF after the data", b"5\r\nhello\n0\r\n\r\n"),
    ("bare CR after the data", b"5\r\nhello\r0\r\n\r\n"),
    ("LF CR after the data", b"5\r\nhello\n\r0\r\n\r\n"),
    ("nothing after the data", b"5\r\nhello0\r\n\r\n"),
    ("more data than the size", b"4\r\nhello\r\n0\r\n\r\n"),
    ("less data than the size", b"6\r\nhello\r\n0\r\n\r\n"),
    ("two bytes after the data", b"5\r\nhelloXX0\r\n\r\n"),
    ("size over 64 bits", b"10000000000000005\r\nhello\r\n0\r\n\r\n"),
    ("size after seventeen zeros", b"000000000000000005\r\nhello\r\n0\r\n\r\n"),
    ("bare LF after the last size", b"0\n\r\n"),
    ("bare LF for the last line", b"0\r\n\n"),
    ("bare CR for the last line", b"0\r\n\rX"),
    ("extension with a bare LF", b"5;a\nb\r\nhello\r\n0\r\n\r\n"),
    ("extension with a bare CR", b"5;a\rb\r\nhello\r\n0\r\n\r\n"),
    ("extension that ends with a bare LF", b"5;a\nhello\r\n0\r\n\r\n"),
    ("extension with a NUL", b"5;a=\x00\r\nhello\r\n0\r\n\r\n"),
    ("extension without a name", b"5;\r\nhello\r\n0\r\n\r\n"),
    ("extension of semicolons", b"5;;;\r\nhello\r\n0\r\n\r\n"),
    ("extension without a value", b"5;a=\r\nhello\r\n0\r\n\r\n"),
    ("extension with blanks", b"5 ; a = b\r\nhello\r\n0\r\n\r\n"),
    ("extension with an open quote", b'5;a="b\r\nhello\r\n0\r\n\r\n'),
    ("extension with a line end in quotes", b'5;a="\r\n"\r\nhello\r\n0\r\n\r\n'),
    ("extension with a bare LF in quotes", b'5;a="\n"\r\nhello\r\n0\r\n\r\n'),
    ("comma for the semicolon", b"5,a\r\nhello\r\n0\r\n\r\n"),
    ("length in the trailers", b"0\r\nContent-Length: %d\r\n\r\n" % SIZE),
    ("coding in the trailers", b"0\r\nTransfer-Encoding: chunked\r\n\r\n"),
    ("Host in the trailers", b"0\r\nHost: evil\r\n\r\n"),
    ("folded trailer", b"0\r\nX: a\r\n b\r\n\r\n"),
    ("bare LF after a trailer", b"0\r\nX: a\n\r\n"),
    ("bare CR in a trailer", b"0\r\nX: a\rb\r\n\r\n"),
    ("NUL in a trailer", b"0\r\nX: a\x00\r\n\r\n"),
    ("space before a trailer's colon", b"0\r\nX : a\r\n\r\n"),
    ("trailer without a colon", b"0\r\nX\r\n\r\n"),
    ("a request line for a trailer", b"0\r\nGET /smuggled HTTP/1.1\r\n\r\n"),
]

REFUSED = [
    *(
        Vector(f"request line: {name}", line + b"\r\nHost: h\r\n\r\n", status)
        for name, line, status in REQUEST_LINES
    ),
    Vector("request line: bare LF", b"GET / HTTP/1.1\nHost: h\r\n\r\n", 400),
    Vector("request line: all bare LF", b"GET / HTTP/1.1\nHost: h\n\n", 400),
    *(Vector(f"header: {name}", head_lines(line), status) for name, line, status in HEADER_LINES),
    *(
        Vector(f"host: {name}", b"GET / HTTP/1.1\r\n" + line + b"\r\n\r\n", 400)
        for name, line in HOSTS
    ),
    *(Vector(f"length: {name}", head_lines(line) + b"hello", 400) for name, line in LENGTHS),
    *(
        Vector(
            f"coding: {name}",
            head_lines(b"Transfer-Encoding: " + value) + b"5\r\nhello\r\n0\r\n\r\n",
            status,
        )
        for name, value, status in CODINGS
    ),
    Vector(
        "coding: chunked in HTTP/1.0",
        b"POST / HTTP/1.0\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        400,
    ),
    Vector(
        "coding: chunked in HTTP/1.0 with a length",
        b"POST / HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: 5\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        400,
    ),
    *(Vector(f"chunk: {name}", chunks(body), 400) for name, body in CHUNKS),
    Vector("chunk: size of 64 bits", chunks(b"ffffffffffffffff\r\nhello"), 413),
    Vector("chunk: size that is negative in 64 bits", chunks(b"fffffffffffffffb\r\nhello"), 413),
]
"""Each is answered with its status and with nothing else, and the connection ends."""

ONE_REQUEST = [
    Vector("a request as the body of GET", head_lines(b"Content-Length: %d" % SIZE), 200),
    Vector(
        "a length with white space around",
        head_lines(b"Content-Length: \t %d \t" % SIZE),
        200,
    ),
    Vector("a length with a leading zero", head_lines(b"Content-Length: 0%d" % SIZE), 200),
    Vector(
        "a body with an upgrade that is ignored",
        head_lines(b"Connection: Upgrade", b"Upgrade: h2c", b"Content-Length: %d" % SIZE),
        200,
    ),
    Vector(
        "a body with a WebSocket upgrade",
        b"GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        b"Content-Length: %d\r\n\r\n" % SIZE,
        200,
    ),
    Vector(
        "a body with HEAD",
        b"HEAD / HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n" % SIZE,
        200,
    ),
    Vector(
        "a body with OPTIONS *",
        b"OPTIONS * HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n" % SIZE,
        200,
    ),
    Vector("after Connection: close", head_lines(b"Connection: close"), 200),
    Vector("after Connection: close in a list", head_lines(b"Connection: a, Close ,b"), 200),
    Vector(
        "after Connection: close in two lines",
        head_lines(b"Connection: keep-alive", b"Connection: close"),
        200,
    ),
    Vector("after HTTP/1.0", b"GET / HTTP/1.0\r\n\r\n", 200),
    Vector(
        "after HTTP/1.0 that closes and keeps alive",
        b"GET / HTTP/1.0\r\nConnection: close, keep-alive\r\n\r\n",
        200,
    ),
    Vector("after a chunk's data is announced", chunks(b"%x\r\n" % SIZE), 200),
]
"""Each is one request; ``SMUGGLED`` is its body, or is never read. Nothing may answer it."""
