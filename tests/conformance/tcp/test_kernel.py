"""The packet scripts against Linux, over TUN: the same segments in the same order.

How much later than in virtual time each segment came is reported, and fails nothing. A script that
fails is run again: on a busy machine the kernel's timers run out before the script gets its turn.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from longwire.tcpip.durations import MILLISECOND
from tests.integration.tcpip.kernel_side import kernel_side
from tests.packet_scripts.corpus import Case, read_cases
from tests.packet_scripts.kernel import Kernel
from tests.packet_scripts.script import Script
from tests.packet_scripts.target import ScriptError

DURATION_MAX_S = 1.0
"""What `make test` has the time for."""

TRIES = 3

LONG_DURATION_MAX_S = 15.0
"""What anybody has the time for: no script waits for TIME-WAIT to end in real time."""

CASES = [case for case in read_cases() if not case.kernel_cannot]
ALIKE = [case for case in CASES if not case.kernel_differs]
QUICK = [case for case in ALIKE if case.duration_s <= DURATION_MAX_S]
SLOW = [case for case in ALIKE if DURATION_MAX_S < case.duration_s <= LONG_DURATION_MAX_S]
DIFFERENT = [
    case for case in CASES if case.kernel_differs and case.duration_s <= LONG_DURATION_MAX_S
]


@pytest.fixture(scope="module")
def kernel() -> Iterator[Kernel]:
    with kernel_side() as side:
        made = Kernel(side)
        yield made
        made.close()


@pytest.mark.slow
@pytest.mark.parametrize("case", QUICK, ids=[case.name for case in QUICK])
def test_linux_does_what_the_script_says(
    kernel: Kernel, case: Case, record_property: Callable[[str, object], None]
) -> None:
    tries, lateness_ms = try_case(kernel, case)
    record_property("tries", tries)
    record_property("lateness_ms", [round(each, 3) for each in lateness_ms])


@pytest.mark.long
@pytest.mark.parametrize("case", SLOW, ids=[case.name for case in SLOW])
def test_linux_does_what_the_script_says_slowly(kernel: Kernel, case: Case) -> None:
    try_case(kernel, case)


@pytest.mark.long
@pytest.mark.parametrize("case", DIFFERENT, ids=[case.name for case in DIFFERENT])
def test_linux_still_differs_where_we_say_so(kernel: Kernel, case: Case) -> None:
    with pytest.raises(ScriptError):
        run_case(kernel, case)


def try_case(kernel: Kernel, case: Case) -> tuple[int, list[float]]:
    """Run a case until it succeeds; return how often that was, and what :func:`run_case` does."""
    for number in range(1, TRIES):
        try:
            return number, run_case(kernel, case)
        except ScriptError:
            pass
    return TRIES, run_case(kernel, case)


def run_case(kernel: Kernel, case: Case) -> list[float]:
    """Run a case; return how much later than in the script each segment came, milliseconds."""
    target = kernel.target(case.profile, case.family, case.mtu)
    script = Script(target, case.peer_iss)
    try:
        script.run(case.text)
    finally:
        target.close()
    return [each / MILLISECOND for each in script.lateness_ns]
