"""The store contract: what every store promises, word by word.

One shared suite, tests/contracts/test_store.py, proves each store against this page.

**Order.** Entries of a stream have the offsets 1, 2, 3 … without holes, in the order in which their
appends took effect. Two appends to one stream by one caller take effect in the order of the calls
if the second call is made after the first has returned; those of one ``append_many`` in the order
of the sequence. Between streams there is no order.

**Atomicity.** One append is one atomic step: all entries of its batch, the state of its producer,
closing the stream, creating the stream and the effect of retention are there together or not at
all, for every reader and after a crash. Two appends never interleave their entries.

**Visibility.** An append that has returned is seen by every read, seek and info that is called
afterwards. An entry becomes visible to readers only when it is as durable as the stream
promises, so nobody is shown what a crash could take back. (Not so ``replicated`` on Redis: readers
may see an entry while its replicas are still waited for.)

**Durability.** :class:`~longwire.streams.entry.Durability` of the result says what the entries
survive. What is lost beyond that is lost from the end of the log, and never silently: a position
that has seen more than the log holds is refused with ``ahead``, ``diverged`` or ``epoch``.

**Failure.** A refusal (any :exc:`~longwire.streams.errors.StreamError` but
:exc:`~longwire.streams.errors.StoreUnavailableError`) has changed nothing. After
``StoreUnavailableError``, and when the caller is cancelled, the append may or may not have been
stored; sending it again with the same producer stamp is safe, and tells.

**Sharing.** A store that several processes write to (``is_shared``) tells its listener what was
appended to the streams that it watches, whoever appended it, in the order of the log. Whenever
something may have gone unheard, or the log may have lost its end, it says so instead
(:class:`~longwire.streams.listener.Listener`), at once and without waiting for the next append.

**Cancellation.** Every coroutine may be cancelled; the store stays consistent.

**Threads.** A store belongs to one event loop.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from longwire.base.limits import RetentionLimits
from longwire.streams.entry import JSON, Durability, Entry, NewEntry
from longwire.streams.errors import StreamError
from longwire.streams.listener import Listener
from longwire.streams.position import Position
from longwire.streams.producer import ProducerStamp
from longwire.streams.verdict import Reason, Start, Verdict

__all__ = ["Append", "Appended", "Fork", "Page", "Store", "StreamInfo", "StreamSettings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamSettings:
    """What a stream is created with; fixed for its life."""

    content_type: str = JSON
    """Of all its payloads, normalized."""

    retention: RetentionLimits = field(default_factory=RetentionLimits)
    """What is kept. Retention drops whole entries from the oldest on. The bytes limit always leaves
    the newest entry."""

    is_keep_latest: bool = False
    """Keep only the newest entry of each key (a price, a score). Entries that a newer one took the
    place of are *superseded*: readers skip them, and that is no gap. Retention counts the entries
    that are kept."""

    is_ephemeral: bool = False
    """Never written to disk, whatever the store, and keeping only the latest as above (typing
    indicators, cursors in a game). Gone at a restart."""

    ttl_s: int | None = None
    """Idle time after which the stream is deleted, seconds: since it was last appended to, sought
    in or read. ``info`` does not count."""

    expires_ms: int | None = None
    """When the stream is deleted, whatever happens to it; Unix time, milliseconds."""

    @property
    def keeps_latest(self) -> bool:
        """Whether entries supersede older ones of their key."""
        return self.is_keep_latest or self.is_ephemeral


@dataclass(frozen=True, slots=True)
class Fork:
    """From what a stream branches off: it begins with all that ``source`` holds up to a place.

    What is inherited keeps its positions, with the epoch of the source; what comes after has the
    fork's own. So a reader of the source may go on in the fork as far as both agree. Producers,
    the application's sequence and closure are not inherited. Retention and life are the fork's own.
    """

    source: str
    after: Position | None = None
    """The last position that is inherited; ``None``: the source's tail."""
    sub_offset: int = 0
    """How much more is inherited after that: entries where the stream is JSON, else bytes. When
    that ends within an entry, its beginning becomes the first entry of the fork's own."""


class Append(NamedTuple):
    """A request to store a batch of entries in one stream, all or none."""

    stream: str
    batch: Sequence[NewEntry]
    """May be empty only together with ``closes``."""
    content_type: str | None = None
    """What the payloads are, normalized. ``entry.is_acceptable`` says what goes into a stream."""
    producer: ProducerStamp | None = None
    principal: str = ""
    """Who publishes; part of the producer's key, so that nobody can act as another's producer."""
    create: StreamSettings | None = None
    """With what to create the stream if there is none; ``None``: refuse then."""
    if_tail: Position | None = None
    """Append only if the tail is still here (``START``: only if the stream has no entry)."""
    application_sequence: str | None = None
    """A number of the application's own, of which each must be greater than the one before it, byte
    by byte in UTF-8, whoever appends. The ``Stream-Seq`` of Durable Streams."""
    closes: bool = False
    """Close the stream with this append: it takes no more entries."""
    durability: Durability = Durability.MEMORY
    """Store it only if it will be at least so durable."""


class Appended(NamedTuple):
    """What became of an append that was not refused."""

    first: Position | None
    """After its first entry. ``None`` for an empty batch, and for a duplicate that is too old to
    know where it is."""
    last: Position | None
    is_duplicate: bool
    """Stored before; nothing was stored now, and the positions are the original ones."""
    durability: Durability
    tail: Position
    """Of the stream, after this append."""
    entries: tuple[Entry, ...] = ()
    """What was stored now; empty for a duplicate."""
    is_closed: bool = False
    """Whether the stream is closed now."""
    newest_sequence: int | None = None
    """For a duplicate: the highest sequence of its producer and epoch that is stored."""


@dataclass(frozen=True, slots=True)
class StreamInfo:
    """What a stream is at one moment."""

    name: str
    epoch: str
    settings: StreamSettings
    floor: Position
    """Before the oldest entry that is kept."""
    tail: Position
    is_closed: bool
    created_ms: int
    fork: Fork | None = None
    """What it branched off from, with the position that was taken."""
    is_deleted: bool = False
    """Deleted, while forks of it are still there: its name stays taken until they are gone, and it
    takes and shows nothing."""


@dataclass(frozen=True, slots=True)
class Page:
    """A stretch of a stream, with all that a reader must know about the same moment."""

    entries: tuple[Entry, ...]
    """In the order of the stream, also when read backwards."""
    after: Position
    """The page covers the interval from here, excluded …"""
    upto: Position
    """… to here, included. What lies in between and is not in ``entries`` was superseded."""
    tail: Position
    reason: Reason | None = None
    """Set when the position asked for was refused: ``entries`` is empty then and ``after`` and
    ``upto`` are where reading goes on."""
    has_more: bool = False
    """Whether there are further entries in the direction of reading."""
    is_closed: bool = False
    """Whether the stream is closed."""


class Store(Protocol):
    """Where streams are kept. The module's docstring is part of the contract."""

    @property
    def is_shared(self) -> bool:
        """Whether other processes may write to it, too. Then subscribers get what the listener is
        told, and nothing from the answers of appends: one order for all."""

    async def start(self) -> None:
        """Get ready; called once, before everything else but ``listen``.

        Raises ``StoreError`` when the store cannot be reached, or is not fit for use.
        """

    def listen(self, listener: Listener) -> None:
        """Tell ``listener`` of the streams that are watched. There is one listener."""

    async def watch(self, stream: str) -> None:
        """Tell the listener of everything that is appended to ``stream`` from the return on.

        Watching what is watched already waits for the same. Raises ``StoreUnavailableError``.
        """

    def unwatch(self, stream: str) -> None:
        """Tell nothing more of ``stream``."""

    def health(self) -> str | None:
        """Why the store can not be used now, in a few words; ``None`` when it can."""

    def figures(self) -> Mapping[str, tuple[str, float, bool]]:
        """What the store counts, for the metrics: (meaning, value, whether it only grows)."""

    async def create(
        self,
        stream: str,
        settings: StreamSettings,
        *,
        fork: Fork | None = None,
        batch: Sequence[NewEntry] = (),
        closes: bool = False,
    ) -> tuple[StreamInfo, bool]:
        """Create ``stream``, with first entries and closed if wanted, in one atomic step; return
        what it is and whether it was created now.

        An existing stream that was created alike, and is closed or not as wanted, is no error.
        Raises ``StreamExistsError`` when it was not, or is deleted while forks of it are there,
        ``StoreFullError``; for a fork ``StreamMissingError``, ``StreamGoneError``,
        ``ContentTypeError``, ``PositionRefusedError`` and ``ForkError``.
        """

    async def append(self, request: Append) -> Appended:
        """Store a batch in one atomic step.

        Checked in this order: the stream exists or may be created (``StreamMissingError``,
        ``StreamGoneError``), the producer rule (``ProducerError``, or a duplicate, which succeeds
        on a closed stream too), closure (``StreamClosedError``), the content type
        (``ContentTypeError``), the application's sequence (``ApplicationSequenceError``), the
        condition (``TailMovedError``), the durability (``DurabilityError``), room
        (``StoreFullError``).
        """

    async def append_many(self, requests: Sequence[Append]) -> list[Appended | StreamError]:
        """Store several batches, each atomic by itself, and return a result for each.

        What is raised speaks of all of them, and whether any was stored is not known.

        For callers with many at hand: a store makes them durable in one go where it can.
        """

    async def info(self, stream: str) -> StreamInfo | None:
        """Tell what a stream is, or that there is none."""

    async def seek(self, stream: str, start: Start) -> Verdict:
        """Tell from where a reader shall begin. A stream that does not exist has the tail START."""

    async def read(self, stream: str, after: Position, *, entries_max: int, bytes_max: int) -> Page:
        """Read on from a position: at most ``entries_max`` entries and about ``bytes_max`` bytes.

        At least one entry is returned where there is one. The position is judged and the entries
        are read in one step, so retention can not come in between.
        """

    async def read_back(
        self, stream: str, before: Position | None, *, entries_max: int, bytes_max: int
    ) -> Page:
        """Read the newest entries that lie before the entry at a position; ``None``: all of them.

        The entry at the position itself is not among them. Entries dropped by retention are no
        reason to refuse: there is only nothing more.
        """

    async def close_stream(self, stream: str) -> StreamInfo:
        """Let ``stream`` take no more entries. Raises ``StreamMissingError``; twice is no error."""

    async def delete(self, stream: str) -> bool:
        """Remove ``stream`` with all that is known of it; ``False`` when there was none.

        A stream created under the same name has another epoch. While there are forks of it, its
        name stays taken (``StreamInfo.is_deleted``), and deleting it again raises
        ``StreamGoneError``.
        """

    async def erase(self, stream: str, position: Position) -> bool:
        """Remove the payload of the entry at a position for good; its place and link stay.

        ``False`` when the entry is not kept any more, or was erased before. Raises
        ``StreamMissingError``, ``PositionRefusedError``. Entries that a fork inherited are erased
        in the fork by themselves.
        """

    def names(self) -> AsyncIterator[str]:
        """Tell the names of the streams that there are, in no order.

        One that is created or deleted meanwhile may be told or not. Raises
        ``StoreUnavailableError``.
        """

    async def expire(self) -> None:
        """Apply now what depends on time: expiry, retention by age, producers to be forgotten.

        Reads and appends apply it to their stream by themselves; this is for idle streams, and is
        called every minute or so.
        """

    async def close(self) -> None:
        """Finish what is on the way and give everything back. The store is unusable afterwards."""
