"""What becomes of a subscriber whom retention has passed."""

from __future__ import annotations

from longwire.base.limits import HubLimits, RetentionLimits
from longwire.hub.hub import Hub
from longwire.hub.readers import SlowRule
from longwire.stores.memory import MemoryStore
from longwire.streams.store import StreamSettings
from longwire.streams.verdict import StartAt
from tests.unit.hub.collectors import EntrySink, publish, settle, subscribe


class Owner:
    """Notes what it would be closed for."""

    def __init__(self) -> None:
        self.too_slow: list[str] = []

    def read_too_slowly(self, stream: str) -> None:
        self.too_slow.append(stream)


async def fall_behind(rule):
    """A subscriber that has 1 and 2, while 3 to 9 came and 7 to 9 are kept."""
    retention = RetentionLimits(entries_max=3, bytes_max=None, age_max_s=None)
    hub = Hub(
        MemoryStore(),
        limits=HubLimits(held_bytes_max=10, recent_entries_max=1, page_entries_max=2),
        settings_for=lambda stream, content_type: StreamSettings(retention=retention),
        slow_rule_for=lambda stream: rule,
    )
    sink = EntrySink()
    subscription = await subscribe(hub, sink, StartAt.TAIL)
    await hub.publish(publish(b"1"))
    await settle()
    sink.is_slow, sink.held_bytes = True, 1000
    await hub.publish(publish(b"2"))
    await settle()
    for number in range(3, 10):
        await hub.publish(publish(b"%d" % number))
        await settle()
    return hub, sink, subscription


async def test_report_names_what_is_lost_and_goes_on_with_all_that_is_kept():
    hub, sink, subscription = await fall_behind(SlowRule.REPORT)
    sink.is_slow, sink.held_bytes = False, 0
    subscription.attachment.drained()
    await settle()
    (gap,) = sink.of().gaps
    assert (gap.reason, gap.after.offset, gap.upto.offset) == ("trimmed", 2, 6)
    assert sink.of().payloads == [b"1", b"2", b"7", b"8", b"9"]
    await hub.close()


async def test_latest_goes_on_with_the_newest_entry():
    hub, sink, subscription = await fall_behind(SlowRule.LATEST)
    sink.is_slow, sink.held_bytes = False, 0
    subscription.attachment.drained()
    await settle()
    (gap,) = sink.of().gaps
    assert (gap.reason, gap.after.offset, gap.upto.offset) == ("skipped", 2, 8)
    assert gap.is_loss
    assert sink.of().payloads == [b"1", b"2", b"9"]
    await hub.publish(publish(b"10"))
    await settle()
    assert sink.of().payloads[-1] == b"10"
    await hub.close()


async def test_disconnect_leaves_it_to_the_connection():
    hub, sink, subscription = await fall_behind(SlowRule.DISCONNECT)
    owner = Owner()
    subscription.attachment.owner = owner
    sink.is_slow, sink.held_bytes = False, 0
    subscription.attachment.drained()
    await settle()
    assert owner.too_slow == ["s"]
    assert sink.of().payloads == [b"1", b"2"]
    await hub.close()
