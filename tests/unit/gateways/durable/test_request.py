"""What is read from query and header fields, and what is refused there."""

import pytest

from longwire.base.headers import Headers
from longwire.gateways.durable.faults import BadRequestError
from longwire.gateways.durable.request import (
    APPLICATION_SEQUENCE_BYTES_MAX,
    CONTENT_TYPE_CHARACTERS_MAX,
    TTL_S_MAX,
    ForkWish,
    Live,
    StreamRequest,
    read_application_sequence,
    read_content_type,
    read_expiry,
    read_fork,
    read_live,
    read_producer,
    read_start,
    read_ttl,
    wants_closed,
)
from longwire.identity.principal import ANONYMOUS
from longwire.streams.errors import PositionError, StreamNameError
from longwire.streams.position import START, parse_position
from longwire.streams.producer import PRODUCER_ID_BYTES_MAX, PRODUCER_NUMBER_MAX, ProducerStamp
from longwire.streams.verdict import StartAt

PLACE = "0000000000000007_k3v9x0qa09ab2e94d8139afb"


def request(query=(), mount="/streams/", **headers):
    fields = Headers([(name.replace("_", "-"), value) for name, value in headers.items()])
    return StreamRequest(
        method="GET",
        stream="s",
        headers=fields,
        query=list(query),
        principal=ANONYMOUS,
        mount=mount,
        url="http://x/streams/s",
    )


def test_8_offsets():
    def start(*values):
        asked = request([("offset", value) for value in values])
        return read_start(asked, is_required=False)

    assert start() is start("-1") is StartAt.EARLIEST
    assert start("now") is StartAt.TAIL
    assert start(PLACE) == parse_position(PLACE)
    assert start("0000000000000000_0000000000000000") == START
    for text in ("", "7", "NOW", PLACE + " ", PLACE[:-1], "a,b"):
        with pytest.raises(PositionError):
            start(text)
    with pytest.raises(BadRequestError, match="offset 2 times"):
        start(PLACE, PLACE)
    with pytest.raises(BadRequestError, match="has to have an offset"):
        read_start(request(), is_required=True)


def test_live_is_one_of_two():
    assert read_live(request()) is None
    assert read_live(request([("live", "sse")])) is Live.SSE
    assert read_live(request([("live", "long-poll")])) is Live.LONG_POLL
    for text in ("", "SSE", "true"):
        with pytest.raises(BadRequestError):
            read_live(request([("live", text)]))


@pytest.mark.parametrize("text", ["0", "1", "3600", str(TTL_S_MAX)])
def test_5_1_ttl(text):
    assert read_ttl(request(Stream_TTL=text)) == int(text)


@pytest.mark.parametrize(
    "text", ["", "-1", "+1", "01", "1.0", "1e3", " 1", "x", "٣", str(TTL_S_MAX + 1), "9" * 30]
)
def test_5_1_ttl_that_is_none(text):
    with pytest.raises(BadRequestError):
        read_ttl(request(Stream_TTL=text))


@pytest.mark.parametrize(
    ("text", "expected_ms"),
    [
        ("1970-01-02T00:00:00Z", 86_400_000),
        ("1970-01-02t01:00:00.25+01:00", 86_400_250),
        ("2030-01-02T03:04:05.123456789-02:30", 1_893_562_445_123),
        ("9999-12-31T23:59:59.999999999Z", 253_402_300_799_999),
    ],
)
def test_3339_expiry(text, expected_ms):
    assert read_expiry(request(Stream_Expires_At=text)) == expected_ms


@pytest.mark.parametrize(
    "text",
    [
        "",
        "tomorrow",
        "2030-01-02",
        "2030-01-02T03:04:05",
        "2030-13-02T03:04:05Z",
        "20300102T030405Z",
        "2030-01-02 03:04:05Z",
        "2030-W01-1T03:04:05Z",
        "1893553445",
        "2030-01-02T03:04:05+25:00",
        "9999-12-31T23:59:59-00:01",
        "0001-01-01T00:00:00+00:01",
    ],
)
def test_3339_expiry_that_is_none(text):
    with pytest.raises(BadRequestError):
        read_expiry(request(Stream_Expires_At=text))


def test_9110_8_3_1_content_type():
    assert read_content_type(request()) is read_content_type(request(Content_Type=" ")) is None
    assert read_content_type(request(Content_Type="Text/Plain; Charset=utf-8")) == (
        "text/plain;charset=utf-8"
    )
    longest = "text/" + "x" * (CONTENT_TYPE_CHARACTERS_MAX - 5)
    assert read_content_type(request(Content_Type=longest)) == longest
    for text in (longest + "x", "text", "text/", "/plain", "text/pl ain", "a/b/c"):
        with pytest.raises(BadRequestError):
            read_content_type(request(Content_Type=text))


@pytest.mark.parametrize(
    ("value", "expected"),
    [("true", True), ("TRUE", True), ("false", False), ("1", False), ("yes", False), ("", False)],
)
def test_4_1_only_true_closes(value, expected):
    assert wants_closed(request(Stream_Closed=value)) is expected
    assert not wants_closed(request())


def test_5_2_1_producer():
    assert read_producer(request()) is None
    full = {"Producer_Id": "p", "Producer_Epoch": "0", "Producer_Seq": str(PRODUCER_NUMBER_MAX)}
    assert read_producer(request(**full)) == ProducerStamp("p", 0, PRODUCER_NUMBER_MAX)
    # Octets on the wire are UTF-8, as on every other transport.
    octets = "é".encode().decode("latin-1")
    assert read_producer(request(**full | {"Producer_Id": octets})).producer_id == "é"
    longest = "p" * PRODUCER_ID_BYTES_MAX
    assert read_producer(request(**full | {"Producer_Id": longest})).producer_id == longest
    for name in full:
        with pytest.raises(BadRequestError, match="together"):
            read_producer(request(**{key: full[key] for key in full if key != name}))
    for wrong in (
        {"Producer_Id": ""},
        {"Producer_Id": longest + "p"},
        {"Producer_Id": "\xff"},
        {"Producer_Epoch": "-1"},
        {"Producer_Epoch": "1.5"},
        {"Producer_Epoch": ""},
        {"Producer_Seq": "1abc"},
        {"Producer_Seq": str(PRODUCER_NUMBER_MAX + 1)},
    ):
        with pytest.raises(BadRequestError):
            read_producer(request(**full | wrong))


def test_5_2_application_sequence():
    assert read_application_sequence(request()) is None
    longest = "s" * APPLICATION_SEQUENCE_BYTES_MAX
    assert read_application_sequence(request(Stream_Seq=longest)) == longest
    for text in ("", longest + "s", "\xe9"):
        with pytest.raises(BadRequestError):
            read_application_sequence(request(Stream_Seq=text))


@pytest.mark.parametrize("mount", ["/streams/", "/live/streams/"])
def test_4_2_source_stands_relative_to_the_mount_or_in_full(mount):
    def source(path):
        return read_fork(request(mount=mount, Stream_Forked_From=path)).source

    assert source(f"{mount}a/b%20c") == source("/a/b%20c") == source("a/b%20c") == "a/b c"
    assert source(f"{mount}streams/x") == "streams/x"
    for path in ("", "/", "a//b", "%00", "http://x/y"):
        with pytest.raises(StreamNameError):
            source(path)
    with pytest.raises(BadRequestError):
        source("%ff")


def test_4_2_place_of_a_fork():
    full = {"Stream_Forked_From": "s", "Stream_Fork_Offset": PLACE}
    assert read_fork(request()) is None
    assert read_fork(request(**full)) == ForkWish("s", parse_position(PLACE), 0)
    assert read_fork(request(**full, Stream_Fork_Sub_Offset="3")).sub_offset == 3
    assert read_fork(request(Stream_Forked_From="s")) == ForkWish("s", None, 0)
    assert read_fork(request(Stream_Forked_From="s", Stream_Fork_Offset="-1")).after == START
    for text in ("-1", "1.5", "01", "x", "", "9" * 30):
        with pytest.raises(BadRequestError):
            read_fork(request(**full, Stream_Fork_Sub_Offset=text))
    with pytest.raises(BadRequestError):
        read_fork(request(Stream_Forked_From="s", Stream_Fork_Sub_Offset="1"))
    for alone in ({"Stream_Fork_Offset": PLACE}, {"Stream_Fork_Sub_Offset": "0"}):
        with pytest.raises(BadRequestError):
            read_fork(request(**alone))
    with pytest.raises(PositionError):
        read_fork(request(Stream_Forked_From="s", Stream_Fork_Offset="now"))
