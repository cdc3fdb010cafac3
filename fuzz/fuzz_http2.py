"""Fuzz the HTTP/2 engine: whatever comes, it never raises, and no cut changes what it says."""

import sys
from pathlib import Path

import atheris

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

with atheris.instrument_imports(include=["longwire"]):
    from longwire.http import h2  # noqa: F401

from tests.properties.test_http_h2 import HTTP2, LIMITS, check_life_of_streams
from tests.unit.http.h2_wire import Conversation
from tests.unit.http.wire import byte_by_byte, whole


def test_one_input(data: bytes) -> None:
    kind, data = (data[0], data[1:]) if data else (0, b"")
    talks = []
    for cut in (whole, byte_by_byte):
        talk = Conversation(
            limits=LIMITS, http2=HTTP2, begin=bool(kind & 1), echo=bool(kind & 2), cut=cut
        )
        talk.feed(data)
        check_life_of_streams(talk.events)
        talks.append(talk)
    if talks[0].events != talks[1].events:
        raise AssertionError(f"the cut changed {talks[0].events} to {talks[1].events}")


if __name__ == "__main__":
    atheris.Setup(sys.argv, test_one_input)
    atheris.Fuzz()
