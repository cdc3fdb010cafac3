"""What ``--dev`` changes: everybody may do everything with every stream."""

from __future__ import annotations

from dataclasses import replace

from longwire.server.settings import AnonymousSettings, Settings

__all__ = ["development_settings"]


def development_settings(settings: Settings) -> Settings:
    """Return ``settings`` with all streams open to anybody."""
    all_ = ("**",)
    everything = AnonymousSettings(read=all_, publish=all_, manage=all_, presence=all_)
    return replace(settings, anonymous=everything)
