"""``App.stream``: what streams of some names are like."""

from __future__ import annotations

from dataclasses import dataclass, replace

from longwire.base.errors import ConfigError
from longwire.base.limits import RetentionLimits
from longwire.hub.readers import SlowRule
from longwire.server.patterns import StreamPattern
from longwire.streams.store import StreamSettings

__all__ = ["StreamRule", "StreamRules"]


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamRule:
    """What holds for the streams of a pattern; ``None``: as the configuration says."""

    keep_latest: bool = False
    ephemeral: bool = False
    entries_max: int | None = None
    bytes_max: int | None = None
    age_max_s: float | None = None
    ttl_s: int | None = None
    slow: SlowRule = SlowRule.REPORT


class StreamRules:
    """The rules of an application; of several that fit, the first one holds."""

    def __init__(self) -> None:
        self._rules: list[tuple[StreamPattern, StreamRule]] = []

    def add(self, pattern: str, rule: StreamRule) -> None:
        """Add a rule after those that are there. Raises ``ConfigError``."""
        for name in ("entries_max", "bytes_max", "age_max_s", "ttl_s"):
            value = getattr(rule, name)
            if value is not None and value < 0:
                raise ConfigError(pattern, f"{name} is {value}", hint="0 or more")
        # Inboxes, "$user/...", are streams of the server whose keeping the application decides.
        self._rules.append((StreamPattern(pattern, is_reserved_allowed=True), rule))

    def find(self, stream: str) -> StreamRule | None:
        """The rule for a stream."""
        for pattern, rule in self._rules:
            if pattern.matches(stream):
                return rule
        return None

    def slow_rule(self, stream: str) -> SlowRule:
        """What becomes of a reader whom retention has passed."""
        rule = self.find(stream)
        return SlowRule.REPORT if rule is None else rule.slow

    def settings(
        self, stream: str, content_type: str, retention: RetentionLimits
    ) -> StreamSettings:
        """With what a stream is created."""
        rule = self.find(stream)
        if rule is None:
            return StreamSettings(content_type=content_type, retention=retention)
        given = {
            name: getattr(rule, name)
            for name in ("entries_max", "bytes_max", "age_max_s")
            if getattr(rule, name) is not None
        }
        return StreamSettings(
            content_type=content_type,
            retention=replace(retention, **given),
            is_keep_latest=rule.keep_latest,
            is_ephemeral=rule.ephemeral,
            ttl_s=rule.ttl_s,
        )
