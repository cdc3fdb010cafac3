"""The length of a body, by our own reading; llhttp, heard first, must not be needed for it."""

from __future__ import annotations

import pytest

from longwire.base.errors import ProtocolError
from longwire.http.h1_framing import CHUNKED, body_length


def test_9112_6_3_length_is_what_the_headers_say() -> None:
    assert body_length({}, "1.1") == 0
    assert body_length({"content-length": ["0"]}, "1.0") == 0
    assert body_length({"content-length": ["0042"]}, "1.1") == 42
    assert body_length({"content-length": ["9" * 19]}, "1.1") == 10**19 - 1
    assert body_length({"transfer-encoding": ["Chunked"]}, "1.1") == CHUNKED


@pytest.mark.parametrize(
    "values",
    [["5", "5"], ["5", "6"], ["5, 5"], ["+5"], ["-5"], ["0x5"], ["5 "], [""], ["\xb2"], ["\u0665"],
     ["1_0"], ["9" * 20]],
)  # fmt: skip
def test_9112_6_3_doubtful_length_is_refused(values: list[str]) -> None:
    with pytest.raises(ProtocolError) as caught:
        body_length({"content-length": values}, "1.1")
    assert caught.value.code == 400


@pytest.mark.parametrize("length", ["0", "5", "x"])
@pytest.mark.parametrize("coding", ["chunked", "identity", ""])
def test_9112_6_1_length_and_coding_together_are_refused(length: str, coding: str) -> None:
    with pytest.raises(ProtocolError, match="contradict") as caught:
        body_length({"content-length": [length], "transfer-encoding": [coding]}, "1.1")
    assert caught.value.code == 400


@pytest.mark.parametrize(
    ("values", "status"),
    [
        (["chunked", "chunked"], 400),
        (["chunked, chunked"], 400),
        (["chunked,"], 400),
        ([",chunked"], 400),
        (["\xa0chunked"], 400),
        (["identity"], 400),
        (["gzip"], 400),
        ([""], 400),
        (["chunked, gzip"], 400),
        (["gzip", "identity, chunked"], 400),
        (["gzip, chunked"], 501),
        (["gzip", "chunked"], 501),
        (["x-gzip, deflate", "Chunked"], 501),
    ],
)
def test_9112_6_1_coding_that_is_not_chunked_alone_is_refused(
    values: list[str], status: int
) -> None:
    with pytest.raises(ProtocolError) as caught:
        body_length({"transfer-encoding": values}, "1.1")
    assert caught.value.code == status


def test_9112_6_1_http_1_0_has_no_coding() -> None:
    with pytest.raises(ProtocolError) as caught:
        body_length({"transfer-encoding": ["chunked"]}, "1.0")
    assert caught.value.code == 400
