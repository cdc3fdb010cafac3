"""All packet scripts against our stack: virtual time, zero tolerance."""

from __future__ import annotations

import pytest

from tests.packet_scripts.corpus import Case, read_cases
from tests.packet_scripts.stack import run_script

CASES = read_cases()


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_our_stack_does_what_the_script_says(case: Case) -> None:
    run_script(
        case.text,
        profile=case.profile,
        family=case.family,
        peer_iss=case.peer_iss,
        mtu=case.mtu,
    )


def test_corpus_is_as_large_as_promised() -> None:
    assert len({case.text for case in CASES}) >= 120
