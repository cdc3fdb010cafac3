"""The live end of a stream: what connects, what is kept, how runs are cut."""

from longwire.base.limits import HubLimits
from longwire.hub.channel import Channel
from longwire.hub.counters import HubCounters
from longwire.hub.records import ENVELOPE_BYTES, Recorded, split_runs
from longwire.streams.entry import JSON, Entry
from longwire.streams.position import START, Position, next_link


def chain(count, *, after=START, epoch="aaaaaaaa", size=1):
    entries = []
    for _ in range(count):
        payload = bytes(size)
        position = Position(after.offset + 1, epoch, next_link(after.link, payload))
        entries.append(Entry(position, after, payload, 0, JSON))
        after = position
    return entries


def make_channel(**limits):
    return Channel("s", HubLimits(**limits), HubCounters())


def fresh(channel):
    return [recorded.entry for recorded in channel.fresh]


def test_first_entry_tells_the_place():
    channel = make_channel()
    entries = chain(5)
    assert channel.offer(entries[3:]) == []
    assert (channel.flushed, channel.head) == (entries[2].position, entries[4].position)


def test_known_entries_are_passed_over():
    channel = make_channel()
    entries = chain(5)
    channel.offer(entries[:3])
    channel.offer(entries[1:4])
    channel.offer(entries[:5])
    assert fresh(channel) == entries


def test_entries_that_do_not_connect_begin_anew():
    channel = make_channel()
    entries = chain(9)
    channel.offer(entries[:3])
    channel.offer(entries[6:])
    assert fresh(channel) == entries[6:]
    assert channel.flushed == entries[5].position
    other = chain(2, epoch="bbbbbbbb")
    channel.offer(other)
    assert fresh(channel) == other
    assert channel.flushed == START


def test_passed_offsets_with_other_entries_make_the_channel_forget():
    channel = make_channel()
    entries = chain(5)
    channel.offer(entries)
    rolled_back = chain(2, after=entries[1].position, size=2)  # offsets 3 and 4, other payloads
    channel.offer(rolled_back)
    assert (channel.head, channel.flushed, fresh(channel)) == (None, None, [])
    assert channel.doubts == 1
    channel.offer(rolled_back[1:])
    assert fresh(channel) == rolled_back[1:]


def test_entries_written_on_after_a_rollback_do_not_connect():
    channel = make_channel()
    entries = chain(5)
    channel.offer(entries)
    channel.offer(chain(4, after=entries[2].position, size=2))  # 4 to 7: beyond the head, too
    assert channel.flushed is not None
    assert channel.flushed.link != entries[4].position.link


def test_recent_entries_follow_only_a_position_that_is_theirs():
    channel = make_channel(recent_entries_max=4)
    entries = chain(10)
    channel.offer(entries)
    for entry in entries[5:]:
        records = channel.recent_after(entry.position)
        assert [r.entry for r in records] == entries[entry.position.offset :]
        assert channel.recent_after(entry.position._replace(link=bytes(8))) is None
        assert channel.recent_after(entry.position._replace(epoch="bbbbbbbb")) is None
    assert channel.recent_after(entries[4].position) is None
    assert channel.recent_after(START) is None


def test_recent_entries_are_bounded_in_bytes_and_keep_the_newest():
    channel = make_channel(recent_bytes_max=100)
    entries = chain(10, size=30)
    channel.offer(entries)
    assert channel.recent_after(entries[5].position) is None
    assert len(channel.recent_after(entries[6].position)) == 3
    large = chain(1, after=entries[-1].position, size=1000)
    channel.offer(large)
    assert [r.entry for r in channel.recent_after(entries[-1].position)] == large


def test_seed_is_taken_only_when_it_ends_at_the_head():
    entries = chain(5)
    channel = make_channel()
    channel.place(entries[4].position)
    channel.seed([Recorded(entry) for entry in entries[:3]])
    assert channel.recent_after(entries[2].position) is None
    channel.seed([Recorded(entry) for entry in entries[1:]])
    assert len(channel.recent_after(entries[2].position)) == 2
    assert channel.recent_after(START) is None


def test_seed_with_superseded_entries_keeps_the_part_without_holes():
    entries = chain(6)
    channel = make_channel()
    channel.place(entries[5].position)
    channel.seed([Recorded(entries[index]) for index in (0, 2, 4, 5)])
    assert channel.recent_after(entries[1].position) is None
    assert len(channel.recent_after(entries[3].position)) == 2


def test_runs_are_cut_at_the_size_and_never_empty():
    records = [Recorded(entry) for entry in chain(7, size=100)]
    size = 100 + ENVELOPE_BYTES
    assert [len(run) for run in split_runs(records, 3 * size)] == [3, 3, 1]
    assert [len(run) for run in split_runs(records, 1)] == [1] * 7
    assert [len(run) for run in split_runs(records, 100 * size)] == [7]
    assert split_runs([], 1) == []
