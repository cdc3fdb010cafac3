"""Any data through permessage-deflate, and anything at all into the inflater."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from longwire.base.errors import LimitError, ProtocolError
from longwire.websocket.deflate import Deflater, Inflater
from tests.properties.websocket_frames import cuts

parts = st.binary(max_size=200) | st.binary(max_size=10).map(lambda unit: unit * 500)


@given(
    st.data(),
    st.lists(st.lists(parts, min_size=1, max_size=4), max_size=5),
    st.integers(8, 15),
    st.booleans(),
    st.integers(0, 9),
    st.integers(1, 9),
)
def test_7692_messages_go_there_and_back(
    data: st.DataObject,
    messages: list[list[bytes]],
    bits: int,
    resets: bool,
    level: int,
    memory_level: int,
) -> None:
    sender = Deflater(bits, resets, level=level, memory_level=memory_level)
    receiver = Inflater(bits, resets)
    for fragments in messages:
        wire = b"".join(
            sender.deflate(part, is_final=index == len(fragments) - 1)
            for index, part in enumerate(fragments)
        )
        pieces = data.draw(cuts(wire))
        whole = b"".join(fragments)
        got = b""
        for index, piece in enumerate(pieces):
            got += receiver.inflate(
                piece, is_final=index == len(pieces) - 1, before=len(got), maximum=len(whole)
            )
        assert got == whole
        if resets:
            assert not sender.holds_state and not receiver.holds_state


@given(
    st.lists(st.tuples(st.binary(max_size=80), st.booleans()), max_size=8),
    st.integers(8, 15),
    st.booleans(),
    st.none() | st.integers(0, 2000),
)
def test_any_bytes_inflate_or_are_refused(
    pieces: list[tuple[bytes, bool]], bits: int, resets: bool, maximum: int | None
) -> None:
    receiver = Inflater(bits, resets)
    before = 0
    for piece, is_final in pieces:
        try:
            inflated = receiver.inflate(piece, is_final=is_final, before=before, maximum=maximum)
        except LimitError as error:
            assert error.code == 1009 and maximum is not None and error.value > maximum
            return
        except ProtocolError as error:
            assert error.code == 1007
            return
        before = 0 if is_final else before + len(inflated)
        assert maximum is None or before <= maximum
