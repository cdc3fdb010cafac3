"""Bodies of several parts (RFC 7578, RFC 2046 section 5.1), however they are cut."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longwire.base.errors import LimitError, ProtocolError
from longwire.base.limits import FormLimits
from longwire.http.multipart import (
    MultipartReader,
    PartBegan,
    PartData,
    PartEnded,
    find_boundary,
)

LIMITS = FormLimits()
Part = tuple[str, str | None, bytes]


def read(*pieces: bytes, limits: FormLimits = LIMITS, boundary: str = "B") -> list[Part]:
    """Read a body and return name, file name and bytes of each part."""
    reader = MultipartReader(boundary, limits)
    parts: list[Part] = []
    is_open = False
    for piece in pieces:
        for event in reader.receive(piece):
            if isinstance(event, PartBegan):
                assert not is_open
                parts.append((event.name, event.file_name, b""))
                is_open = True
            elif isinstance(event, PartData):
                assert is_open and event.data
                name, file_name, data = parts[-1]
                parts[-1] = (name, file_name, data + event.data)
            else:
                assert isinstance(event, PartEnded) and is_open
                is_open = False
    reader.receive_end()
    assert not is_open
    return parts


def part(head: str, body: bytes = b"x") -> bytes:
    return b"--B\r\n" + head.encode() + b"\r\n\r\n" + body + b"\r\n"


def field(name: str, body: bytes = b"x") -> bytes:
    return part(f'Content-Disposition: form-data; name="{name}"', body)


END = b"--B--\r\n"
FORM = (
    b"This is a preamble.\r\n--Bad line\r\n".replace(b"--Bad", b"-- Bad")
    + field("title", "héllo".encode())
    + part('content-disposition: Form-Data; name="doc"; filename="a b.txt"\r\nX-Y: z', b"\r\n\0--")
    + b"--B \t\r\nContent-Disposition: form-data; name=empty\r\n\r\n\r\n"
    + END
    + b"--B\r\nepilogue"
)
PARTS: list[Part] = [
    ("title", None, "héllo".encode()),
    ("doc", "a b.txt", b"\r\n\0--"),
    ("empty", None, b""),
]


def test_whole_and_byte_by_byte() -> None:
    assert read(FORM) == PARTS
    assert read(*(FORM[place : place + 1] for place in range(len(FORM)))) == PARTS


@given(st.lists(st.integers(0, len(FORM)), max_size=8))
def test_cut_anywhere(cuts: list[int]) -> None:
    places = [0, *sorted(cuts), len(FORM)]
    assert read(*(FORM[a:b] for a, b in itertools.pairwise(places))) == PARTS


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.binary(max_size=300)), max_size=5),
    st.integers(1, 200),
)
def test_what_is_written_is_read(fields: list[tuple[str, bytes]], step: int) -> None:
    boundary = "----longwire-test-boundary"
    body = b"".join(
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n'.encode()
        + data
        + b"\r\n"
        for name, data in fields
    )
    body += f"--{boundary}--".encode()
    pieces = [body[place : place + step] for place in range(0, len(body), step)]
    assert read(*pieces, boundary=boundary) == [(name, None, data) for name, data in fields]


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ('"plain.txt"', "plain.txt"),
        ("plain.txt", "plain.txt"),
        ('"%22quoted%22.txt"', '"quoted".txt'),
        (r'"\"quoted\".txt"', '"quoted".txt'),
        (r'"C:\temp\new.txt"', r"C:\temp\new.txt"),
        ('"../../etc/passwd"', "../../etc/passwd"),
        ('"日本.txt"', "日本.txt"),
        ('"a;b=c.txt"', "a;b=c.txt"),
        ('""', ""),
    ],
)
def test_7578_4_2_file_name_is_told_as_the_client_wrote_it(written: str, name: str) -> None:
    # filename* must not be used: it is no file name here.
    head = f"Content-Disposition: form-data; name=f; filename={written}; filename*=utf-8''no"
    assert read(part(head) + END) == [("f", name, b"x")]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no boundary",
        field("a"),
        field("a")[:-2] + b"--B-",
        part("X: y") + END,
        part("Content-Disposition: attachment; name=a") + END,
        part("Content-Disposition: form-data") + END,
        part("Content-Disposition form-data; name=a") + END,
        part("Content Disposition: form-data; name=a") + END,
        part("Content-Disposition: form-data; name=a\r\n folded") + END,
        part("Content-Disposition: form-data; name=a\r\nContent-Transfer-Encoding: base64") + END,
        b"--B\r\n\r\nbody\r\n" + END,
        b"--Bx\r\nContent-Disposition: form-data; name=a\r\n\r\nx\r\n" + END,
        b"--B" + b" " * 100 + field("a") + END,
    ],
)
def test_malformed_body_is_refused(body: bytes) -> None:
    for pieces in ([body], [bytes([byte]) for byte in body]):
        with pytest.raises(ProtocolError) as caught:
            read(*pieces)
        assert caught.value.code == 400


def test_as_many_parts_as_allowed_and_one_more() -> None:
    limits = replace(LIMITS, parts_max=3)
    assert len(read(field("a") * 3 + END, limits=limits)) == 3
    with pytest.raises(LimitError) as caught:
        read(field("a") * 4 + END, limits=limits)
    assert (caught.value.code, caught.value.limit_name) == (413, "parts_max")


def test_head_of_a_part_as_long_as_allowed_and_one_more() -> None:
    head = 'Content-Disposition: form-data; name="a"'
    limits = replace(LIMITS, part_header_bytes_max=len(head) + 2)
    for padding, is_allowed in (("", True), ("x", False)):
        body = part(head.replace('"a"', f'"{padding}a"')) + END
        for pieces in ([body], [bytes([byte]) for byte in body]):
            if is_allowed:
                assert read(*pieces, limits=limits)
                continue
            with pytest.raises(LimitError) as caught:
                read(*pieces, limits=limits)
            assert caught.value.limit_name == "part_header_bytes_max"


def test_endless_head_is_not_held() -> None:
    reader = MultipartReader("B", LIMITS)
    reader.receive(b"--B\r\n")
    with pytest.raises(LimitError):
        for _ in range(100):
            reader.receive(b"x" * 1024)


@pytest.mark.parametrize(
    ("content_type", "boundary"),
    [
        ("multipart/form-data; boundary=abc", "abc"),
        ('multipart/form-data; charset=utf-8; boundary="a b:c"', "a b:c"),
        ("multipart/form-data", None),
        ("multipart/form-data; boundary=", None),
        ('multipart/form-data; boundary=""', None),
        ('multipart/form-data; boundary="a "', None),
        ('multipart/form-data; boundary="é"', None),
        ("multipart/form-data; boundary=" + "x" * 70, "x" * 70),
        ("multipart/form-data; boundary=" + "x" * 71, None),
    ],
)
def test_2046_5_1_1_boundary(content_type: str, boundary: str | None) -> None:
    if boundary is not None:
        assert find_boundary(content_type) == boundary
        return
    with pytest.raises(ProtocolError) as caught:
        find_boundary(content_type)
    assert caught.value.code == 400
