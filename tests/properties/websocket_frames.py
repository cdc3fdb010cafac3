"""Strategies for the WebSocket properties: streams of frames, good and broken, and ways to cut."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import strategies as st

from longwire.websocket.frames import encode_frame


@dataclass(frozen=True)
class RawFrame:
    """A frame as a peer might send it, whether it may or not."""

    opcode: int
    payload: bytes
    fin: bool = True
    rsv1: bool = False
    is_masked: bool = True

    def encode(self, *, to_server: bool) -> bytes:
        mask = b"\x9a\x01\xff\x55" if to_server is self.is_masked else None
        return encode_frame(self.opcode, self.payload, fin=self.fin, rsv1=self.rsv1, mask=mask)


# Text that is mostly valid, cut so that characters fall apart.
texts = st.text(max_size=40).map(str.encode) | st.sampled_from(
    [b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xc0\xaf", b"\xff", b"\xe2\x98", b"ok\x80"]
)
payloads = st.binary(max_size=40) | texts | st.integers(100, 300).map(lambda size: b"x" * size)
close_payloads = st.sampled_from(
    [
        b"",
        b"\x03\xe8",
        b"\x03\xe9bye",
        b"\x0f\xa0",
        b"\x03",
        b"\x03\xed",
        b"\x03\xe8\xff",
        b"\x13\x88",
    ]
)
controls = st.builds(RawFrame, st.sampled_from([9, 10]), st.binary(max_size=125))
closes = st.builds(RawFrame, st.just(8), close_payloads)


@st.composite
def messages(draw: st.DrawFn) -> list[RawFrame]:
    """One message in any number of frames, with control frames between them."""
    opcode = draw(st.sampled_from([1, 2]))
    payload = draw(st.text(max_size=60).map(str.encode) if opcode == 1 else payloads)
    cuts = sorted(draw(st.lists(st.integers(0, len(payload)), max_size=4)))
    frames: list[RawFrame] = []
    for index, (start, stop) in enumerate(zip([0, *cuts], [*cuts, len(payload)], strict=True)):
        if index:
            frames += draw(st.lists(controls, max_size=1))
        frames.append(
            RawFrame(opcode if index == 0 else 0, payload[start:stop], fin=index == len(cuts))
        )
    return frames


broken = st.builds(
    RawFrame,
    st.integers(0, 15),
    payloads,
    st.booleans(),
    st.booleans(),
    st.sampled_from([True, True, True, False]),
)

good_streams = st.lists(messages() | controls.map(lambda frame: [frame]), max_size=5).map(
    lambda groups: [frame for group in groups for frame in group]
)
streams = st.lists(
    messages() | st.one_of(controls, closes, broken, broken).map(lambda frame: [frame]), max_size=6
).map(lambda groups: [frame for group in groups for frame in group])


@st.composite
def wires(draw: st.DrawFn, *, to_server: bool) -> bytes:
    """Bytes that are frames for the most part: whole ones, broken ones, damaged ones."""
    data = b"".join(frame.encode(to_server=to_server) for frame in draw(streams))
    if data and draw(st.integers(0, 3)) == 0:
        index = draw(st.integers(0, len(data) - 1))
        data = data[:index] + draw(st.binary(max_size=3)) + data[index + 1 :]
    return data + draw(st.just(b"") | st.binary(max_size=20))


@st.composite
def cuts(draw: st.DrawFn, data: bytes) -> list[bytes]:
    """``data`` in pieces, some of them empty."""
    places = sorted(draw(st.lists(st.integers(0, len(data)), max_size=12)))
    return [
        data[start:stop] for start, stop in zip([0, *places], [*places, len(data)], strict=True)
    ]
