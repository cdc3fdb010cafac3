"""Fuzz the HTTP/1.x engine: whatever comes, it answers by the rules, and no cut changes that.

The first byte of an input says how the rest is cut. h11 reads along: what our engine takes for a
complete request, h11 must take for one too.
"""

import sys
from pathlib import Path

import atheris

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

with atheris.instrument_imports(include=["longwire"]):
    from longwire.base.limits import HttpLimits
    from longwire.http import h1  # noqa: F401

from tests.properties.test_http_h11 import may_h11_stop_early, read_with_h11
from tests.unit.http.wire import Conversation, byte_by_byte

LIMITS = HttpLimits(
    request_line_bytes_max=100, header_bytes_max=500, headers_max=10, body_bytes_max=200
)


def hold(pieces: list[bytes]) -> Conversation:
    conversation = Conversation(limits=LIMITS)
    conversation.feed(pieces)
    conversation.eof()
    return conversation


def test_one_input(data: bytes) -> None:
    step, data = (data[0] or 1, data[1:]) if data else (1, b"")
    whole = hold([data])
    for cut in (byte_by_byte(data), [data[i : i + step] for i in range(0, len(data), step)]):
        other = hold(cut)
        if (other.events, other.output) != (whole.events, whole.output):
            raise AssertionError(f"the cut changed {whole.events} to {other.events}")
    complete = [seen for seen in whole.seen if seen.trailers is not None]
    theirs = read_with_h11(data)
    for seen, read in zip(complete, theirs, strict=False):
        if seen.head.method != read.method or seen.body != read.body:
            raise AssertionError(f"h11 reads {read}, we read {seen}")
    if len(theirs) < len(complete) and not may_h11_stop_early(data):
        raise AssertionError(f"h11 reads {len(theirs)} requests, we read {len(complete)}")


if __name__ == "__main__":
    atheris.Setup(sys.argv, test_one_input)
    atheris.Fuzz()
