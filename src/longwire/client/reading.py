"""All that one client reads: its subscriptions, patterns and inbox, and what goes to which."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from longwire.client.errors import ClientError, error_from_answer
from longwire.client.pattern import PatternSubscription
from longwire.client.subscription import ReaderHost, Subscription
from longwire.streams.position import Position

__all__ = ["Reading"]

INBOX_PREFIX = "$user/"

ENVELOPE_BYTES = 2_048
"""Room for what stands around the streams of one ``resume``."""

_encode = msgspec.json.Encoder().encode

Asked = tuple[Subscription[Any], dict[str, Any]]


class Reading:
    """The server delivers each stream once; here it goes to all that read it."""

    def __init__(self, host: ReaderHost) -> None:
        self._host = host
        self._subscriptions: dict[str, Subscription[Any]] = {}
        self._patterns: dict[str, PatternSubscription[Any]] = {}
        self._inbox: Subscription[Any] | None = None
        self._inbox_stream = ""

    # -- from the application -------------------------------------------------------------------

    def add(self, subscription: Subscription[Any]) -> None:
        """Begin to read a stream. Raises ``ClientError``, code ``already_subscribed``."""
        stream = subscription.stream
        pattern = next((one for one in self._patterns.values() if one.reads(stream)), None)
        if stream in self._subscriptions or pattern is not None:
            reader = stream if pattern is None else pattern.pattern
            raise ClientError(
                "already_subscribed",
                f"this client reads {stream} already, by its subscription to {reader}; use that, "
                "or a second client",
            )
        self._subscriptions[stream] = subscription
        if stream.startswith(INBOX_PREFIX) and self._inbox is None:
            self._inbox = subscription
        subscription.connected()

    def add_pattern(self, pattern: PatternSubscription[Any]) -> None:
        """Begin to read all streams that match. Raises ``ClientError``."""
        if pattern.pattern in self._patterns:
            raise ClientError(
                "already_subscribed", f"this client reads {pattern.pattern} already; use that"
            )
        self._patterns[pattern.pattern] = pattern
        pattern.connected()

    def add_inbox(self, inbox: Subscription[Any]) -> None:
        """Begin to read what is sent to this user. Raises ``ClientError``."""
        if self._inbox is not None:
            raise ClientError("already_subscribed", "this client reads its inbox already; use that")
        self._inbox = inbox
        if self._host.is_usable:
            # It was left when the server offered it and nobody wanted it.
            self._name_inbox(self._inbox_stream)
            inbox.connected()

    def forget(self, reader: Subscription[Any] | PatternSubscription[Any]) -> None:
        """A reader has ended."""
        if isinstance(reader, PatternSubscription):
            if self._patterns.get(reader.pattern) is reader:
                del self._patterns[reader.pattern]
            return
        if self._subscriptions.get(reader.stream) is reader:
            del self._subscriptions[reader.stream]
        if reader is self._inbox:
            self._inbox = None

    def places_of(self, stream: str) -> list[Position]:
        """What each reader of a stream has received."""
        subscription = self._subscriptions.get(stream)
        places = [pattern.received(stream) for pattern in self._patterns.values()]
        places.append(None if subscription is None else subscription.received)
        return [place for place in places if place is not None]

    def moved(self, stream: str, reason: str, position: Position) -> None:
        """The server goes on with a stream at ``position``, and not where it was asked to."""
        for pattern in self._patterns.values():
            pattern.moved(stream, reason, position)

    # -- from the client ------------------------------------------------------------------------

    def hello(self) -> dict[str, Any]:
        """Members for ``connect``."""
        held = None if self._inbox is None else self._inbox.received
        return {} if held is None else {"inbox": str(held)}

    def connected(self, hello: Mapping[str, Any]) -> None:
        """There is a connection: ask for everything from where it was received to."""
        self._take_up_inbox(hello.get("inbox"))
        asked: list[Asked] = []
        for subscription in list(self._subscriptions.values()):
            members = subscription.begin_asking()
            if members is not None:
                asked.append((subscription, members))
        for chunk in self._chunks(asked):
            self._resume(chunk)
        for pattern in list(self._patterns.values()):
            pattern.connected()

    def disconnected(self) -> None:
        """The connection is gone."""
        for reader in self._readers():
            reader.disconnected()

    def received(self, message: Mapping[str, Any]) -> None:
        """``entry``, ``gap``, ``closed``, ``matched`` or ``ended``."""
        op, stream = message["op"], str(message.get("stream"))
        if op == "matched":
            pattern = self._patterns.get(str(message.get("pattern")))
            if pattern is not None:
                pattern.matched(message)
            return
        if op == "ended":
            self._ended(stream, error_from_answer(message))
            return
        for reader in self._readers_of(stream, is_told=op == "closed"):
            if op == "entry":
                reader.entry(message)
            elif op == "gap":
                reader.gap(message)
            elif op == "closed":
                reader.closed(message)

    async def stop(self, error: ClientError) -> None:
        """End all of them."""
        readers = self._readers()
        for reader in readers:
            reader.end(error)
        for reader in readers:
            await reader.stop(error)

    # -- inside ---------------------------------------------------------------------------------

    def _readers(self) -> list[Subscription[Any] | PatternSubscription[Any]]:
        readers: list[Subscription[Any] | PatternSubscription[Any]] = []
        readers += self._subscriptions.values()
        readers += self._patterns.values()
        if self._inbox is not None and self._inbox not in readers:
            readers.append(self._inbox)
        return readers

    def _readers_of(
        self, stream: str, *, is_told: bool = True
    ) -> list[Subscription[Any] | PatternSubscription[Any]]:
        """Those that the server's deliveries of a stream are for; ``is_told``: of which it has told
        so on this connection."""
        readers: list[Subscription[Any] | PatternSubscription[Any]] = []
        subscription = self._subscriptions.get(stream)
        if subscription is not None:
            readers.append(subscription)
        readers += [
            pattern
            for pattern in self._patterns.values()
            if (pattern.reads(stream) if is_told else pattern.follows(stream))
        ]
        return readers

    def _ended(self, stream: str, error: ClientError) -> None:
        """The server ended a stream, for whatever reads it."""
        readers = self._readers_of(stream)
        for reader in readers:
            reader.ended(error)
        if not readers:
            # One that a pattern would have brought, had there been room.
            for pattern in self._patterns.values():
                pattern.untold()
            self._host.announce(error.with_details(stream=stream))

    def _chunks(self, asked: list[Asked]) -> list[list[Asked]]:
        """As many in one message as the server's limits allow."""
        bytes_max = self._host.limit("message_bytes") - ENVELOPE_BYTES
        count_max = self._host.limit("subscriptions")
        chunks: list[list[Asked]] = []
        size = 0
        for one in asked:
            added = len(_encode(one[1])) + 1
            if not chunks or size + added > bytes_max or len(chunks[-1]) >= count_max:
                chunks.append([])
                size = 0
            chunks[-1].append(one)
            size += added
        return chunks

    def _resume(self, asked: list[Asked]) -> None:
        if len(asked) == 1:
            self._ask_singly(asked)
            return

        def answered(answer: Mapping[str, Any]) -> None:
            for (subscription, _), outcome in zip(asked, answer["streams"], strict=True):
                subscription.answer(outcome)

        def refused(error: ClientError) -> None:
            if error.code == "bad_message":
                # One of them was malformed, or the server is older than revision 1.1.
                self._ask_singly(asked)
                return
            for subscription, _ in asked:
                subscription.refuse(error)

        streams = [members for _, members in asked]
        self._host.request("resume", {"streams": streams}, answered, refused)

    def _ask_singly(self, asked: list[Asked]) -> None:
        for subscription, members in asked:
            self._host.request("subscribe", members, subscription.answer, subscription.refuse)

    def _take_up_inbox(self, offered: Mapping[str, Any] | None) -> None:
        self._inbox_stream = "" if offered is None else str(offered["stream"])
        if self._inbox is not None:
            self._name_inbox(self._inbox_stream)
        if offered is None:
            return
        if self._inbox is not None:
            self._inbox.attach(offered)
        elif self._inbox_stream not in self._subscriptions:
            # Nobody wants it now, so that it need not be sent.
            members = {"stream": self._inbox_stream}
            self._host.request("unsubscribe", members, lambda _: None, lambda _: None)

    def _name_inbox(self, stream: str) -> None:
        """Let the inbox have its name, or end it when there is none, or another user's."""
        inbox = self._inbox
        assert inbox is not None
        if not stream:
            inbox.end(ClientError("no_inbox", "the server keeps no inbox for this client"))
        elif inbox.stream and inbox.stream != stream:
            inbox.end(
                ClientError("no_inbox", f"the inbox is {stream} now, and {inbox.stream} was read")
            )
        else:
            inbox.stream = stream
            self._subscriptions[stream] = inbox
