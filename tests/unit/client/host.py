"""A client for its parts: keeps what they ask, and answers when it is told to."""

import asyncio
import hashlib

from longwire.client.errors import ClientError, error_from_answer
from longwire.client.reading import Reading
from longwire.streams.position import START, Position

EPOCH = "abcdefgh"


def at(offset, epoch=EPOCH, history=""):
    """The position after ``offset`` entries; ``history`` tells logs apart."""
    if offset == 0:
        return START
    return Position(offset, epoch, hashlib.sha1(f"{history}{offset}".encode()).digest()[:8])


def entry(number, stream="s", **members):
    """Entry ``number`` of a stream, whose data is its number."""
    return {
        "op": "entry",
        "stream": stream,
        "after": str(at(number - 1)),
        "position": str(at(number)),
        "time": 1_000 + number,
        "data": number,
        **members,
    }


async def settle():
    """Let what is scheduled for now run."""
    for _ in range(10):
        await asyncio.sleep(0)


class Host:
    """What subscriptions, patterns, consumers and presence need of their client."""

    def __init__(self, **limits):
        self.is_usable = True
        self.queue_messages_max = 1000
        self.limits = limits
        self.requests = []
        self.told = []
        self.events = []
        self.restarts = []
        self.reading = Reading(self)

    def limit(self, name):
        return self.limits.get(name, float("inf"))

    def request(self, op, members, answered, refused):
        assert self.is_usable
        self.requests.append((op, dict(members), answered, refused))

    async def connected(self):
        assert self.is_usable

    async def ask(self, op, members):
        outcome = asyncio.get_running_loop().create_future()
        self.request(op, members, outcome.set_result, outcome.set_exception)
        return await outcome

    def tell(self, op, members):
        assert self.is_usable
        self.told.append((op, dict(members)))

    def announce(self, event):
        self.events.append(event)

    def retry_delay_s(self, error, failures):
        return 0.0

    def forget(self, reader):
        self.reading.forget(reader)

    def is_shared(self, stream):
        return len(self.reading.places_of(stream)) > 1

    def place_for(self, stream, held):
        return min([held, *self.reading.places_of(stream)], key=lambda place: place.offset)

    def moved(self, stream, reason, position):
        self.reading.moved(stream, reason, position)

    def restart(self, reason):
        self.restarts.append(reason)

    # -- for tests ------------------------------------------------------------------------------

    def next(self, op):
        """The members of the oldest request, which is an ``op``."""
        assert self.requests, f"nothing was asked, {op} was expected"
        assert self.requests[0][0] == op, self.requests[0]
        return self.requests[0][1]

    def answer(self, op, **members):
        """Answer the oldest request, which is an ``op``; return what was asked."""
        asked = self.next(op)
        answered = self.requests.pop(0)[2]
        answered({"op": "answer", **members})
        return asked

    def refuse(self, op, code, *, retry=False, **details):
        """Refuse the oldest request, which is an ``op``; return what was asked."""
        asked = self.next(op)
        refused = self.requests.pop(0)[3]
        refused(error_from_answer({"code": code, "message": code, "retry": retry, **details}))
        return asked

    def errors(self):
        """The codes of the errors that were announced."""
        return [event.code for event in self.events if isinstance(event, ClientError)]
