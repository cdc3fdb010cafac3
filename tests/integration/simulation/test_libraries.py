"""Libraries run unmodified in the simulator, and the same seed gives the same octets."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from longwire.simulation.openssl_seal import is_sealable
from tests.integration.simulation.programs import PROGRAMS, run_longwire
from tests.needs import ROOT, require, require_python

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


def openssl_of(python: str) -> str:
    return subprocess.run(
        [python, "-c", "import ssl; print(ssl.OPENSSL_VERSION)"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()


def pythons() -> list[str]:
    """This Python, 3.11 and 3.13; ours is all that the programs of longwire need."""
    others = [version for version in ("3.11", "3.13") if not sys.version.startswith(f"{version}.")]
    return [sys.executable, *(require_python(version) for version in others)]


@pytest.mark.slow
def test_all_pythons_give_the_same_hash_for_our_own_programs() -> None:
    assert len({digest for python in pythons() for digest in digests(python, "longwire")}) == 1


@pytest.mark.slow
@pytest.mark.skipif(not is_sealable(), reason="OpenSSL's random generator cannot be replaced here")
def test_all_pythons_of_one_openssl_give_the_same_hash_over_tls(
    certificate: tuple[str, str],
) -> None:
    found: dict[str, set[str]] = {}
    for python in pythons():
        same = found.setdefault(openssl_of(python), set())
        same |= set(digests(python, "longwire", *certificate))
    assert all(len(same) == 1 for same in found.values()), found


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
