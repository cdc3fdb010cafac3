"""The store contract (longwire.streams.store), proved for every store."""

import asyncio

import pytest

from longwire.base.limits import RetentionLimits
from longwire.streams.entry import BYTES, JSON, Durability, NewEntry
from longwire.streams.errors import (
    ContentTypeError,
    DurabilityError,
    EpochStartError,
    ProducerFencedError,
    ProducerUnknownError,
    SequenceGapError,
    StreamClosedError,
    StreamExistsError,
    StreamMissingError,
    TailMovedError,
)
from longwire.streams.position import FIRST_LINK, START, Position, next_link
from longwire.streams.producer import RESULTS_MAX, ProducerStamp
from longwire.streams.store import Append, Appended, StreamSettings
from longwire.streams.verdict import Last, Reason, StartAt

ALL = {"entries_max": 10_000, "bytes_max": 1 << 30}


def settings(**retention):
    content_type = retention.pop("content_type", JSON)
    latest = retention.pop("is_keep_latest", False)
    limits = {"entries_max": None, "bytes_max": None, "age_max_s": None, **retention}
    return StreamSettings(
        content_type=content_type, is_keep_latest=latest, retention=RetentionLimits(**limits)
    )


def append(*payloads, stream="s", create=settings(), stamp=None, **more):  # noqa: B008
    batch = [p if isinstance(p, NewEntry) else NewEntry(p) for p in payloads]
    producer = ProducerStamp(*stamp) if stamp else None
    return Append(stream, batch, create=create, producer=producer, **more)


async def payloads(store, after=START, stream="s"):
    page = await store.read(stream, after, **ALL)
    assert page.reason is None
    return [entry.payload for entry in page.entries]


async def place(store, stream, start):
    """Reason, where to go on, tail."""
    return (await store.seek(stream, start))[:3]


# -- append and read --------------------------------------------------------------------------


async def test_store_returns_where_a_batch_was_stored(store):
    appended = await store.append(append(b"1", b"2"))
    assert (appended.first.offset, appended.last.offset) == (1, 2)
    assert not appended.is_duplicate
    assert isinstance(appended.durability, Durability)
    assert [entry.payload for entry in appended.entries] == [b"1", b"2"]
    third = await store.append(append(b"3"))
    assert third.first == third.last
    assert third.first.offset == 3


async def test_entries_are_dense_linked_and_of_one_epoch(store):
    for count in (1, 3, 2):
        await store.append(append(*[str(count).encode()] * count))
    page = await store.read("s", START, **ALL)
    link, previous = FIRST_LINK, START
    for offset, entry in enumerate(page.entries, 1):
        link = next_link(link, entry.payload)
        assert entry.previous == previous
        assert entry.position == Position(offset, page.entries[0].position.epoch, link)
        previous = entry.position
    assert page.upto == page.tail == previous
    assert not page.has_more


async def test_streams_are_apart(store):
    await store.append(append(b"1", stream="a"))
    await store.append(append(b"2", stream="b"))
    assert await payloads(store, stream="a") == [b"1"]
    assert await payloads(store, stream="b") == [b"2"]


async def test_entry_knows_its_time_and_content_type(made):
    before = made.clock.now_ms
    (entry,) = (await made.store.append(append(b"1"))).entries
    assert (entry.time_ms, entry.content_type) == (before, JSON)


async def test_time_of_entries_does_not_follow_a_clock_set_back(made):
    await made.store.append(append(b"1"))
    made.clock.advance(-100)
    await made.store.append(append(b"2"))
    page = await made.store.read("s", START, **ALL)
    assert page.entries[0].time_ms == page.entries[1].time_ms


async def test_reader_goes_page_by_page(store):
    await store.append(append(*[b"%d" % n for n in range(10)]))
    position, seen, pages = START, [], 0
    while True:
        page = await store.read("s", position, entries_max=4, bytes_max=1 << 20)
        assert page.after == position
        seen += [entry.payload for entry in page.entries]
        position, pages = page.upto, pages + 1
        if not page.has_more:
            break
    assert seen == [b"%d" % n for n in range(10)]
    assert pages == 3
    assert position == page.tail


async def test_page_is_bounded_in_bytes_but_never_empty(store):
    await store.append(append(b"a" * 100, b"b" * 10, b"c" * 10, b"d" * 10))
    page = await store.read("s", START, entries_max=100, bytes_max=25)
    assert [len(entry.payload) for entry in page.entries] == [100]
    assert page.has_more
    page = await store.read("s", page.upto, entries_max=100, bytes_max=25)
    assert [entry.payload[:1] for entry in page.entries] == [b"b", b"c"]
    page = await store.read("s", page.upto, entries_max=100, bytes_max=25)
    assert [entry.payload[:1] for entry in page.entries] == [b"d"]
    assert not page.has_more


async def test_exactly_full_page_at_the_tail_has_no_more(store):
    await store.append(append(b"1", b"2"))
    page = await store.read("s", START, entries_max=2, bytes_max=1 << 20)
    assert (len(page.entries), page.has_more, page.upto) == (2, False, page.tail)


async def test_reader_at_the_tail_gets_an_empty_page(store):
    tail = (await store.append(append(b"1"))).last
    page = await store.read("s", tail, **ALL)
    assert (page.entries, page.upto, page.has_more, page.reason) == ((), tail, False, None)


async def test_reading_backwards_gives_the_newest_in_order(store):
    await store.append(append(*[b"%d" % n for n in range(1, 8)]))
    page = await store.read_back("s", None, entries_max=3, bytes_max=1 << 20)
    assert [entry.payload for entry in page.entries] == [b"5", b"6", b"7"]
    assert page.has_more
    page = await store.read_back("s", page.entries[0].position, entries_max=3, bytes_max=1 << 20)
    assert [entry.payload for entry in page.entries] == [b"2", b"3", b"4"]
    page = await store.read_back("s", page.entries[0].position, entries_max=3, bytes_max=1 << 20)
    assert [entry.payload for entry in page.entries] == [b"1"]
    assert not page.has_more
    page = await store.read_back("s", page.entries[0].position, entries_max=3, bytes_max=1 << 20)
    assert (page.entries, page.has_more) == ((), False)


async def test_reading_backwards_is_bounded_in_bytes(store):
    await store.append(append(b"a" * 10, b"b" * 10, b"c" * 100))
    page = await store.read_back("s", None, entries_max=9, bytes_max=25)
    assert [entry.payload[:1] for entry in page.entries] == [b"c"]
    assert page.has_more
    page = await store.read_back("s", page.entries[0].position, entries_max=9, bytes_max=25)
    assert [entry.payload[:1] for entry in page.entries] == [b"a", b"b"]
    assert not page.has_more


async def test_reading_backwards_from_a_foreign_position_is_refused(store):
    await store.append(append(b"1", b"2"))
    for position, reason in [
        (Position(1, "otherone", bytes(8)), Reason.EPOCH),
        (Position(9, (await store.info("s")).epoch, bytes(8)), Reason.AHEAD),
        (Position(1, (await store.info("s")).epoch, b"otherone"), Reason.DIVERGED),
    ]:
        page = await store.read_back("s", position, **ALL)
        assert (page.reason, page.entries) == (reason, ())


# -- streams that are not there ---------------------------------------------------------------


async def test_missing_stream_is_empty_to_readers(store):
    assert await store.info("s") is None
    page = await store.read("s", START, **ALL)
    assert (page.entries, page.tail, page.reason) == ((), START, None)
    page = await store.read_back("s", None, **ALL)
    assert (page.entries, page.tail, page.reason) == ((), START, None)
    for start in (StartAt.TAIL, StartAt.EARLIEST, Last(3), START):
        assert (await store.seek("s", start))[:2] == (None, START)


async def test_missing_stream_refuses_a_position_of_another_life(store):
    position = Position(3, "otherone", b"12345678")
    assert await place(store, "s", position) == (Reason.EPOCH, START, START)
    page = await store.read("s", position, **ALL)
    assert (page.reason, page.upto) == (Reason.EPOCH, START)


async def test_append_creates_a_stream_only_when_it_may(store):
    with pytest.raises(StreamMissingError):
        await store.append(append(b"1", create=None))
    assert await store.info("s") is None
    await store.append(append(b"1"))
    await store.append(append(b"2", create=None))
    assert await payloads(store) == [b"1", b"2"]


async def test_refused_append_creates_no_stream(store):
    with pytest.raises(ProducerUnknownError):
        await store.append(append(b"1", stamp=("p", 0, 1)))
    assert await store.info("s") is None


async def test_stream_is_created_once(store):
    wanted = settings(content_type="text/plain", entries_max=5)
    info, is_new = await store.create("s", wanted)
    assert is_new
    assert (info.settings, info.floor, info.tail, info.is_closed) == (wanted, START, START, False)
    again, is_new = await store.create("s", wanted)
    assert not is_new
    assert again == info == await store.info("s")
    with pytest.raises(StreamExistsError):
        await store.create("s", settings(content_type="text/plain"))


async def test_deleted_stream_is_gone_with_all_that_was_known(store):
    tail = (await store.append(append(b"1", stamp=("p", 0, 0)))).last
    assert await store.delete("s")
    assert not await store.delete("s")
    assert await store.info("s") is None
    again = await store.append(append(b"1", stamp=("p", 0, 0)))
    assert not again.is_duplicate
    assert again.last.epoch != tail.epoch
    assert (await store.seek("s", tail)).reason is Reason.EPOCH
    assert (await store.seek("s", tail)).resume == START


# -- positions --------------------------------------------------------------------------------


async def test_seek_finds_where_to_begin(store):
    entries = (await store.append(append(*[b"%d" % n for n in range(1, 6)]))).entries
    tail = entries[-1].position
    assert await place(store, "s", StartAt.TAIL) == (None, tail, tail)
    assert await place(store, "s", StartAt.EARLIEST) == (None, START, tail)
    assert await place(store, "s", Last(2)) == (None, entries[2].position, tail)
    assert await place(store, "s", Last(5)) == (None, START, tail)
    assert await place(store, "s", Last(50)) == (None, START, tail)
    assert await place(store, "s", Last(0)) == (None, tail, tail)
    for entry in entries:
        assert await place(store, "s", entry.position) == (None, entry.position, tail)


async def test_foreign_positions_are_refused_with_a_reason(store):
    entries = (await store.append(append(b"1", b"2", b"3"))).entries
    second, tail = entries[1].position, entries[2].position
    assert (await store.seek("s", second._replace(epoch="otherone"))).reason is Reason.EPOCH
    assert await place(store, "s", second._replace(link=bytes(8))) == (Reason.DIVERGED, tail, tail)
    assert await place(store, "s", tail._replace(offset=4)) == (Reason.AHEAD, tail, tail)
    page = await store.read("s", second._replace(link=bytes(8)), **ALL)
    assert (page.reason, page.entries, page.upto) == (Reason.DIVERGED, (), tail)


# -- retention --------------------------------------------------------------------------------


async def test_retention_keeps_a_number_of_entries(store):
    entries = []
    for n in range(10):
        entries += (await store.append(append(b"%d" % n, create=settings(entries_max=3)))).entries
    floor, tail = entries[6].position, entries[9].position
    info = await store.info("s")
    assert (info.floor, info.tail) == (floor, tail)
    assert await payloads(store, floor) == [b"7", b"8", b"9"]
    assert await place(store, "s", StartAt.EARLIEST) == (None, floor, tail)
    assert await place(store, "s", START) == (Reason.TRIMMED, floor, tail)
    assert await place(store, "s", entries[5].position) == (Reason.TRIMMED, floor, tail)
    assert await place(store, "s", entries[6].position) == (None, floor, tail)
    # One before the oldest kept can still be checked, not only counted.
    assert (await store.seek("s", floor._replace(link=bytes(8)))).reason is Reason.DIVERGED
    page = await store.read("s", entries[2].position, **ALL)
    assert (page.reason, page.entries, page.upto) == (Reason.TRIMMED, (), floor)
    back = await store.read_back("s", entries[8].position, **ALL)
    assert [entry.payload for entry in back.entries] == [b"7"]
    assert not back.has_more
    back = await store.read_back("s", entries[2].position, **ALL)
    assert (back.entries, back.reason, back.has_more) == ((), None, False)


async def test_retention_keeps_an_amount_of_bytes_and_the_newest_entry(store):
    create = settings(bytes_max=25)
    for payload in (b"a" * 10, b"b" * 10, b"c" * 10):
        await store.append(append(payload, create=create))
    floor = (await store.info("s")).floor
    assert await payloads(store, floor) == [b"b" * 10, b"c" * 10]
    await store.append(append(b"d" * 100))
    floor = (await store.info("s")).floor
    assert await payloads(store, floor) == [b"d" * 100]


async def test_retention_by_age_needs_no_append(made):
    store = made.store
    await store.append(append(b"1", create=settings(age_max_s=10)))
    made.clock.advance(6)
    second = (await store.append(append(b"2"))).last
    made.clock.advance(6)
    assert (await store.seek("s", START)).reason is Reason.TRIMMED
    assert await payloads(store, (await store.info("s")).floor) == [b"2"]
    made.clock.advance(6)
    await store.expire()
    info = await store.info("s")
    assert info.floor == info.tail == second
    assert await payloads(store, second) == []
    assert (await store.append(append(b"3"))).first.offset == 3


async def test_batch_larger_than_retention_leaves_its_end(store):
    create = settings(entries_max=2)
    appended = await store.append(append(b"1", b"2", b"3", create=create))
    assert (appended.first.offset, appended.last.offset) == (1, 3)
    assert await payloads(store, (await store.info("s")).floor) == [b"2", b"3"]


async def test_stream_that_keeps_nothing_still_counts(store):
    create = settings(entries_max=0)
    await store.append(append(b"1", create=create))
    appended = await store.append(append(b"2", create=create))
    assert appended.last.offset == 2
    info = await store.info("s")
    assert info.floor == info.tail == appended.last


# -- producers --------------------------------------------------------------------------------


async def test_repeated_sequence_is_a_duplicate_with_the_original_position(store):
    first = await store.append(append(b"1", b"2", stamp=("p", 0, 0)))
    await store.append(append(b"3", stamp=("p", 0, 1)))
    again = await store.append(append(b"1", b"2", stamp=("p", 0, 0)))
    assert again.is_duplicate
    assert (again.first, again.last, again.entries) == (first.first, first.last, ())
    assert await payloads(store) == [b"1", b"2", b"3"]


async def test_worked_example_of_the_protocol_page(store):
    for stamp, payload, outcome in [
        (("p", 0, 0), b"a", 1),
        (("p", 0, 1), b"b", 2),
        (("p", 0, 2), b"c", 3),
        (("p", 0, 2), b"c", (3, "duplicate")),
        (("p", 0, 4), b"e", (SequenceGapError, "expected", 3)),
        (("p", 0, 3), b"d", 4),
        (("p", 1, 5), b"x", (EpochStartError, "expected", 0)),
        (("p", 1, 0), b"x", 5),
        (("p", 0, 4), b"e", (ProducerFencedError, "epoch", 1)),
    ]:
        if isinstance(outcome, tuple) and len(outcome) == 3:
            error, member, value = outcome
            with pytest.raises(error) as caught:
                await store.append(append(payload, stamp=stamp))
            assert caught.value.details[member] == value
        else:
            offset = outcome[0] if isinstance(outcome, tuple) else outcome
            appended = await store.append(append(payload, stamp=stamp))
            assert appended.last.offset == offset
            assert appended.is_duplicate is isinstance(outcome, tuple)
    assert await payloads(store) == [b"a", b"b", b"c", b"d", b"x"]


async def test_producers_of_other_principals_and_streams_are_others(store):
    for stream, principal in [("a", ""), ("a", "ann"), ("a", "bob"), ("b", "ann")]:
        appended = await store.append(
            append(b"1", stream=stream, principal=principal, stamp=("p", 0, 0))
        )
        assert not appended.is_duplicate
    assert len(await payloads(store, stream="a")) == 3


async def test_principal_and_producer_id_do_not_run_together(store):
    await store.append(append(b"1", principal="ab", stamp=("c", 0, 0)))
    assert not (await store.append(append(b"1", principal="a", stamp=("bc", 0, 0)))).is_duplicate


async def test_refused_append_uses_up_no_sequence(store):
    await store.append(append(b"1", stamp=("p", 0, 0)))
    with pytest.raises(ContentTypeError):
        await store.append(append(b"2", stamp=("p", 0, 1), content_type=BYTES))
    with pytest.raises(TailMovedError):
        await store.append(append(b"2", stamp=("p", 0, 1), if_tail=START))
    assert not (await store.append(append(b"2", stamp=("p", 0, 1)))).is_duplicate


async def test_results_of_the_last_publishes_are_kept(store):
    offsets = {}
    for sequence in range(RESULTS_MAX + 6):
        appended = await store.append(append(b"x", stamp=("p", 0, sequence)))
        offsets[sequence] = appended.last
    for sequence in range(6, RESULTS_MAX + 6):
        again = await store.append(append(b"x", stamp=("p", 0, sequence)))
        assert (again.is_duplicate, again.last) == (True, offsets[sequence])
        assert again.newest_sequence == RESULTS_MAX + 5
    old = await store.append(append(b"x", stamp=("p", 0, 5)))
    assert (old.is_duplicate, old.first, old.last) == (True, None, None)
    assert old.newest_sequence == RESULTS_MAX + 5


async def test_duplicate_is_recognised_after_its_entry_was_trimmed(store):
    create = settings(entries_max=1)
    first = await store.append(append(b"1", create=create, stamp=("p", 0, 0)))
    await store.append(append(b"2"))
    again = await store.append(append(b"1", stamp=("p", 0, 0)))
    assert (again.is_duplicate, again.first) == (True, first.first)


async def test_forgotten_producer_is_refused_and_may_begin_a_higher_epoch(made):
    store = made.store
    await store.append(append(b"1", stamp=("p", 3, 0)))
    made.clock.advance(made.producer_state_s + 1)
    for sequence in (0, 1):
        with pytest.raises(ProducerUnknownError):
            await store.append(append(b"1", stamp=("p", 3, sequence)))
    with pytest.raises(ProducerFencedError):
        await store.append(append(b"1", stamp=("p", 2, 0)))
    with pytest.raises(EpochStartError):
        await store.append(append(b"1", stamp=("p", 4, 1)))
    assert not (await store.append(append(b"2", stamp=("p", 4, 0)))).is_duplicate
    assert (await store.append(append(b"2", stamp=("p", 4, 0)))).is_duplicate
    assert await payloads(store) == [b"1", b"2"]


async def test_publishing_producer_is_not_forgotten(made):
    store = made.store
    for sequence in range(4):
        await store.append(append(b"1", stamp=("p", 0, sequence)))
        made.clock.advance(made.producer_state_s * 0.6)
        await store.expire()
    assert (await store.append(append(b"1", stamp=("p", 0, 3)))).is_duplicate


async def test_unknown_producer_must_begin_with_zero(store):
    await store.append(append(b"1"))
    with pytest.raises(ProducerUnknownError):
        await store.append(append(b"2", stamp=("p", 0, 7)))
    assert not (await store.append(append(b"2", stamp=("p", 9, 0)))).is_duplicate


async def test_concurrent_repeats_are_stored_once(store):
    results = await asyncio.gather(
        *(store.append(append(b"1", stamp=("p", 0, 0))) for _ in range(20))
    )
    assert sum(not result.is_duplicate for result in results) == 1
    assert {result.last for result in results} == {results[0].last}
    assert await payloads(store) == [b"1"]


# -- closure, conditions, content types -------------------------------------------------------


async def test_closed_stream_takes_nothing_more(store):
    tail = (await store.append(append(b"1"))).last
    assert (await store.close_stream("s")).is_closed
    assert (await store.close_stream("s")).is_closed
    with pytest.raises(StreamClosedError) as caught:
        await store.append(append(b"2"))
    assert caught.value.tail == tail
    page = await store.read("s", START, **ALL)
    assert page.is_closed
    assert [entry.payload for entry in page.entries] == [b"1"]
    for start in (START, tail, StartAt.TAIL, StartAt.EARLIEST, Last(1), Last(0)):
        assert (await store.seek("s", start)).is_closed
    assert (await store.seek("s", tail._replace(offset=7))).is_closed
    with pytest.raises(StreamMissingError):
        await store.close_stream("t")


async def test_append_may_close_the_stream_in_the_same_step(store):
    appended = await store.append(append(b"1", stamp=("p", 0, 0), closes=True))
    assert appended.is_closed
    assert (await store.info("s")).is_closed
    again = await store.append(append(b"1", stamp=("p", 0, 0), closes=True))
    assert (again.is_duplicate, again.is_closed) == (True, True)
    with pytest.raises(StreamClosedError):
        await store.append(append(b"2", stamp=("p", 0, 1)))


async def test_append_without_entries_may_close(store):
    await store.append(append(b"1"))
    appended = await store.append(append(closes=True, stamp=("p", 0, 0)))
    assert (appended.first, appended.last, appended.is_closed) == (None, None, True)
    again = await store.append(append(closes=True, stamp=("p", 0, 0)))
    assert (again.is_duplicate, again.is_closed) == (True, True)
    assert await payloads(store) == [b"1"]


async def test_conditional_append_follows_only_the_tail_it_names(store):
    first = (await store.append(append(b"1", if_tail=START))).last
    with pytest.raises(TailMovedError) as caught:
        await store.append(append(b"2", if_tail=START))
    assert caught.value.tail == first
    await store.append(append(b"2", if_tail=first))
    with pytest.raises(TailMovedError):
        await store.append(append(b"3", if_tail=first))
    assert await payloads(store) == [b"1", b"2"]


async def test_append_that_asks_for_more_durability_than_there_is_is_refused(store):
    there_is = (await store.append(append(b"1"))).durability
    for wanted in Durability:
        request = append(b"2", durability=wanted)
        if wanted.rank <= there_is.rank:
            assert (await store.append(request)).durability is there_is
        else:
            with pytest.raises(DurabilityError) as caught:
                await store.append(request)
            assert caught.value.details["durability"] == there_is.value
    assert len(await payloads(store)) == 2 + there_is.rank


async def test_append_of_another_content_type_is_refused(store):
    await store.append(append(b"1", content_type=JSON))
    with pytest.raises(ContentTypeError) as caught:
        await store.append(append(b"2", content_type=BYTES))
    assert caught.value.expected == JSON
    await store.append(append(b"2", content_type=None))
    assert await payloads(store) == [b"1", b"2"]
    text = settings(content_type="text/plain")
    await store.append(append(b"1", stream="t", create=text, content_type=BYTES))
    with pytest.raises(ContentTypeError):
        await store.append(append(b"2", stream="t", content_type=JSON))


async def test_many_appends_have_a_result_each(store):
    results = await store.append_many(
        [
            append(b"1", stamp=("p", 0, 0)),
            append(b"2", stamp=("p", 0, 2)),
            append(b"3", create=None, stream="t"),
            append(b"4", stamp=("p", 0, 0)),
            append(b"5", stream="u"),
            append(b"6", stamp=("p", 0, 1)),
        ]
    )
    assert [type(result) for result in results] == [
        Appended,
        SequenceGapError,
        StreamMissingError,
        Appended,
        Appended,
        Appended,
    ]
    assert results[3].is_duplicate
    assert await payloads(store) == [b"1", b"6"]
    assert await payloads(store, stream="u") == [b"5"]


# -- keep latest ------------------------------------------------------------------------------


def price(key, value):
    return NewEntry(b"%d" % value, key)


async def test_keep_latest_stream_skips_superseded_entries(store):
    create = settings(is_keep_latest=True)
    entries = []
    for key, value in [("a", 1), ("b", 2), ("a", 3), ("c", 4), ("a", 5)]:
        entries += (await store.append(append(price(key, value), create=create))).entries
    page = await store.read("s", START, **ALL)
    assert [(e.key, e.payload) for e in page.entries] == [("b", b"2"), ("c", b"4"), ("a", b"5")]
    assert page.upto == page.tail
    # Readers may stand on superseded entries; they are checked all the same.
    for entry in entries:
        assert (await store.seek("s", entry.position)).reason is None
        wrong = entry.position._replace(link=b"wrong..!")
        assert (await store.seek("s", wrong)).reason is Reason.DIVERGED
    page = await store.read("s", entries[2].position, **ALL)
    assert [entry.payload for entry in page.entries] == [b"4", b"5"]
    page = await store.read_back("s", None, entries_max=2, bytes_max=1 << 20)
    assert [entry.payload for entry in page.entries] == [b"4", b"5"]
    assert page.has_more


async def test_keep_latest_stream_counts_what_is_kept_for_retention(store):
    create = settings(is_keep_latest=True, entries_max=2)
    for key, value in [("a", 1), ("a", 2), ("a", 3), ("b", 4), ("b", 5)]:
        await store.append(append(price(key, value), create=create))
    assert await payloads(store) == [b"3", b"5"]
    await store.append(append(price("c", 6)))
    assert (await store.seek("s", START)).reason is Reason.TRIMMED
    assert await payloads(store, (await store.info("s")).floor) == [b"5", b"6"]
    await store.append(append(price("a", 7)))
    assert await payloads(store, (await store.info("s")).floor) == [b"6", b"7"]


async def test_batch_in_a_keep_latest_stream_supersedes_within_itself(store):
    create = settings(is_keep_latest=True)
    appended = await store.append(append(price("a", 1), price("a", 2), create=create))
    assert (appended.first.offset, appended.last.offset) == (1, 2)
    assert await payloads(store) == [b"2"]
