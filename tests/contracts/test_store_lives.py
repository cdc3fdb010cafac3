"""The store contract, second part: how streams begin, branch off, are named, erased and end."""

from dataclasses import replace

import pytest

from longwire.streams.entry import BYTES, NewEntry
from longwire.streams.errors import (
    ApplicationSequenceError,
    ContentTypeError,
    ForkError,
    PositionRefusedError,
    ProducerUnknownError,
    StreamClosedError,
    StreamExistsError,
    StreamGoneError,
    StreamMissingError,
    TailMovedError,
)
from longwire.streams.position import START, Position, next_link
from longwire.streams.store import Fork
from longwire.streams.verdict import Last, Reason, StartAt
from tests.contracts.test_store import ALL, append, payloads, price, settings


async def names(store):
    return sorted([name async for name in store.names()])


async def fork(store, name="f", *, source="s", create=None, **place):
    info, is_new = await store.create(name, create or settings(), fork=Fork(source, **place))
    assert is_new
    return info


# -- creation -----------------------------------------------------------------------------------


async def test_stream_may_begin_with_entries_and_be_closed(store):
    batch = [NewEntry(b"1"), NewEntry(b"2")]
    info, is_new = await store.create("s", settings(), batch=batch, closes=True)
    assert (is_new, info.tail.offset, info.is_closed) == (True, 2, True)
    assert await payloads(store) == [b"1", b"2"]
    with pytest.raises(StreamClosedError):
        await store.append(append(b"3"))
    again, is_new = await store.create("s", settings(), batch=batch, closes=True)
    assert (again, is_new) == (info, False)
    assert await payloads(store) == [b"1", b"2"]


async def test_creating_a_stream_that_is_closed_otherwise_is_refused(store):
    await store.create("open", settings())
    await store.create("closed", settings(), closes=True)
    for name, closes in [("open", True), ("closed", False)]:
        with pytest.raises(StreamExistsError):
            await store.create(name, settings(), closes=closes)


async def test_names_are_those_of_the_streams_that_there_are(store):
    assert await names(store) == []
    wanted = [f"a/{number}" for number in range(40)] + ["ü{}/*x", "$own"]
    for name in wanted:
        await store.append(append(b"1", stream=name))
    assert await names(store) == sorted(wanted)
    await store.delete("a/7")
    assert await names(store) == sorted(set(wanted) - {"a/7"})


# -- the application's own sequence -------------------------------------------------------------


async def test_application_sequence_must_rise_byte_by_byte(store):
    for given in ["09", "1", "10", "2", "é"]:
        await store.append(append(b"x", application_sequence=given))
    for given in ["é", "2", "", "10"]:
        with pytest.raises(ApplicationSequenceError) as caught:
            await store.append(append(b"x", application_sequence=given))
        assert caught.value.last == "é"
    await store.append(append(b"x"))
    await store.append(append(b"x", application_sequence="éa"))
    assert len(await payloads(store)) == 7


async def test_order_of_the_checks(store):
    await store.append(append(b"x", application_sequence="5"))
    wrong = {"application_sequence": "4", "if_tail": START}
    with pytest.raises(ContentTypeError):
        await store.append(append(b"x", content_type=BYTES, **wrong))
    with pytest.raises(ApplicationSequenceError):
        await store.append(append(b"x", **wrong))
    with pytest.raises(TailMovedError):
        await store.append(append(b"x", application_sequence="6", if_tail=START))
    await store.close_stream("s")
    with pytest.raises(StreamClosedError):
        await store.append(append(b"x", content_type=BYTES, **wrong))


# -- the end of a life --------------------------------------------------------------------------


async def test_stream_expires_when_its_time_has_come(made):
    store = made.store
    create = replace(settings(), expires_ms=made.clock.now_ms + 10_000)
    info, _ = await store.create("s", create)
    assert info.settings == create
    tail = (await store.append(append(b"1"))).last
    made.clock.advance(9.999)
    assert await payloads(store) == [b"1"]
    made.clock.advance(0.001)
    assert await store.info("s") is None
    assert await names(store) == []
    assert (await store.seek("s", tail)).reason is Reason.EPOCH
    assert (await store.read("s", START, **ALL)).entries == ()
    with pytest.raises(StreamMissingError):
        await store.append(append(b"2", create=None))
    again = await store.append(append(b"2"))
    assert (again.first.offset, again.first.epoch == tail.epoch) == (1, False)


@pytest.mark.parametrize("use", ["append", "read", "read_back", "seek", "duplicate"])
async def test_use_prolongs_the_life_of_an_idle_stream(made, use):
    store = made.store
    await store.append(append(b"1", create=replace(settings(), ttl_s=10), stamp=("p", 0, 0)))
    for _ in range(3):
        made.clock.advance(7)
        match use:
            case "append":
                await store.append(append(b"2"))
            case "duplicate":
                assert (await store.append(append(b"1", stamp=("p", 0, 0)))).is_duplicate
            case "read":
                await store.read("s", START, **ALL)
            case "read_back":
                await store.read_back("s", None, **ALL)
            case "seek":
                await store.seek("s", StartAt.TAIL)
    made.clock.advance(7)
    assert await store.info("s") is not None
    made.clock.advance(3)
    assert await store.info("s") is None


async def test_looking_at_a_stream_does_not_prolong_its_life(made):
    await made.store.create("s", replace(settings(), ttl_s=10))
    made.clock.advance(6)
    assert (await made.store.info("s")).settings.ttl_s == 10
    made.clock.advance(6)
    await made.store.expire()
    assert await made.store.info("s") is None


async def test_stream_without_time_to_live_is_created_and_over(store):
    batch = [NewEntry(b"1")]
    info, is_new = await store.create("s", replace(settings(), ttl_s=0), batch=batch, closes=True)
    assert (is_new, info.tail.offset, info.is_closed) == (True, 1, True)
    assert await store.info("s") is None
    assert (await store.create("s", replace(settings(), ttl_s=0)))[1]


async def test_expired_stream_may_be_created_otherwise(made):
    await made.store.create("s", replace(settings(), ttl_s=1))
    made.clock.advance(2)
    info, is_new = await made.store.create("s", settings(content_type="text/plain"))
    assert (is_new, info.settings.content_type) == (True, "text/plain")


# -- forks --------------------------------------------------------------------------------------


async def test_fork_goes_on_from_its_place_with_an_epoch_of_its_own(store):
    entries = (await store.append(append(b"1", b"2", b"3"))).entries
    info = await fork(store, after=entries[1].position)
    assert (info.tail, info.fork) == (entries[1].position, Fork("s", entries[1].position))
    assert info.epoch != entries[0].position.epoch
    own = (await store.append(append(b"x", stream="f"))).entries[0]
    link = next_link(entries[1].position.link, b"x")
    assert own.position == Position(3, info.epoch, link)
    assert own.previous == entries[1].position
    await store.append(append(b"4"))
    page = await store.read("f", START, **ALL)
    assert [entry.payload for entry in page.entries] == [b"1", b"2", b"x"]
    assert [entry.position for entry in page.entries[:2]] == [e.position for e in entries[:2]]
    assert await payloads(store) == [b"1", b"2", b"3", b"4"]
    back = await store.read_back("f", own.position, **ALL)
    assert [entry.payload for entry in back.entries] == [b"1", b"2"]
    assert (await store.seek("f", Last(1))).resume == entries[1].position


async def test_reader_of_the_source_goes_on_in_the_fork_as_far_as_both_agree(store):
    entries = (await store.append(append(b"1", b"2", b"3"))).entries
    await fork(store, after=entries[1].position)
    await store.append(append(b"x", stream="f"))
    for entry in entries[:2]:
        assert (await store.seek("f", entry.position)).reason is None
    assert (await store.seek("f", entries[2].position)).reason is Reason.EPOCH
    wrong = entries[1].position._replace(link=b"12345678")
    assert (await store.seek("f", wrong)).reason is Reason.DIVERGED
    own = (await store.info("f")).epoch
    assert (await store.seek("f", entries[1].position._replace(epoch=own))).reason is Reason.EPOCH
    assert (await store.seek("s", (await store.info("f")).tail)).reason is Reason.EPOCH


async def test_fork_without_a_place_begins_at_the_tail(store):
    tail = (await store.append(append(b"1", b"2"))).last
    assert (await fork(store)).tail == tail
    await store.append(append(b"3"))
    again, is_new = await store.create("f", settings(), fork=Fork("s"))
    assert (is_new, again.tail) == (False, tail)
    assert (await fork(store, "empty", after=START)).tail == START
    assert await payloads(store, stream="empty") == []


async def test_fork_of_a_fork_knows_all_its_ancestors(store):
    first = (await store.append(append(b"1", b"2"))).entries
    await fork(store, "f", after=first[0].position)
    second = (await store.append(append(b"a", b"b", stream="f"))).entries
    await fork(store, "g", source="f", after=second[0].position)
    third = (await store.append(append(b"x", stream="g"))).entries
    page = await store.read("g", START, **ALL)
    expected = [first[0], second[0], third[0]]
    assert [entry.position for entry in page.entries] == [e.position for e in expected]
    assert len({entry.position.epoch for entry in page.entries}) == 3
    for entry in expected:
        assert (await store.seek("g", entry.position)).reason is None
    # A place before the first branch goes back to the first ancestor alone.
    assert (await fork(store, "h", source="g", after=first[0].position)).tail == first[0].position
    await store.append(append(b"y", stream="h"))
    assert await payloads(store, stream="h") == [b"1", b"y"]


async def test_sub_offset_counts_entries_of_json(store):
    entries = (await store.append(append(b"1", b"2", b"3"))).entries
    info = await fork(store, after=entries[0].position, sub_offset=1)
    assert info.tail == entries[1].position
    assert info.fork == Fork("s", entries[0].position, 1)
    with pytest.raises(ForkError, match="2 entries follow"):
        await store.create("g", settings(), fork=Fork("s", entries[0].position, 3))
    assert await store.info("g") is None


async def test_sub_offset_counts_bytes_and_may_cut_an_entry(store):
    create = settings(content_type="text/plain")
    entries = (await store.append(append(b"first", b"second", b"third", create=create))).entries
    info = await fork(store, after=entries[0].position, sub_offset=3, create=create)
    page = await store.read("f", START, **ALL)
    assert [entry.payload for entry in page.entries] == [b"first", b"sec"]
    assert page.entries[1].position == info.tail
    assert info.tail.epoch == info.epoch != entries[0].position.epoch
    await fork(store, "g", after=entries[0].position, sub_offset=6, create=create)
    assert (await store.info("g")).tail == entries[1].position
    await fork(store, "h", after=entries[0].position, sub_offset=8, create=create)
    assert await payloads(store, stream="h") == [b"first", b"second", b"th"]
    with pytest.raises(ForkError, match="11 bytes follow"):
        await store.create("i", create, fork=Fork("s", entries[0].position, 12))


async def test_fork_is_created_once(store):
    entries = (await store.append(append(b"1", b"2"))).entries
    info = await fork(store, after=entries[0].position)
    again, is_new = await store.create("f", settings(), fork=Fork("s", entries[0].position))
    assert (again, is_new) == (info, False)
    await store.append(append(b"1", stream="other"))
    for other in [
        None,
        Fork("s", entries[1].position),
        Fork("s", entries[0].position, 1),
        Fork("other", entries[0].position),
    ]:
        with pytest.raises(StreamExistsError):
            await store.create("f", settings(), fork=other)
    with pytest.raises(StreamExistsError):
        await store.create("s", settings(), fork=Fork("other"))


async def test_fork_inherits_no_producers_no_sequence_and_no_closure(store):
    await store.append(append(b"1", stamp=("p", 0, 0), application_sequence="7"))
    await store.append(append(b"2", stamp=("p", 0, 1), closes=True))
    assert not (await fork(store)).is_closed
    with pytest.raises(ProducerUnknownError):
        await store.append(append(b"3", stream="f", stamp=("p", 0, 2)))
    stamped = append(b"3", stream="f", stamp=("p", 0, 0), application_sequence="1")
    assert not (await store.append(stamped)).is_duplicate
    assert (await store.append(append(b"2", stamp=("p", 0, 1)))).is_duplicate
    assert await payloads(store, stream="f") == [b"1", b"2", b"3"]


async def test_fork_that_can_not_be_is_refused_and_not_there(store):
    entries = (await store.append(append(b"1", b"2", create=settings(entries_max=1)))).entries
    epoch = entries[0].position.epoch
    for wanted, create, error in [
        (Fork("missing"), settings(), StreamMissingError),
        (Fork("s"), settings(content_type=BYTES), ContentTypeError),
        (Fork("s"), settings(is_keep_latest=True), ForkError),
        (Fork("s", Position(3, epoch, bytes(8))), settings(), PositionRefusedError),
        (Fork("s", Position(2, epoch, bytes(8))), settings(), PositionRefusedError),
        (Fork("s", Position(2, "otherone", bytes(8))), settings(), PositionRefusedError),
        (Fork("s", START), settings(), PositionRefusedError),
        (Fork("s", None, 1), settings(), ForkError),
    ]:
        with pytest.raises(error):
            await store.create("f", create, fork=wanted)
        assert await store.info("f") is None
    assert await store.delete("s")
    assert await store.info("s") is None


async def test_fork_keeps_what_its_source_drops(store):
    create = settings(entries_max=2)
    entries = (await store.append(append(b"1", b"2", create=create))).entries
    await fork(store, after=entries[1].position)
    await store.append(append(b"3", b"4"))
    assert await payloads(store, stream="f") == [b"1", b"2"]
    assert (await store.info("s")).floor == entries[1].position
    later = await fork(store, "g")
    assert later.floor == entries[1].position
    assert await payloads(store, later.floor, stream="g") == [b"3", b"4"]


async def test_retention_of_a_fork_counts_what_it_inherited(store):
    entries = (await store.append(append(b"1", b"2", b"3"))).entries
    await fork(store, create=settings(entries_max=2))
    await store.append(append(b"x", stream="f"))
    floor = (await store.info("f")).floor
    assert floor == entries[1].position
    assert await payloads(store, floor, stream="f") == [b"3", b"x"]


async def test_keep_latest_stream_is_forked_at_its_tail(store):
    create = settings(is_keep_latest=True)
    entries = []
    for key, value in [("a", 1), ("b", 2), ("a", 3)]:
        entries += (await store.append(append(price(key, value), create=create))).entries
    with pytest.raises(ForkError):
        await store.create("f", create, fork=Fork("s", entries[0].position))
    await fork(store, create=create)
    await store.append(append(price("b", 4), stream="f"))
    await store.append(append(price("a", 5)))
    assert await payloads(store, stream="f") == [b"3", b"4"]
    assert await payloads(store) == [b"2", b"5"]
    assert (await store.seek("f", entries[0].position)).reason is None


async def test_deleted_source_stays_as_long_as_there_are_forks(store):
    await store.append(append(b"1"))
    await fork(store, "f")
    await fork(store, "g", source="f")
    assert await store.delete("s")
    assert (await store.info("s")).is_deleted
    assert "s" not in await names(store)
    assert (await store.read("s", START, **ALL)).entries == ()
    with pytest.raises(StreamGoneError):
        await store.append(append(b"2"))
    with pytest.raises(StreamGoneError):
        await store.delete("s")
    with pytest.raises(StreamGoneError):
        await store.close_stream("s")
    with pytest.raises(StreamExistsError):
        await store.create("s", settings())
    with pytest.raises(StreamGoneError):
        await store.create("h", settings(), fork=Fork("s"))
    assert await payloads(store, stream="g") == [b"1"]
    # The last fork takes its ancestors along.
    assert await store.delete("f")
    assert (await store.info("f")).is_deleted
    assert (await store.info("s")).is_deleted  # "g" is there still, and needs both
    assert await store.delete("g")
    for name in "fgs":
        assert await store.info(name) is None
    await store.append(append(b"2"))
    assert await payloads(store) == [b"2"]


async def test_expired_source_stays_as_long_as_there_are_forks(made):
    store = made.store
    await store.append(append(b"1", create=replace(settings(), ttl_s=5)))
    await fork(store)
    made.clock.advance(6)
    assert await payloads(store, stream="f") == [b"1"]
    await store.expire()
    assert (await store.info("s")).is_deleted
    await store.delete("f")
    assert await store.info("s") is None


# -- erasure ------------------------------------------------------------------------------------


async def test_erased_entry_keeps_its_place_and_link(store):
    entries = (await store.append(append(b"1", b"secret", b"3"))).entries
    assert await store.erase("s", entries[1].position)
    assert not await store.erase("s", entries[1].position)
    page = await store.read("s", START, **ALL)
    assert [entry.payload for entry in page.entries] == [b"1", b"", b"3"]
    assert [entry.is_erased for entry in page.entries] == [False, True, False]
    assert [entry.position for entry in page.entries] == [entry.position for entry in entries]
    for entry in entries:
        assert (await store.seek("s", entry.position)).reason is None
    back = await store.read_back("s", entries[2].position, entries_max=1, bytes_max=100)
    assert back.entries[0].is_erased
    await store.append(append(b"4"))
    assert await payloads(store) == [b"1", b"", b"3", b"4"]


async def test_only_what_is_there_can_be_erased(store):
    with pytest.raises(StreamMissingError):
        await store.erase("s", START)
    entries = (await store.append(append(b"1", b"2", create=settings(entries_max=1)))).entries
    assert not await store.erase("s", entries[0].position)
    for wrong in [
        entries[1].position._replace(link=bytes(8)),
        entries[1].position._replace(offset=3),
        entries[1].position._replace(epoch="otherone"),
    ]:
        with pytest.raises(PositionRefusedError):
            await store.erase("s", wrong)


async def test_erasure_gives_room_back_and_leaves_forks_alone(store):
    create = settings(bytes_max=10)
    entries = (await store.append(append(b"12345", b"67890", create=create))).entries
    await fork(store, create=create)
    assert await store.erase("s", entries[0].position)
    await store.append(append(b"abcde"))
    assert await payloads(store) == [b"", b"67890", b"abcde"]
    assert await payloads(store, stream="f") == [b"12345", b"67890"]


async def test_erased_entry_of_a_keep_latest_stream_is_superseded_like_others(store):
    create = settings(is_keep_latest=True)
    entry = (await store.append(append(price("a", 1), price("b", 2), create=create))).entries[0]
    assert await store.erase("s", entry.position)
    await store.append(append(price("a", 3)))
    assert await payloads(store) == [b"2", b"3"]
    assert not await store.erase("s", entry.position)
