"""From a Python value to the bytes that are stored, and back."""

import base64
import dataclasses
import datetime
import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from longwire.client.errors import ClientError
from longwire.client.payloads import (
    convert_data,
    decode_entry,
    encode_batch,
    encode_payload,
    make_message,
)
from tests.unit.client.host import at

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(JSON, st.text(max_size=8))
def test_json_comes_back(data, key):
    message = json.loads(b"{" + encode_payload(data, key).member + b"}")
    assert decode_entry(message) == (data, False)
    assert message.get("key", "") == key


@given(st.binary(max_size=64))
def test_bytes_come_back(data):
    for given_as in (data, bytearray(data), memoryview(data)):
        payload = encode_payload(given_as)
        assert (payload.content, payload.is_json) == (data, False)
        assert decode_entry(json.loads(b"{" + payload.member + b"}")) == (data, False)


class Price(msgspec.Struct):
    cents: int


@dataclasses.dataclass
class Note:
    day: datetime.date


def test_typed_values_are_json():
    assert encode_payload(Price(7)).content == b'{"cents":7}'
    assert encode_payload(Note(datetime.date(2026, 11, 27))).content == b'{"day":"2026-11-27"}'


@pytest.mark.parametrize("batch", ["abc", b"abc", {"text": "hello"}, 5, None])
def test_one_message_is_no_batch(batch):
    with pytest.raises(ClientError, match="a list of messages") as caught:
        encode_batch(batch)
    assert (caught.value.code, caught.value.outcome) == ("bad_data", "not_stored")


@pytest.mark.parametrize(("batch", "problem"), [([], "nothing"), ([1, b"1"], "not both")])
def test_batch_holds_messages_of_one_kind(batch, problem):
    with pytest.raises(ClientError, match=problem):
        encode_batch(batch)


def test_value_is_taken_as_it_is_at_the_call():
    data = [1]
    payload = encode_payload(data)
    data.append(2)
    assert payload.content == b"[1]"


@pytest.mark.parametrize("data", [object(), {1: object()}, "\ud800"])
def test_value_that_is_no_json_is_told(data):
    with pytest.raises(ClientError) as caught:
        encode_payload(data)
    assert (caught.value.code, caught.value.outcome) == ("bad_data", "not_stored")


def test_erased_entry_has_no_data():
    assert decode_entry({"erased": True}) == (None, True)
    message = make_message("s", {"erased": True, "time": 5}, at(1), Price)
    assert (message.data, message.is_erased, message.time_ms) == (None, True, 5)


def test_type_that_does_not_fit_names_message_and_place():
    with pytest.raises(ClientError) as caught:
        make_message("s", {"data": {"cents": "x"}}, at(3), Price)
    assert caught.value.details == {"stream": "s", "position": at(3)}
    assert f"s: the message at {at(3)} is no" in caught.value.message
    assert "$.cents" in caught.value.message
    assert convert_data({"cents": 1}, Price, "it") == Price(1)
    assert convert_data({"cents": 1}, None, "it") == {"cents": 1}
    encoded = {"base64": base64.b64encode(b"\1").decode()}
    assert make_message("s", encoded, at(1), bytes).data == b"\1"
