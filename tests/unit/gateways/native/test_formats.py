"""The binary formats: strict like JSON, and payloads that nobody transcodes."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from longwire.gateways.native.formats.choice import choose_subprotocol, find_format, subprotocols
from longwire.gateways.native.formats.format import published_members
from longwire.gateways.native.formats.json_text import JSON_FORMAT
from longwire.streams.entry import Durability
from longwire.streams.errors import StreamError
from longwire.streams.position import Position
from longwire.streams.protobuf import longwire_pb2
from longwire.streams.store import Appended
from longwire.websocket.handshake import HandshakeError
from tests.unit.gateways.native.peer import Peer, make_gateway, settle
from tests.unit.hub.collectors import publish


def test_client_gets_the_first_of_its_formats_that_is_spoken():
    assert choose_subprotocol([]) is None
    assert find_format(None).subprotocol == "longwire.v1.json"
    names = ["longwire.v9.json", "longwire.v1.protobuf", "longwire.v1.json"]
    assert choose_subprotocol(names) == "longwire.v1.protobuf"
    assert choose_subprotocol(["longwire.v1.msgpack"]) == "longwire.v1.msgpack"
    with pytest.raises(HandshakeError, match=r"longwire\.v1\.msgpack"):
        choose_subprotocol(["longwire.v2.json"])


async def test_every_format_reads_what_another_one_published(spoken):
    gateway = make_gateway()
    payload = b' {"text" :\t"\xe4\xbd\xa0",  "n": 1.50 } '
    await gateway.hub.publish(publish(payload))
    await gateway.hub.publish(
        publish(b"\x00\xff", stream="b", content_type="application/octet-stream")
    )
    peer = await Peer.connected(gateway)
    for stream in "sb":
        assert (await peer.ask("subscribe", stream=stream, start="earliest"))["op"] == "subscribed"
    await settle()
    first, second = peer.of("entry")
    assert first["data"] == {"text": "你", "n": 1.5}
    assert second["base64"] == "AP8="
    if spoken == "msgpack":
        raw = [msgspec.msgpack.decode(text) for text in peer.wire.texts]
        assert [m.get("data", m.get("bytes")) for m in raw if m["op"] == "entry"] == [
            payload,
            b"\x00\xff",
        ]
    elif spoken == "protobuf":
        raw = [longwire_pb2.ServerMessage.FromString(text) for text in peer.wire.texts]
        entries = [m.entry for m in raw if m.WhichOneof("op") == "entry"]
        assert [e.data or e.bytes for e in entries] == [payload, b"\x00\xff"]


@pytest.mark.formats("msgpack")
@pytest.mark.parametrize(
    ("message", "code", "piece"),
    [
        (b"", "bad_msgpack", ""),
        (b"\xc1", "bad_msgpack", ""),
        (b"\x81\xa2op", "bad_msgpack", ""),
        (b"\x01", "bad_message", "map"),
        ({"id": 1}, "bad_message", "no op"),
        ({"op": "fly", "id": 1}, "bad_message", "fly"),
        ({"op": "ping", "id": -1}, "bad_message", "id"),
        ({"op": "ping", "id": 1, "more": 1}, "bad_message", "more"),
        ({"op": "publish", "id": 1, "stream": "s"}, "bad_message", "data, bytes or batch"),
        ({"op": "publish", "id": 1, "stream": "s", "data": b"{"}, "bad_message", "JSON"),
        ({"op": "publish", "id": 1, "stream": "s", "data": "text"}, "bad_message", "data"),
        ({"op": "publish", "id": 1, "stream": "s", "base64": "AA=="}, "bad_message", "base64"),
        (
            {"op": "publish", "id": 1, "stream": "s", "data": b"1", "bytes": b"1"},
            "bad_message",
            "exclude",
        ),
        (
            {"op": "publish", "id": 1, "stream": "s", "data": b"[" * 200 + b"]" * 200},
            "bad_message",
            "128",
        ),
    ],
)
async def test_malformed_msgpack_is_answered_with_what_is_wrong(message, code, piece):
    peer = await Peer.connected(make_gateway())
    raw = message if isinstance(message, bytes) else msgspec.msgpack.encode(message)
    peer.send_text(raw)
    await settle()
    (error,) = peer.of("error")
    assert (error["code"], error["retry"]) == (code, False)
    assert piece in error["message"]


@pytest.mark.formats("protobuf")
async def test_malformed_protobuf_is_answered_with_what_is_wrong():
    made = longwire_pb2.ClientMessage
    for message, code, piece in [
        (b"\xff", "bad_protobuf", ""),
        (b"", "bad_message", "no op"),
        (b"\xfa\x01\x00", "bad_message", "field 31"),
        (bytes([0x42, 4, 0x08, 1, 0x50, 7]), "bad_message", "field 10"),
        (made(subscribe={"id": 1}).SerializeToString(), "bad_message", "stream"),
        (made(subscribe={"stream": "s"}).SerializeToString(), "bad_message", "id"),
        (
            made(subscribe={"id": 1, "stream": "s", "start": "now"}).SerializeToString(),
            "bad_message",
            "start",
        ),
        (
            made(
                subscribe={"id": 1, "stream": "s", "start": "tail", "last": 3}
            ).SerializeToString(),
            "bad_message",
            "exclude",
        ),
        (
            made(publish={"id": 1, "stream": "s", "data": b"nope"}).SerializeToString(),
            "bad_message",
            "JSON",
        ),
        (made(ping={"id": 2**60}).SerializeToString(), "bad_message", "id"),
    ]:
        peer = await Peer.connected(make_gateway())
        peer.send_text(message)
        await settle()
        (error,) = peer.of("error")
        assert (error["code"], error["retry"]) == (code, False), message
        assert piece in error["message"], error


@pytest.mark.formats("msgpack", "protobuf")
async def test_text_message_is_refused():
    peer = await Peer.connected(make_gateway())
    peer.send_text('{"op":"ping","id":4}')
    (error,) = peer.of("error")
    assert error["code"] == "bad_message"
    assert "binary" in error["message"]


@pytest.mark.formats("json")
@pytest.mark.parametrize("subprotocol", sorted(subprotocols()))
@given(message=st.binary(max_size=200))
def test_no_message_upsets_a_decoder(subprotocol, message):
    format_ = find_format(subprotocol)
    for given_message in (message, message.decode("latin-1")):
        try:
            format_.decode(given_message)
        except StreamError as error:
            assert error.code in ("bad_json", "bad_msgpack", "bad_protobuf", "bad_message")
        assert isinstance(format_.read_id(given_message), int | None)


# -- what 1.1 brings to publishing and reading, in every format -----------------------------------


async def test_key_is_stored_and_delivered():
    gateway = make_gateway()
    peer = await Peer.connected(gateway)
    await peer.ask("subscribe", stream="s")
    await peer.ask("publish", stream="s", data=1, key="ü")
    await peer.ask("publish", stream="s", batch=[{"data": 2, "key": "b"}, {"data": 3}])
    await settle()
    assert [entry.get("key", "") for entry in peer.of("entry")] == ["ü", "b", ""]
    assert (await peer.ask("history", stream="s"))["entries"][0]["key"] == "ü"


@pytest.mark.parametrize(
    ("members", "piece"),
    [
        ({"data": 1, "key": "k" * 257}, "257 bytes"),
        ({"batch": [{"data": 1, "key": "é" * 129}]}, "batch[0]: key has 258 bytes"),
        ({"batch": [{"data": 1}], "key": "k"}, "each of its objects"),
        ({"data": 1, "if_tail": "nowhere"}, "no position"),
        ({"data": 1, "durability": "eternal"}, "durability"),
    ],
)
async def test_wrong_members_of_a_publish_are_named(members, piece):
    peer = await Peer.connected(make_gateway())
    answer = await peer.ask("publish", stream="s", **members)
    assert answer["code"] in ("bad_message", "bad_position")
    assert piece in answer["message"]


async def test_longest_key_is_taken():
    peer = await Peer.connected(make_gateway())
    assert (await peer.ask("publish", stream="s", data=1, key="k" * 256))["op"] == "published"


async def test_publish_follows_only_the_tail_that_it_names():
    peer = await Peer.connected(make_gateway())
    start = "0000000000000000_000000000000000000000000"
    first = await peer.ask("publish", stream="s", data=1, if_tail=start)
    answer = await peer.ask("publish", stream="s", data=2, if_tail=start)
    assert (answer["code"], answer["retry"], answer["tail"]) == ("tail_moved", False, first["last"])
    assert (await peer.ask("publish", stream="s", data=2, if_tail=first["last"]))[
        "op"
    ] == "published"


async def test_publish_that_asks_for_more_than_there_is_stores_nothing():
    peer = await Peer.connected(make_gateway())
    assert (await peer.ask("publish", stream="s", data=1, durability="memory"))["op"] == "published"
    for wanted in ("disk", "replicated"):
        answer = await peer.ask("publish", stream="s", data=2, durability=wanted)
        assert (answer["code"], answer["durability"]) == ("durability_unavailable", "memory")
        assert wanted in answer["message"]
    assert len((await peer.ask("history", stream="s"))["entries"]) == 1


async def test_many_streams_are_resumed_in_one_round_trip():
    gateway = make_gateway(application=None)
    held = {}
    for stream in ("a", "b", "c"):
        appended = await gateway.hub.publish(publish(b"1", b"2", stream=stream))
        held[stream] = str(appended.first)
    peer = await Peer.connected(gateway)
    await peer.ask("subscribe", stream="taken")
    wrong = held["c"][:-1] + ("0" if held["c"][-1] != "0" else "1")
    answer = await peer.ask(
        "resume",
        streams=[
            {"stream": "a", "position": held["a"]},
            {"stream": "b", "start": {"last": 1}},
            {"stream": "c", "position": wrong},
            {"stream": "taken"},
            {"stream": "new"},
        ],
    )
    assert answer["op"] == "resumed"
    first, second, third, fourth, fifth = answer["streams"]
    assert (first["recovered"], first["position"]) == (True, held["a"])
    assert second["position"] == held["b"]
    assert (third["recovered"], third["reason"], third["held"]) == (False, "diverged", wrong)
    assert (fourth["stream"], fourth["code"]) == ("taken", "already_subscribed")
    assert fifth["stream"] == "new"
    await settle()
    assert [(entry["stream"], entry["data"]) for entry in peer.of("entry")] == [("a", 2), ("b", 2)]


@pytest.mark.parametrize(
    "streams", [[], [{"stream": "a"}, {"stream": "b//"}], [{"stream": "a", "position": "x"}]]
)
async def test_malformed_resume_does_nothing(streams):
    peer = await Peer.connected(make_gateway())
    answer = await peer.ask("resume", streams=streams)
    assert answer["code"] in ("bad_message", "bad_stream_name", "bad_position")
    assert not peer.session.attachment.subscriptions


async def test_resume_names_at_most_as_many_streams_as_may_be_subscribed():
    peer = await Peer.connected(make_gateway())
    streams = [{"stream": f"s/{number}"} for number in range(1001)]
    assert (await peer.ask("resume", streams=streams))["code"] == "bad_message"
    answer = await peer.ask("resume", streams=streams[:1000])
    assert len(answer["streams"]) == 1000


@pytest.mark.formats("json")
@pytest.mark.parametrize("name", ["s", 'a"b\\c', "雪/é"])
@pytest.mark.parametrize("count", [0, 1, 2])
def test_json_of_a_stored_publish_is_that_of_its_members(spoken, name, count):
    places = [Position(number, "epoch000", bytes(8)) for number in range(1, count + 1)]
    first, last = (places[0], places[-1]) if places else (None, None)
    tail = Position(9, "epoch000", bytes(8))
    outcome = Appended(first, last, count == 2, Durability.DISK, tail)
    written = JSON_FORMAT.published(7, name, outcome)
    assert written == JSON_FORMAT.answer("published", 7, published_members(name, outcome))
