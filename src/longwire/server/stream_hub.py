"""The hub of one service: store, limits, figures, and publishing from the application."""

from __future__ import annotations

import json
from typing import Any

from longwire.hub.hub import Hub
from longwire.hub.policy import Policy
from longwire.hub.publishing import Publish
from longwire.server.figures import ByLabel, Figure, Figures
from longwire.server.settings import Settings
from longwire.server.store_urls import make_store
from longwire.server.stream_rules import StreamRules
from longwire.streams.entry import BYTES, JSON, NewEntry, normalize_content_type
from longwire.streams.store import Appended, StreamSettings

__all__ = ["hub_figures", "make_hub", "publish_from_application"]


def make_hub(settings: Settings, policy: Policy, rules: StreamRules) -> Hub:
    """Return a hub on the store that is configured. Raises ``ConfigError``."""

    def settings_for(stream: str, content_type: str) -> StreamSettings:
        return rules.settings(stream, content_type, settings.retention)

    return Hub(
        make_store(settings),
        policy=policy,
        limits=settings.hub,
        stream_limits=settings.streams,
        presence_limits=settings.presence,
        consumer_limits=settings.consumers,
        rate_limits=settings.rates,
        settings_for=settings_for,
        slow_rule_for=rules.slow_rule,
    )


async def publish_from_application(
    hub: Hub, stream: str, data: Any, content_type: str | None
) -> Appended:
    """Publish one entry: bytes as they are, everything else as JSON."""
    if isinstance(data, (bytes, bytearray, memoryview)):
        payload = bytes(data)
        kind = BYTES if content_type is None else normalize_content_type(content_type)
    else:
        text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        payload, kind = text.encode("utf-8"), JSON
    publish = Publish(stream, (NewEntry(payload),), content_type=kind, is_from_server=True)
    return await hub.publish(publish)


def hub_figures(hub: Hub) -> Figures:
    """What the hub counts, for the metrics."""
    counters = hub.counters
    figures: dict[str, Figure] = {
        "subscriptions": ("Subscriptions now.", counters.subscriptions, False),
        "streams_subscribed": ("Streams that somebody subscribes to.", hub.channel_count, False),
        "readers_blocked": (
            "Subscriptions whose connection does not drain, now.",
            counters.readers_blocked,
            False,
        ),
        "readers_slowed": (
            "Times that a subscriber at the tail became a slow reader.",
            counters.readers_slowed,
            True,
        ),
        "subscribes": ("Subscriptions made.", counters.subscribes, True),
        "positions_refused": (
            "Subscriptions with a position that could not be honoured.",
            counters.subscribes_refused_position,
            True,
        ),
        "publishes": ("Publishes that stored something.", counters.published, True),
        "published_entries": ("Entries stored.", counters.published_entries, True),
        "published_bytes": ("Payload bytes stored.", counters.published_bytes, True),
        "duplicates": ("Publishes that had been stored before.", counters.duplicates, True),
        "publishes_refused": (
            "Publishes refused, by code.",
            ByLabel("code", counters.refused),
            True,
        ),
        "deliveries": (
            "Entries delivered: entries times subscribers.",
            counters.delivered_entries,
            True,
        ),
        "gaps": ("Gaps told to subscribers, by reason.", ByLabel("reason", counters.gaps), True),
        "store_failures": ("Failures of the store.", counters.store_failures, True),
        **hub.store.figures(),
    }
    return {f"longwire_{name}": figure for name, figure in figures.items()}
