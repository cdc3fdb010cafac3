"""The form in which the parts of a server tell the metrics what they count."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, TypeAlias

__all__ = ["ByLabel", "Figure", "Figures"]


class ByLabel(NamedTuple):
    """A figure that is kept apart by the values of one label, of which there are few."""

    label: str
    values: Mapping[str, float]


Figure: TypeAlias = tuple[str, float | ByLabel, bool]
"""(meaning, value, whether it only grows)"""

Figures: TypeAlias = Mapping[str, Figure]
"""Figures by name."""
