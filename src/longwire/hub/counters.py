"""What the hub counts, as plain numbers for whoever exports them."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["HubCounters"]


@dataclass(slots=True)
class HubCounters:
    """Totals since the start, unless a field says "now"."""

    subscriptions: int = 0
    """Now."""
    subscribes: int = 0
    subscribes_refused_position: int = 0
    """Subscriptions with a position that could not be honoured."""
    readers_blocked: int = 0
    """Subscriptions whose connection does not drain, now."""
    readers_slowed: int = 0
    """Times that a subscriber at the tail became a slow reader."""
    published: int = 0
    """Appends that stored something."""
    published_entries: int = 0
    published_bytes: int = 0
    duplicates: int = 0
    """Appends that had been stored before."""
    refused: dict[str, int] = field(default_factory=dict)
    """Appends that were refused, by error code."""
    delivered_entries: int = 0
    """Entries times subscribers."""
    encoded_entries: int = 0
    """Times that an entry was encoded."""
    flushes: int = 0
    """Ticks that brought something to subscribers."""
    pages_read: int = 0
    """Reads of the store for readers that were behind."""
    store_failures: int = 0
    gaps: dict[str, int] = field(default_factory=dict)
    """Gaps told to subscribers, by reason."""

    def count_refusal(self, code: str) -> None:
        self.refused[code] = self.refused.get(code, 0) + 1

    def count_gap(self, reason: str) -> None:
        self.gaps[reason] = self.gaps.get(reason, 0) + 1
