"""Libraries run unmodified in the simulator, and the same seed gives the same octets."""

from __future__ import annotations

import os
import shutil
import ssl
import statistics
import subprocess
import sys
import time
from pathlib import Path

import pytest

from longwire.simulation.openssl_seal import is_sealable
from tests.integration.simulation.programs import IDLE_S, PROGRAMS, run_longwire, run_websockets
from tests.needs import ROOT, require

PLAIN = sorted(set(PROGRAMS) - {"start_tls"})
TLS = ["longwire", "websockets", "start_tls"]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """A certificate whose signatures always have the same length."""
    folder = tmp_path_factory.mktemp("certificate")
    certificate, key = str(folder / "cert.pem"), str(folder / "key.pem")
    subprocess.run(
        [
            *(require("openssl"), "req", "-x509", "-newkey", "ed25519", "-nodes", "-days", "2"),
            *("-subj", "/CN=server", "-addext", "subjectAltName=DNS:server"),
            *("-keyout", key, "-out", certificate),
        ],
        check=True,
        capture_output=True,
    )
    return certificate, key


@pytest.mark.parametrize("name", PLAIN)
def test_library_runs_unmodified(name: str) -> None:
    PROGRAMS[name]()


@pytest.mark.parametrize("name", TLS)
def test_library_runs_unmodified_over_tls(name: str, certificate: tuple[str, str]) -> None:
    PROGRAMS[name](*certificate)


def digests(python: str, name: str, *arguments: str) -> list[str]:
    """Run a program in three processes, one after the other; return what they print."""
    environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"}
    environment.pop("PYTHONHASHSEED", None)
    found = []
    for _ in range(3):
        finished = subprocess.run(
            [python, "-m", "tests.integration.simulation.programs", name, *arguments],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert finished.returncode == 0, finished.stderr
        found.append(finished.stdout.strip())
    return found


@pytest.mark.slow
@pytest.mark.parametrize("name", PLAIN)
def test_three_processes_give_one_hash(name: str) -> None:
    assert len(set(digests(sys.executable, name))) == 1


@pytest.mark.slow
@pytest.mark.skipif(not is_sealable(), reason="OpenSSL's random generator cannot be replaced here")
@pytest.mark.parametrize("name", TLS)
def test_three_processes_give_one_hash_over_tls(name: str, certificate: tuple[str, str]) -> None:
    assert len(set(digests(sys.executable, name, *certificate))) == 1


def other_pythons() -> list[str]:
    """Interpreters of other versions, on the path or where pyenv keeps them."""
    versions = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    found = []
    for minor in (11, 12, 13, 14):
        if minor == sys.version_info.minor:
            continue
        candidates = [shutil.which(f"python3.{minor}")]
        candidates += [str(each) for each in versions.glob(f"3.{minor}.*/bin/python3.{minor}")]
        for each in filter(None, candidates):
            if not subprocess.run([each, "-V"], capture_output=True, check=False).returncode:
                found.append(each)
                break
    return found


@pytest.mark.slow
def test_other_pythons_give_the_same_hash_for_our_own_programs(
    certificate: tuple[str, str],
) -> None:
    others = other_pythons()
    if not others:
        pytest.skip("no other Python is installed")
    plain, encrypted = set(), set()
    for python in (sys.executable, *others):
        plain |= set(digests(python, "longwire"))
        version = subprocess.run(
            [python, "-c", "import ssl; print(ssl.OPENSSL_VERSION)"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        if version == ssl.OPENSSL_VERSION:
            encrypted |= set(digests(python, "longwire", *certificate))
    assert len(plain) == 1
    assert len(encrypted) == 1


@pytest.mark.slow
@pytest.mark.alone
@pytest.mark.parametrize("program", [run_longwire, run_websockets])
def test_idle_websocket_passes_a_thousand_seconds_in_one(program) -> None:  # type: ignore[no-untyped-def]
    rates = []
    for _ in range(5):
        started = time.perf_counter()
        program()
        rates.append(IDLE_S / (time.perf_counter() - started))
    assert statistics.median(rates) >= 1000


def test_capture_of_a_program_is_read_by_tshark_without_an_error(tmp_path: Path) -> None:
    world = run_longwire()
    world.write_capture(tmp_path / "world.pcapng")
    finished = subprocess.run(
        [
            *(require("tshark"), "-r", str(tmp_path / "world.pcapng")),
            *("-Y", "_ws.expert.severity >= 8388608", "-T", "fields", "-e", "_ws.expert.message"),
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    assert finished.stdout == ""
