"""The examples in docstrings do what they show."""

from __future__ import annotations

import doctest
import importlib

import pytest


@pytest.mark.parametrize(
    "name",
    [
        "longwire.http.challenge",
        "longwire.identity.grants",
        "longwire.identity.origins",
        "longwire.identity.signing",
        "longwire.server.app",
        "longwire.server.logs",
        "longwire.streams.pattern",
    ],
)
def test_examples_in_docstrings_run(name: str) -> None:
    results = doctest.testmod(importlib.import_module(name))
    assert results.attempted > 0
    assert results.failed == 0
