"""Hooks, payload checks and permissions."""

import asyncio

import pytest

from longwire.base.limits import StreamLimits
from longwire.hub.errors import ApplicationError, PermissionDeniedError, PublishRefused
from longwire.hub.hub import Hub
from longwire.hub.policy import AllowAll, demand
from longwire.identity.principal import ANONYMOUS, Principal
from longwire.stores.memory import MemoryStore
from longwire.streams.entry import BYTES, NewEntry
from longwire.streams.errors import EntryLimitError, PayloadError, StreamMissingError
from longwire.streams.position import START
from tests.unit.hub.collectors import publish, settle


class Application(AllowAll):
    def __init__(self, hook=None):
        self.publish_hook = hook


def make_hub(hook=None, **options):
    return Hub(MemoryStore(), policy=Application(hook), **options)


async def stored(hub, stream="s"):
    page = await hub.store.read(stream, START, entries_max=100, bytes_max=1 << 20)
    return [entry.payload for entry in page.entries]


async def test_hook_sees_who_publishes_what():
    seen = []

    def hook(principal, stream, payloads, content_type):
        seen.append((principal.name, stream, payloads, content_type))
        return payloads

    hub = make_hub(hook)
    await hub.publish(publish(b"1", b"2", principal=Principal("ann")))
    assert seen == [("ann", "s", [b"1", b"2"], "application/json")]
    assert await stored(hub) == [b"1", b"2"]


@pytest.mark.parametrize("is_async", [False, True])
async def test_hook_changes_what_is_stored_and_keeps_keys(is_async):
    def change(principal, stream, payloads, content_type):
        return [b"[" + payload + b"]" for payload in payloads]

    async def change_later(*arguments):
        await asyncio.sleep(0)
        return change(*arguments)

    hub = make_hub(change_later if is_async else change)
    appended = await hub.publish(publish(NewEntry(b"1", "a"), NewEntry(b"2", "b")))
    assert [(entry.payload, entry.key) for entry in appended.entries] == [
        (b"[1]", "a"),
        (b"[2]", "b"),
    ]


async def test_hook_refuses_with_a_sentence_and_uses_up_no_sequence():
    def hook(principal, stream, payloads, content_type):
        if payloads == [b'"spam"']:
            raise PublishRefused("No advertising here.")
        return payloads

    hub = make_hub(hook)
    await hub.publish(publish(b"1", stamp=("p", 0, 0)))
    with pytest.raises(PublishRefused, match="No advertising here"):
        await hub.publish(publish(b'"spam"', stamp=("p", 0, 1)))
    assert not (await hub.publish(publish(b"2", stamp=("p", 0, 1)))).is_duplicate
    assert hub.counters.refused == {"publish_refused": 1}


async def test_hook_that_fails_is_an_error_of_the_application(caplog):
    def hook(principal, stream, payloads, content_type):
        raise KeyError("oops")

    hub = make_hub(hook)
    with pytest.raises(ApplicationError) as caught:
        await hub.publish(publish(b"1"))
    assert caught.value.is_retryable
    assert "oops" not in str(caught.value)
    assert "oops" in caplog.text


async def test_hook_that_waited_for_something_cancelled_fails_alone():
    asked = []

    async def hook(principal, stream, payloads, content_type):
        asked.append(payloads)
        if len(asked) == 1:
            await settle()  # others come meanwhile, and are taken together
        if payloads == [b"2"]:
            gone = asyncio.get_running_loop().create_future()
            gone.cancel()
            await gone
        return payloads

    hub = make_hub(hook)
    async with asyncio.timeout(10):
        outcomes = await asyncio.gather(
            *(hub.publish(publish(b"%d" % number)) for number in range(4)), return_exceptions=True
        )
    assert isinstance(outcomes[2], ApplicationError)
    assert await stored(hub) == [b"0", b"1", b"3"]


@pytest.mark.parametrize(
    ("made", "error"),
    [
        ([], PublishRefused),
        ([b"1", b"2"], PublishRefused),
        ([b"no json"], PayloadError),
        ([b"1" * 101], EntryLimitError),
    ],
)
async def test_what_a_hook_makes_is_checked(made, error):
    hub = make_hub(lambda *a: made, stream_limits=StreamLimits(entry_bytes_max=100))
    with pytest.raises(error):
        await hub.publish(publish(b"0"))
    assert await stored(hub) == []


async def test_slow_hook_keeps_the_order_of_its_stream_and_holds_up_no_other():
    gate = asyncio.Event()

    async def hook(principal, stream, payloads, content_type):
        if payloads == [b"1"]:
            await gate.wait()
        return payloads

    hub = make_hub(hook)
    done = []
    for n in range(1, 4):
        hub.publisher.submit(publish(b"%d" % n), done.append)
    other = await hub.publish(publish(b"9", stream="t"))
    assert other.last.offset == 1
    await settle()
    assert done == []
    gate.set()
    await settle()
    assert await stored(hub) == [b"1", b"2", b"3"]


async def test_application_itself_passes_no_hook():
    def hook(*arguments):
        raise PublishRefused("no")

    hub = make_hub(hook)
    await hub.publish(publish(b"1", is_from_server=True))
    assert await stored(hub) == [b"1"]


async def test_stream_is_created_only_where_the_settings_allow():
    hub = make_hub(settings_for=lambda stream, content_type: None)
    with pytest.raises(StreamMissingError):
        await hub.publish(publish(b"1"))


async def test_answer_that_raises_harms_nobody(caplog):
    hub = make_hub()

    def raising(outcome):
        raise RuntimeError("in the callback")

    done = []
    hub.publisher.submit(publish(b"1"), raising)
    hub.publisher.submit(publish(b"2"), done.append)
    await settle()
    assert len(done) == 1
    assert "in the callback" in caplog.text


# -- payloads -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "payload",
    [
        b"1",
        b" [1, 2] ",
        b'"\xc3\xa9"',
        b'{"a":{"b":[null,true,1e9]}}',
        b'"[[[["',
        b"[" * 10 + b"]" * 10,
    ],
)
async def test_json_payload_is_stored_as_it_is(payload):
    hub = make_hub()
    await hub.publish(publish(payload, is_checked=False))
    assert await stored(hub) == [payload]


@pytest.mark.parametrize(
    ("payload", "problem"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"1 2", "not JSON"),
        (b"NaN", "not JSON"),
        (b'"\xff"', "not UTF-8 at byte 1"),
        (b'"\xed\xa0\x80"', "not UTF-8"),
        (b'"\\ud800"', "not JSON"),
        (b"[" * 11 + b"]" * 11, "deeper than 10"),
        (b'{"a":' * 11 + b"1" + b"}" * 11, "deeper than 10"),
        (b"[" * 100_000 + b"]" * 100_000, "deeper than 10"),
    ],
)
async def test_payload_that_is_no_json_is_refused(payload, problem):
    hub = make_hub(stream_limits=StreamLimits(json_depth_max=10))
    with pytest.raises(PayloadError, match=problem):
        await hub.publish(publish(payload, is_checked=False))


@pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"":', b"}")])
async def test_depth_of_payloads_holds_at_its_edge(opening, closing):
    hub = make_hub(stream_limits=StreamLimits(json_depth_max=3))
    deepest = opening * 2 + b"[]" + closing * 2
    await hub.publish(publish(deepest, is_checked=False))
    with pytest.raises(PayloadError, match="deeper than 3"):
        await hub.publish(publish(opening + deepest + closing, is_checked=False))


async def test_brackets_in_strings_and_siblings_are_no_depth():
    hub = make_hub(stream_limits=StreamLimits(json_depth_max=3))
    for payload in (b'["[[[[\\"[[[["]', b"[[1],[2],[3],[4]]", b'["\\\\",["]]]]"]]'):
        await hub.publish(publish(payload, is_checked=False))


async def test_bytes_are_not_looked_into():
    hub = make_hub()
    await hub.publish(publish(b"\xff{", is_checked=False, content_type=BYTES))
    assert await stored(hub) == [b"\xff{"]


async def test_limits_of_entries_hold_at_their_edge():
    hub = make_hub(stream_limits=StreamLimits(entry_bytes_max=5, batch_entries_max=2))
    await hub.publish(publish(b"12345", b"1"))
    with pytest.raises(EntryLimitError, match="entry 2 of the batch has 6 bytes, at most 5"):
        await hub.publish(publish(b"1", b"123456"))
    with pytest.raises(EntryLimitError, match="the batch has 3 entries, at most 2"):
        await hub.publish(publish(b"1", b"2", b"3"))
    with pytest.raises(PayloadError, match="there is no entry"):
        await hub.publish(publish())


# -- permissions ----------------------------------------------------------------------------


async def test_permission_is_demanded_at_once_or_later():
    class Rules(AllowAll):
        def may(self, principal, action, stream):
            if stream == "later":
                return self.ask(principal)
            return principal.name == "ann"

        async def ask(self, principal):
            return principal.name == "ann"

    rules, ann = Rules(), Principal("ann")
    assert demand(rules, ann, "read", "now") is None
    with pytest.raises(PermissionDeniedError) as caught:
        demand(rules, ANONYMOUS, "publish", "now")
    assert caught.value.details == {"action": "publish", "stream": "now"}
    assert "publish to the stream" in str(caught.value)
    await demand(rules, ann, "read", "later")
    with pytest.raises(PermissionDeniedError):
        await demand(rules, ANONYMOUS, "read", "later")
