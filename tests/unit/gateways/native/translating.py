"""Messages of every format as the JSON that docs/protocol.md shows, and back: written from the page
and the schema, not from the code under test."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec

from longwire.streams.protobuf import longwire_pb2

__all__ = ["TRANSLATIONS", "Translation"]

Json = dict[str, Any]


class Translation(NamedTuple):
    """How a client of one format writes and reads."""

    subprotocol: str
    write: Callable[[Json], str | bytes]
    read: Callable[[bytes], Json]


def _text_of(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def _to_binary(members: Json) -> Json:
    """``data`` as JSON text in bytes, ``base64`` as ``bytes``; what is wrong stays wrong."""
    changed = dict(members)
    if "data" in changed:
        changed["data"] = _text_of(changed["data"])
    if isinstance(changed.get("base64"), str):
        changed["bytes"] = base64.b64decode(changed.pop("base64"))
    if isinstance(changed.get("batch"), list):
        changed["batch"] = [
            _to_binary(item) if isinstance(item, dict) else item for item in changed["batch"]
        ]
    return changed


def _from_binary(members: Json) -> Json:
    changed = dict(members)
    if "data" in changed:
        changed["data"] = json.loads(changed["data"])
    if "bytes" in changed:
        changed["base64"] = base64.b64encode(changed.pop("bytes")).decode()
    for name in ("entries", "streams", "members"):
        if isinstance(changed.get(name), list):
            changed[name] = [_from_binary(item) for item in changed[name]]
    return changed


def _with_nulls(message: Json) -> Json:
    """What is null in JSON is left out in the binary formats."""
    if message["op"] == "published":
        return {"first": None, "last": None, **message}
    return message


# -- protobuf -----------------------------------------------------------------------------------


def _write_protobuf(message: Json) -> bytes:
    members = dict(message)
    op = members.pop("op")
    written = longwire_pb2.ClientMessage()
    part = getattr(written, op)
    part.SetInParent()
    _fill(part, _to_binary(members))
    return written.SerializeToString()


def _fill(part: Any, members: Json) -> None:
    for name, value in members.items():
        if name == "start" and isinstance(value, dict):
            part.last = value["last"]
        elif isinstance(value, list):
            for item in value:
                if isinstance(item, dict):
                    _fill(getattr(part, name).add(), item)
                else:
                    getattr(part, name).append(item)
        elif isinstance(value, dict):
            getattr(part, name).update(value)
        else:
            setattr(part, name, value)


def _read_protobuf(message: bytes) -> Json:
    parsed = longwire_pb2.ServerMessage.FromString(message)
    op = parsed.WhichOneof("op")
    members = _from_binary(_members_of(getattr(parsed, op)))
    for name, listed in (("history", "entries"), ("members", "members")):
        if op == name:
            members.setdefault(listed, [])  # an empty list is not written
    return _with_nulls({"op": op, **members})


def _members_of(part: Any) -> Json:
    members: Json = {}
    for field, value in part.ListFields():
        if field.is_repeated and field.message_type is not None:
            members[field.name] = [_members_of(item) for item in value]
        elif field.is_repeated:
            members[field.name] = list(value)
        elif field.message_type is not None:
            members[field.name] = _members_of(value)
        else:
            members[field.name] = value
    return members


TRANSLATIONS = {
    "json": Translation("longwire.v1.json", json.dumps, json.loads),
    "msgpack": Translation(
        "longwire.v1.msgpack",
        lambda message: msgspec.msgpack.encode(_to_binary(message)),
        lambda message: _with_nulls(_from_binary(msgspec.msgpack.decode(message))),
    ),
    "protobuf": Translation("longwire.v1.protobuf", _write_protobuf, _read_protobuf),
}
