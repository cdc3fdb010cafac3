"""PUT, POST and DELETE (Durable Streams 5.1 to 5.4, 4.2)."""

from __future__ import annotations

import time
from dataclasses import replace

from longwire.base.headers import Headers
from longwire.gateways.durable.answer import (
    Answer,
    no_store,
    protective_fields,
    stream_fields,
)
from longwire.gateways.durable.body import cut_body
from longwire.gateways.durable.faults import BadRequestError, CodedBodyError, NoContentTypeError
from longwire.gateways.durable.preconditions import (
    check_existing,
    check_missing,
    is_conditional,
    tag_of,
    tail_to_follow,
)
from longwire.gateways.durable.request import (
    ForkWish,
    StreamRequest,
    read_application_sequence,
    read_content_type,
    read_expiry,
    read_fork,
    read_producer,
    read_ttl,
    wants_closed,
)
from longwire.hub.hub import Hub
from longwire.hub.publishing import Publish
from longwire.streams.entry import BYTES, NewEntry, is_acceptable
from longwire.streams.errors import (
    ContentTypeError,
    ForkError,
    PayloadError,
    PositionRefusedError,
    StreamClosedError,
    StreamExistsError,
    StreamGoneError,
    StreamMissingError,
)
from longwire.streams.producer import ProducerStamp
from longwire.streams.store import Appended, Fork, StreamInfo, StreamSettings

__all__ = ["append", "create", "delete"]


async def create(hub: Hub, request: StreamRequest, body: bytes) -> Answer:
    """Create a stream, or say that it is there as wanted. Raises ``StreamError``."""
    content_type = read_content_type(request)
    wish = read_fork(request)
    ttl_s, expires_ms = read_ttl(request), read_expiry(request)
    if ttl_s is not None and expires_ms is not None:
        raise BadRequestError("Stream-TTL and Stream-Expires-At exclude each other")
    if expires_ms is not None and expires_ms <= time.time() * 1000:
        raise BadRequestError("Stream-Expires-At is over")
    source = None if wish is None else await _find_source(hub, wish)
    if content_type is None:
        content_type = BYTES if source is None else source.settings.content_type
    settings = await _settings(hub, request.stream, content_type, source)
    if ttl_s is not None or expires_ms is not None:
        settings = replace(settings, ttl_s=ttl_s, expires_ms=expires_ms)
    batch = _entries(hub, request, body, content_type)
    publish = Publish(
        request.stream,
        batch,
        content_type,
        request.principal,
        closes=wants_closed(request),
    )
    if is_conditional(request.headers) and await hub.store.info(request.stream) is None:
        check_missing(request.headers)
    fork = None if wish is None else Fork(wish.source, wish.after, wish.sub_offset)
    try:
        info, is_new = await hub.create_stream(publish, settings, fork=fork)
    except PositionRefusedError as error:
        # Not the offset of a reader, who could go on elsewhere: Durable Streams 4.2 wants 400.
        raise ForkError(error.message, **error.details) from None
    if not is_new:
        check_existing("PUT", request.headers, info)
    headers = stream_fields(info.settings.content_type, info.tail, is_closed=info.is_closed)
    headers.add("ETag", tag_of(info.tail, is_closed=info.is_closed))
    if is_new:
        headers.add("Location", request.url)
    return Answer(201 if is_new else 200, no_store(headers))


async def _find_source(hub: Hub, wish: ForkWish) -> StreamInfo:
    source = await hub.store.info(wish.source)
    if source is None:
        raise StreamMissingError(wish.source)
    if source.is_deleted:
        raise StreamExistsError(wish.source, "forks only: it was deleted")
    return source


async def _settings(
    hub: Hub, stream: str, content_type: str, source: StreamInfo | None
) -> StreamSettings:
    """With what to create a stream: what the server's rules say of its name, unless it is there
    already, and the life of what it branches off from."""
    settings = hub.settings_for(stream, content_type) or StreamSettings()
    settings = replace(settings, content_type=content_type)
    if source is not None:
        settings = replace(
            settings,
            is_keep_latest=source.settings.is_keep_latest,
            is_ephemeral=source.settings.is_ephemeral,
            ttl_s=source.settings.ttl_s,
            expires_ms=source.settings.expires_ms,
        )
    existing = await hub.store.info(stream)
    if existing is None:
        return settings
    # The rules may have been others when it was created; a request says nothing of these.
    there = existing.settings
    return replace(
        settings,
        retention=there.retention,
        is_keep_latest=there.is_keep_latest,
        is_ephemeral=there.is_ephemeral,
    )


async def append(hub: Hub, request: StreamRequest, body: bytes) -> Answer:
    """Append a body, close the stream, or both. Raises ``StreamError``."""
    closes = wants_closed(request)
    producer = read_producer(request)
    content_type = read_content_type(request)
    if not body and not closes:
        raise BadRequestError("there is no body; with Stream-Closed: true there need not be one")
    if body and content_type is None:
        raise NoContentTypeError
    try:
        batch = _entries(hub, request, body, content_type or BYTES)
        if body and not batch:
            raise BadRequestError("an empty array holds no message to append")
    except (PayloadError, BadRequestError):
        # A body that is not of its type may just be of another type than the stream.
        await _check_type(hub, request.stream, content_type)
        raise
    publish = Publish(
        request.stream,
        batch,
        content_type or BYTES,
        request.principal,
        producer,
        if_tail=await tail_to_follow(hub, request.stream, request.headers),
        closes=closes,
        may_create=False,
        application_sequence=read_application_sequence(request),
    )
    try:
        appended = await hub.publish(publish)
    except StreamClosedError as error:
        if body or producer is not None:
            raise
        # Durable Streams 5.3: closing what is closed is no error.
        headers = stream_fields(None, error.tail, is_closed=True)
        headers.add("ETag", tag_of(error.tail, is_closed=True))
        return Answer(204, no_store(headers))
    return _answer_append(appended, producer, has_body=bool(body))


async def _check_type(hub: Hub, stream: str, content_type: str | None) -> None:
    """Raise what speaks against any append of this type: ``StreamMissingError``,
    ``StreamGoneError`` or ``ContentTypeError``."""
    info = await hub.store.info(stream)
    if info is None:
        raise StreamMissingError(stream)
    if info.is_deleted:
        raise StreamGoneError(stream)
    if not is_acceptable(content_type, info.settings.content_type):
        raise ContentTypeError(stream, info.settings.content_type, str(content_type))


def _answer_append(appended: Appended, producer: ProducerStamp | None, *, has_body: bool) -> Answer:
    headers = no_store(stream_fields(None, appended.tail, is_closed=appended.is_closed))
    headers.add("ETag", tag_of(appended.tail, is_closed=appended.is_closed))
    if producer is None:
        return Answer(204, headers)
    newest = appended.newest_sequence
    headers.add("Producer-Epoch", str(producer.epoch))
    headers.add("Producer-Seq", str(producer.sequence if newest is None else newest))
    # Durable Streams 5.2.1: 200 says that data is new, 204 that there was none or it was there.
    return Answer(200 if has_body and not appended.is_duplicate else 204, headers)


async def delete(hub: Hub, request: StreamRequest) -> Answer:
    """Remove a stream. Raises ``StreamError``."""
    if is_conditional(request.headers):
        await _close_as_known(hub, request)
    if not await hub.delete_stream(request.stream):
        raise StreamMissingError(request.stream)
    return Answer(204, no_store(Headers(protective_fields())))


async def _close_as_known(hub: Hub, request: StreamRequest) -> None:
    """Let nothing be appended to a stream that is to be removed if it is as the client knows."""
    info = await hub.store.info(request.stream)
    if info is None or info.is_deleted:
        return
    check_existing("DELETE", request.headers, info)
    if "If-Match" in request.headers and not info.is_closed:
        end = Publish(
            request.stream,
            (),
            info.settings.content_type,
            request.principal,
            if_tail=info.tail,
            closes=True,
            may_create=False,
        )
        await hub.publish(end)


def _entries(
    hub: Hub, request: StreamRequest, body: bytes, content_type: str
) -> tuple[NewEntry, ...]:
    coding = request.headers.joined("Content-Encoding")
    if coding is not None and coding.strip().lower() != "identity":
        raise CodedBodyError(coding)
    limits = hub.stream_limits
    return cut_body(
        body,
        content_type,
        entry_bytes_max=limits.entry_bytes_max,
        entries_max=limits.batch_entries_max,
        json_depth_max=limits.json_depth_max,
    )
