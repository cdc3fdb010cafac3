"""Whatever a client sends, each request gets one answer and the server never fails."""

import asyncio
import json

from hypothesis import given, settings
from hypothesis import strategies as st

from longwire.streams.position import START
from tests.unit.gateways.native.peer import Peer, make_gateway, settle

names = st.sampled_from(["s", "t", "a//b", "", "$x", "é/ü", "a*", "x" * 600])
positions = st.sampled_from(
    [str(START), "0" * 40, "", str(START)[:-1] + "g", None, 5]
) | st.from_regex(r"\A000000000000000[0-9]_[0-9a-z]{8}[0-9a-f]{16}\Z")
small = st.integers(-1, 5) | st.sampled_from([None, "1", 2**53, 1.5, True])
data = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=5,
)
members = {
    "stream": names,
    "position": positions,
    "after": positions,
    "before": positions,
    "start": st.sampled_from(["tail", "earliest", {"last": 2}, {"last": "2"}, "x", 5]),
    "data": data,
    "base64": st.sampled_from(["AAEC", "A", "", 5]),
    "batch": st.lists(
        st.fixed_dictionaries({}, optional={"data": data, "base64": st.just("AA==")}), max_size=3
    ),
    "producer": st.sampled_from(["p", "q", "", 5, "x" * 200]),
    "epoch": small,
    "sequence": small,
    "limit": small,
    "version": st.sampled_from([1, 1, 1, 2, "1"]),
    "token": st.sampled_from(["ann", "nobody", 5]),
    "surprise": st.just(1),
}
ops = st.sampled_from(
    [
        "subscribe",
        "unsubscribe",
        "publish",
        "publish",
        "publish",
        "history",
        "ping",
        "pong",
        "connect",
        "fly",
        None,
    ]
)
needed = {
    "subscribe": ["stream"],
    "unsubscribe": ["stream"],
    "publish": ["stream", "data"],
    "history": ["stream"],
    "connect": ["version"],
}


@st.composite
def requests(draw):
    op = draw(ops)
    wanted = list(needed.get(op, []))
    wanted += draw(st.lists(st.sampled_from(sorted(members)), max_size=3))
    request = {name: draw(members[name]) for name in wanted}
    if op == "publish" and draw(st.booleans()):
        request |= {"producer": "p", "epoch": 0, "sequence": draw(st.integers(0, 4))}
    return {"op": op, **request}


@given(st.lists(requests(), max_size=30))
@settings(max_examples=150)
def test_every_request_has_exactly_one_answer(sent):
    async def run():
        peer = await Peer.connected(make_gateway(bad_messages_max=1000))
        for request_id, request in enumerate(sent, 10):
            peer.send_text(json.dumps({"id": request_id, **request}))
        for _ in range(4):
            await settle()
        for request_id, request in enumerate(sent, 10):
            answers = [m for m in peer.all if m.get("id") == request_id]
            expected = 0 if request["op"] == "pong" and list(request) == ["op"] else 1
            assert len(answers) == expected, (request, answers)
        for message in peer.all:
            if message["op"] == "error":
                assert message["code"] != "internal", message
                assert message["message"]
        held = {}
        for message in peer.all:
            if message["op"] == "subscribed":
                held[message["stream"]] = message["position"]
            elif message["op"] == "entry":
                assert message["after"] == held[message["stream"]]
                held[message["stream"]] = message["position"]
        await peer.gateway.hub.close()

    asyncio.run(run())


@given(st.text(max_size=200))
def test_any_text_is_answered_with_an_error_or_taken(text):
    async def run():
        peer = await Peer.connected(make_gateway())
        peer.send_text(text)
        await settle()
        assert [m["op"] for m in peer.all[1:]] in (["error"], [])

    asyncio.run(run())
