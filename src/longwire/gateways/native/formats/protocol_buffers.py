"""``longwire.v1.protobuf``: each message is one ``ClientMessage`` or ``ServerMessage``.

The schema stands in ``streams/protobuf/longwire.proto``. Messages become the same requests as those
of the other formats, so that one set of checks judges all of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import DecodeError, Message
from google.protobuf.unknown_fields import UnknownFieldSet

from longwire.gateways.native.formats.format import FrameEncoder, JsonText, published_members
from longwire.gateways.native.formats.shapes import explain_shape
from longwire.gateways.native.requests import BadMessageError, BinaryRequest, Request
from longwire.streams.entry import Entry, is_json
from longwire.streams.errors import StreamError
from longwire.streams.position import Position
from longwire.streams.protobuf import longwire_pb2
from longwire.streams.store import Appended
from longwire.websocket.frames import BINARY

__all__ = ["PROTOBUF_FORMAT", "BadProtobufError", "ProtobufFormat"]


class BadProtobufError(StreamError):
    """The message is no ``ClientMessage``."""

    code = "bad_protobuf"


class ProtobufFormat:
    """See :class:`~longwire.gateways.native.formats.format.Format`."""

    subprotocol = "longwire.v1.protobuf"
    opcode = BINARY

    def __init__(self) -> None:
        self.frames = FrameEncoder(self)

    # -- reading --------------------------------------------------------------------------------

    def decode(self, message: str | bytes) -> Request:
        if isinstance(message, str):
            raise BadMessageError(
                f"a text message came; with {self.subprotocol} every message is binary"
            )
        parsed = longwire_pb2.ClientMessage()
        try:
            parsed.ParseFromString(message)
        except DecodeError as error:
            raise BadProtobufError(f"this is no ClientMessage: {error}") from None
        op = parsed.WhichOneof("op")
        if op is None:
            _refuse_unknown(parsed, "the message")
            raise BadMessageError("the message has no op: one field of ClientMessage must be set")
        _refuse_unknown(parsed, op)
        members = _read_members(getattr(parsed, op), op)
        _join_start(members)
        try:
            request: Request = msgspec.convert({"op": op, **members}, BinaryRequest)
        except msgspec.ValidationError as error:
            raise BadMessageError(f"{op}: {explain_shape(str(error))}") from None
        return request

    def read_id(self, message: str | bytes) -> int | None:
        parsed = longwire_pb2.ClientMessage()
        try:
            parsed.ParseFromString(message if isinstance(message, bytes) else b"")
        except DecodeError:
            return None
        op = parsed.WhichOneof("op")
        if op is None or not getattr(parsed, op).HasField("id"):
            return None
        value: int = getattr(parsed, op).id
        return value if value < 2**53 else None

    # -- writing --------------------------------------------------------------------------------

    def answer(self, op: str, request_id: int | None, members: Mapping[str, Any]) -> bytes:
        message = longwire_pb2.ServerMessage()
        part = getattr(message, op)
        part.SetInParent()
        if request_id is not None:
            part.id = request_id
        _fill(part, members)
        return message.SerializeToString()

    def published(self, request_id: int, stream: str, outcome: Appended) -> bytes:
        return self.answer("published", request_id, published_members(stream, outcome))

    def entry(self, stream: str, entry: Entry) -> bytes:
        message = longwire_pb2.ServerMessage()
        message.entry.stream = stream
        _fill_entry(message.entry, entry)
        return message.SerializeToString()

    def delivery(self, consumer: str, attempt: int, stream: str, entry: Entry) -> bytes:
        message = longwire_pb2.ServerMessage()
        part = message.delivery
        part.consumer, part.attempt, part.stream = consumer, attempt, stream
        _fill_entry(part, entry)
        return message.SerializeToString()

    def history(
        self,
        request_id: int,
        stream: str,
        entries: Sequence[Entry],
        has_more: bool,
        tail: Position,
    ) -> bytes:
        message = longwire_pb2.ServerMessage()
        answer = message.history
        answer.id, answer.stream, answer.more, answer.tail = request_id, stream, has_more, str(tail)
        for entry in entries:
            _fill_entry(answer.entries.add(), entry)
        return message.SerializeToString()


def _refuse_unknown(message: Message, where: str) -> None:
    unknown = UnknownFieldSet(message)
    if len(unknown):
        raise BadMessageError(f"{where}: field {unknown[0].field_number} has no meaning here")


def _read_members(message: Message, where: str) -> dict[str, Any]:
    """The fields that are set, as the members of a map."""
    _refuse_unknown(message, where)
    members: dict[str, Any] = {}
    for field, value in message.ListFields():
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            members[field.name] = dict(value)
        elif field.is_repeated and field.type == FieldDescriptor.TYPE_MESSAGE:
            members[field.name] = [_read_members(item, f"{where}.{field.name}") for item in value]
            for item in members[field.name]:
                _join_start(item)
        elif field.is_repeated:
            members[field.name] = list(value)
        else:
            members[field.name] = value
    return members


def _join_start(members: dict[str, Any]) -> None:
    """``start`` and ``last`` are one member in the other formats."""
    if "last" in members:
        if "start" in members:
            raise BadMessageError("start and last exclude each other")
        members["start"] = {"last": members.pop("last")}


def _fill(message: Any, members: Mapping[str, Any]) -> None:
    """Set the fields of these members; a member that the schema does not have is left out."""
    fields = message.DESCRIPTOR.fields_by_name
    for name, value in members.items():
        field = fields.get(name)
        if field is None or value is None:
            continue
        if isinstance(value, JsonText):
            setattr(message, name, value.text)
        elif isinstance(value, Mapping):
            part = getattr(message, name)
            part.SetInParent()
            _fill(part, value)
        elif isinstance(value, (list, tuple)):
            part = getattr(message, name)
            for item in value:
                if isinstance(item, Mapping):
                    _fill(part.add(), item)
                else:
                    part.append(item)
        else:
            setattr(message, name, value)


def _fill_entry(message: Any, entry: Entry) -> None:
    message.after, message.position = str(entry.previous), str(entry.position)
    message.time = entry.time_ms
    if entry.key:
        message.key = entry.key
    if entry.is_erased:
        message.erased = True
    elif is_json(entry.content_type):
        message.data = entry.payload
    else:
        message.bytes = entry.payload


PROTOBUF_FORMAT = ProtobufFormat()
