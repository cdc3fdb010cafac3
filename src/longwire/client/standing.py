"""What outlives one HTTP request of a client: what it reads, works for, entered and watches.

Over plain HTTP the server keeps nothing (docs/protocol.md, 18), so every request that reads asks
for all of it anew, from where the messages that came before it led to. To those above it looks
like one connection: answers to what was asked anew are taken out, and what they bring that is new
is told as it would have been told on a connection.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeAlias

import msgspec

from longwire.client.errors import ClientError, error_from_answer

__all__ = ["OWN_ID_MIN", "Standing"]

OWN_ID_MIN = 2**52
"""Requests of this module's own have higher numbers than any that the client comes to."""

PENDING_MAX = 200
"""Requests of the client in one HTTP request: the server bounds how many there may be."""

RESUMED_BYTES = 700
"""An upper bound of what one stream takes in ``resume``: its name and its position."""

_encode = msgspec.json.Encoder().encode

Message: TypeAlias = dict[str, Any]
Key: TypeAlias = tuple[str, str]


class Standing:
    """What stands, and the requests for it that have not been answered."""

    def __init__(self) -> None:
        self._pending: dict[int, tuple[Message, bytes]] = {}
        self._asked: dict[int, Callable[[Message], list[Message]]] = {}
        self._asked_beside: dict[int, Callable[[Message], list[Message]]] = {}
        self._next_id = OWN_ID_MIN
        self._places: dict[str, str] = {}
        """Where each stream has been received to."""
        self._direct: dict[str, None] = {}
        self._patterns: dict[str, set[str]] = {}
        """The streams that each pattern brought."""
        self._inbox: str | None = None
        self._left: set[str] = set()
        """Streams and patterns that were left before the answer to their request came."""
        self._consumers: dict[Key, Message] = {}
        self._held: dict[Key, set[str]] = {}
        """What was delivered and is not acknowledged, by consumer."""
        self._entered: dict[str, Message] = {}
        self._watched: dict[str, dict[str, Message]] = {}
        """The members of the streams that are watched, by who they are."""
        self._streams_per_message = 1

    # -- what is asked for ----------------------------------------------------------------------

    @property
    def is_anything(self) -> bool:
        """Whether anything may come that is no answer."""
        return bool(self._places or self._patterns or self._consumers or self._watched)

    @property
    def is_pending(self) -> bool:
        """Whether the client waits for an answer about what is to stand."""
        return bool(self._pending)

    @property
    def may_be_passed(self) -> bool:
        """Whether another request may come to the server before the present one: to ask twice does
        no harm, but what is new would be undone by what is repeated here and not answered yet."""
        return not (self._pending and self._asked)

    @property
    def is_needed(self) -> bool:
        """Whether requests have to be made for it to go on: membership lasts no longer."""
        return self.is_anything or self.is_pending or bool(self._entered)

    def welcomed(self, hello: Message) -> None:
        """The server has answered ``connect`` for the first time."""
        bytes_max = hello.get("limits", {}).get("message_bytes") or 1 << 20
        count_max = hello.get("limits", {}).get("subscriptions") or 1_000
        self._streams_per_message = max(1, min(bytes_max // RESUMED_BYTES, count_max))
        inbox = hello.get("inbox")
        if inbox is not None:
            self._inbox = str(inbox["stream"])
            self._places[self._inbox] = str(inbox["position"])

    def take(self, members: Message, text: bytes) -> list[Message] | None:
        """Take a request of the client; ``None``: it is none of those that last. Returns what can
        be answered at once."""
        op, number = members["op"], members.get("id", 0)
        if op in ("subscribe", "resume", "consume", "enter") or (
            op == "members" and members.get("watch")
        ):
            self._left.difference_update(_names_of(members))
            self._pending[number] = (members, text)
            return []
        if op == "unsubscribe":
            return self._unsubscribe(members)
        if op in ("leave", "release"):
            return self._end(members, text)
        if op == "unwatch":
            return self._unwatch(members)
        return None

    def _unwatch(self, members: Message) -> list[Message]:
        number, stream = members["id"], members["stream"]
        answers = self._withdraw(lambda asked: asked["op"] == "members", members)
        if self._watched.pop(stream, None) is None and not answers:
            return [_error(number, "not_watching", f'the members of "{stream}" are not watched')]
        return [*answers, {"op": "unwatched", "id": number, "stream": stream}]

    def _unsubscribe(self, members: Message) -> list[Message]:
        number = members["id"]
        answers = self._withdraw(lambda asked: asked["op"] == "subscribe", members)
        answer: Message = {"op": "unsubscribed", "id": number}
        if "pattern" in members:
            pattern = members["pattern"]
            self._left.add(pattern)
            self._patterns.pop(pattern, None)
            self._forget_unread()
            return [*answers, answer | {"pattern": pattern}]
        stream = members["stream"]
        self._left.add(stream)
        self._direct.pop(stream, None)
        if stream == self._inbox:
            self._inbox = None
        position = self._places.get(stream)
        self._forget_unread()
        if position is not None:
            answer["position"] = position
        return [*answers, answer | {"stream": stream}]

    def _end(self, members: Message, text: bytes) -> list[Message]:
        """Begin to end what the server has to be told of."""
        is_release = members["op"] == "release"
        if is_release:
            key = (members["stream"], members["consumer"])
            self._consumers.pop(key, None)
            self._held.pop(key, None)
        began = "consume" if is_release else "enter"
        answers = self._withdraw(lambda asked: asked["op"] == began, members)
        stream = members["stream"]
        if not is_release and self._entered.pop(stream, None) is None and not answers:
            return [_error(members["id"], "not_entered", f'"{stream}" was not entered')]
        self._pending[members["id"]] = (members, text)
        return answers

    def _withdraw(self, is_kind: Callable[[Message], bool], members: Message) -> list[Message]:
        """Take back what was asked for and not answered, and is not wanted any more."""
        names = ("stream", "pattern", "consumer")
        meant = [
            number
            for number, (asked, _) in self._pending.items()
            if is_kind(asked) and all(asked.get(name) == members.get(name) for name in names)
        ]
        for number in meant:
            del self._pending[number]
        return [_error(number, "withdrawn", "it was taken back by its client") for number in meant]

    def _forget_unread(self) -> None:
        read = {*self._direct, *(name for names in self._patterns.values() for name in names)}
        if self._inbox is not None:
            read.add(self._inbox)
        self._places = {name: place for name, place in self._places.items() if name in read}

    # -- the next request -----------------------------------------------------------------------

    def connect_members(self) -> Message:
        """Further members of ``connect``."""
        return {} if self._inbox is None else {"inbox": self._places[self._inbox]}

    def operations(self) -> list[bytes]:
        """Everything that the next request has to ask for."""
        self._asked.clear()
        return [
            *self._resume_operations(),
            *(self._pattern_operation(pattern) for pattern in self._patterns),
            *(self._consume_operation(key) for key in self._consumers),
            *(
                self._own("enter", {"stream": stream, **members}, _nothing)
                for stream, members in self._entered.items()
            ),
            *(self._watch_operation(stream) for stream in self._watched),
            *(text for _, text in list(self._pending.values())[:PENDING_MAX]),
        ]

    def own(self, op: str, members: Message, answered: Callable[[Message], list[Message]]) -> bytes:
        """A request that goes beside the one that asks for what stands. ``answered`` returns what
        those above are told."""
        number = self._draw_id()
        self._asked_beside[number] = answered
        return _encode({"op": op, "id": number, **members})

    def _own(
        self, op: str, members: Mapping[str, Any], answered: Callable[[Message], list[Message]]
    ) -> bytes:
        number = self._draw_id()
        self._asked[number] = answered
        return _encode({"op": op, "id": number, **members})

    def _draw_id(self) -> int:
        number, self._next_id = self._next_id, self._next_id + 1
        return number

    def _resume_operations(self) -> Iterable[bytes]:
        names = list(self._direct)
        size = self._streams_per_message
        for chunk in (names[begin : begin + size] for begin in range(0, len(names), size)):
            streams = [{"stream": name, "position": self._places[name]} for name in chunk]
            yield self._own("resume", {"streams": streams}, self._resumed_anew)

    def _pattern_operation(self, pattern: str) -> bytes:
        positions = {name: self._places[name] for name in self._patterns[pattern]}
        members = {"pattern": pattern, "start": "earliest", "positions": positions}
        return self._own("subscribe", members, _nothing)

    def _consume_operation(self, key: Key) -> bytes:
        members = self._consumers[key] | {"held": sorted(self._held[key])}

        def answered(answer: Message) -> list[Message]:
            if answer["op"] != "error":
                return []
            self._consumers.pop(key, None)
            return [_ended({"stream": key[0], "consumer": key[1]}, answer)]

        return self._own("consume", members, answered)

    def _watch_operation(self, stream: str) -> bytes:
        def answered(answer: Message) -> list[Message]:
            return _nothing(answer) or self._compare(stream, answer["members"])

        return self._own("members", {"stream": stream, "watch": True}, answered)

    # -- what comes -----------------------------------------------------------------------------

    def receive(self, message: Message) -> list[Message]:
        """Take note of a message; return what those above are told in its place.

        Raises ``ClientError`` for a refusal that they cannot be told as it is.
        """
        number = message.get("id")
        if number is not None and number >= OWN_ID_MIN:
            answered = self._asked.pop(number, None) or self._asked_beside.pop(number, None)
            return [] if answered is None else answered(message)
        if number is not None:
            asked = self._pending.pop(number, None)
            if asked is not None and message["op"] != "error":
                self._stands(asked[0], message)
            return [message]
        return self._deliver(message)

    def _stands(self, asked: Message, answer: Message) -> None:
        """What the client asked for stands from now on."""
        op, stream = asked["op"], asked.get("stream", "")
        if op == "subscribe" and "pattern" in asked:
            if asked["pattern"] not in self._left:
                self._patterns[asked["pattern"]] = set()
        elif op == "subscribe":
            self._begin(answer)
        elif op == "resume":
            for outcome in answer["streams"]:
                self._begin(outcome)
        elif op == "consume":
            members = {name: value for name, value in asked.items() if name not in ("op", "id")}
            key = (stream, asked["consumer"])
            self._consumers[key] = members
            self._held[key] = set()
        elif op == "enter":
            self._entered[stream] = {"data": asked["data"]} if "data" in asked else {}
        elif op == "members":
            self._watched[stream] = {_who(member): member for member in answer["members"]}

    def _begin(self, answer: Message) -> None:
        stream = answer["stream"]
        if "code" not in answer and stream not in self._left:
            self._direct[stream] = None
            self._places[stream] = answer["position"]

    def _deliver(self, message: Message) -> list[Message]:
        op, stream = message["op"], str(message.get("stream"))
        if "consumer" in message:
            return self._deliver_work(message)
        if op in ("entry", "gap"):
            if stream not in self._places:
                return []  # it was left, and the server does not know yet
            self._places[stream] = message["position" if op == "entry" else "upto"]
        elif op in ("closed", "ended"):
            self._direct.pop(stream, None)
            for names in self._patterns.values():
                names.discard(stream)
            self._places.pop(stream, None)
            if stream == self._inbox:
                self._inbox = None
        elif op == "matched":
            return self._matched(message)
        elif op == "presence":
            return self._presence_changed(message)
        return [message]

    def _deliver_work(self, message: Message) -> list[Message]:
        key = (str(message["stream"]), str(message["consumer"]))
        if key not in self._consumers:
            return []
        if message["op"] == "delivery":
            self._held[key].add(message["position"])
        elif message["op"] in ("closed", "ended"):
            del self._consumers[key]
            del self._held[key]
        return [message]

    def acknowledged(self, key: Key, is_meant: Callable[[str], bool]) -> None:
        """The server has an acknowledgement, or was given entries back."""
        held = self._held.get(key)
        if held is not None:
            self._held[key] = {position for position in held if not is_meant(position)}

    def _matched(self, message: Message) -> list[Message]:
        names = self._patterns.get(message["pattern"])
        if names is None:
            return []
        stream = message["stream"]
        if stream not in names:
            names.add(stream)
            self._places.setdefault(stream, message["position"])
            return [message]
        return self._moved(message)

    def _resumed_anew(self, answer: Message) -> list[Message]:
        _nothing(answer)
        told: list[Message] = []
        for outcome in answer["streams"]:
            if outcome["stream"] not in self._direct:
                continue
            if "code" in outcome:
                told += self._deliver(_ended({"stream": outcome["stream"]}, outcome))
            else:
                told += self._moved(outcome)
        return told

    def connected_anew(self, hello: Message) -> list[Message]:
        """Another request was welcomed; the inbox goes on with it."""
        inbox = hello.get("inbox")
        if inbox is None or inbox["stream"] != self._inbox:
            return []
        return self._moved(inbox)

    def _moved(self, answer: Message) -> list[Message]:
        """A stream goes on; where it could not from where it was, that is a gap."""
        if answer.get("recovered") is not False:
            return []
        gap = {
            "op": "gap",
            "stream": answer["stream"],
            "after": self._places[answer["stream"]],
            "upto": answer["position"],
            "reason": answer.get("reason", "trimmed"),
            "lost": True,
        }
        return self._deliver(gap)

    # -- presence -------------------------------------------------------------------------------

    def _presence_changed(self, message: Message) -> list[Message]:
        members = self._watched.get(message["stream"])
        if members is None:
            return []
        if message["event"] == "reset":
            self._watched[message["stream"]] = {_who(one): one for one in message["members"]}
        elif message["event"] == "leave":
            members.pop(_who(message), None)
        else:
            members[_who(message)] = _member(message)
        return [message]

    def _compare(self, stream: str, members: list[Message]) -> list[Message]:
        """What changed while nobody told."""
        before = self._watched.get(stream)
        if before is None:
            return []
        now = {_who(member): member for member in members}
        self._watched[stream] = now
        head = {"op": "presence", "stream": stream}
        gone = [head | {"event": "leave"} | one for who, one in before.items() if who not in now]
        changed = [
            head | {"event": "update" if who in before else "join"} | one
            for who, one in now.items()
            if before.get(who) != one
        ]
        return gone + changed


def _names_of(members: Message) -> set[str]:
    named = [*members.get("streams", ()), members]
    return {str(one[name]) for one in named for name in ("stream", "pattern") if name in one}


def _who(member: Message) -> str:
    return f"user {member['user']}" if "user" in member else f"connection {member['connection']}"


def _member(message: Message) -> Message:
    return {name: message[name] for name in ("user", "connection", "data") if name in message}


def _nothing(answer: Message) -> list[Message]:
    """The answer says nothing new. Raises ``ClientError`` when it is a refusal."""
    if answer["op"] == "error":
        error: ClientError = error_from_answer(answer)
        raise error
    return []


def _error(number: int, code: str, message: str) -> Message:
    return {"op": "error", "id": number, "code": code, "message": message, "retry": False}


def _ended(names: Message, error: Message) -> Message:
    members = {name: value for name, value in error.items() if name not in ("op", "id")}
    return {"op": "ended", **members, **names}
