"""What ``--dev`` changes: everybody may read and publish everything, and be present everywhere."""

from __future__ import annotations

from dataclasses import replace

from longwire.server.settings import AnonymousSettings, Settings

__all__ = ["development_settings"]


def development_settings(settings: Settings) -> Settings:
    """Return ``settings`` with all streams open to anybody."""
    all_ = ("**",)
    return replace(settings, anonymous=AnonymousSettings(read=all_, publish=all_, presence=all_))
