"""The command line: help, version, configuration, exit codes. One line for each error."""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import longwire
from longwire.cli.main import main


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty working directory; `longwire serve` takes over the log of its process."""
    monkeypatch.chdir(tmp_path)
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield tmp_path
    root.handlers[:] = handlers
    root.setLevel(level)


def test_version_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith(f"longwire {longwire.__version__} (Python ")


@pytest.mark.parametrize(
    "arguments", [["--help"], ["serve", "-h"], ["config", "--help"], ["doctor", "--help"]]
)
def test_help_is_printed(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 0
    assert "Usage: longwire" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [[], ["config"]])
def test_missing_command_prints_the_help(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("Usage: longwire")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["srve"], "longwire: No such command 'srve'"),
        (["serve", "--prot", "1"], "longwire serve: No such option"),
        (["serve", "--port"], "longwire: Option '--port' requires an argument."),
        (["serve", "a:b", "c"], "longwire serve: Got unexpected extra argument (c)"),
        (["serve", "--port", "x"], 'longwire: --port: server.port is "x" (write a whole number'),
        (["serve", "--set", "port=1"], 'longwire: --set "port=1": write SECTION.KEY=VALUE'),
        (["serve", "--set", "a.b=1"], "longwire: --set a.b: a.b is no setting"),
        (["doctor"], "longwire: doctor: only `longwire doctor --self` is built yet"),
    ],
)
def test_wrong_command_line_is_one_line_and_exit_code_2(
    arguments: list[str], expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith(expected)
    assert captured.err.count("\n") == 1


def test_right_configuration_is_confirmed(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["config", "check"]) == 0
    assert capsys.readouterr().out == "longwire: the configuration is right (defaults)\n"
    (folder / "longwire.toml").write_text("[server]\nport = 1\n")
    monkeypatch.setenv("LONGWIRE_HOST", "::")
    assert main(["config", "check"]) == 0
    expected = "longwire: the configuration is right (longwire.toml and 1 variable)\n"
    assert capsys.readouterr().out == expected


def test_wrong_configuration_is_explained_line_by_line(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "mine.toml").write_text("[server]\nprot = 1\n\nport = 'x'\n")
    for command in (["config", "check"], ["config", "show"], ["serve"]):
        assert main([*command, "--config", "mine.toml"]) == 78
        assert capsys.readouterr().err.splitlines() == [
            "longwire: mine.toml:2: server.prot is no setting (did you mean port?)",
            'longwire: mine.toml:4: server.port is "x" (write a whole number from 0 to 65535)',
        ]


def test_missing_configuration_file_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "check", "--config", "none.toml"]) == 78
    assert capsys.readouterr().err.startswith("longwire: none.toml: cannot be read: No such file")


def test_shown_configuration_can_be_read_again(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["config", "show", "--set", "server.port=4711", "--set", "log.access=yes"]) == 0
    shown = capsys.readouterr().out
    assert "port = 4711  # --set server.port" in shown
    assert "access = true  # --set log.access" in shown
    (folder / "shown.toml").write_text(shown)
    assert main(["config", "check", "--config", "shown.toml"]) == 0


def test_shown_configuration_has_no_password(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    url = "redis://ann:s3cret@example.com:6379/1"
    assert main(["config", "show", "--set", f"store.url={url}"]) == 0
    shown = capsys.readouterr().out
    assert 'url = "redis://ann:***@example.com:6379/1"' in shown
    assert "s3cret" not in shown
    assert main(["serve", "--store", url.replace("6379", "x")]) == 2
    assert "s3cret" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("store", "expected"),
    [
        ("nats://h", 'store.url is "nats://h", but the nats store is not built yet'),
        ("tape", 'store.url is "tape", which names no store'),
    ],
)
def test_store_that_does_not_exist_is_named(
    store: str, expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["serve", "--store", store]) == 2
    error = capsys.readouterr().err
    available = 'available are "memory", "sqlite:PATH" and "redis://HOST:PORT"'
    assert error == f"longwire: --store: {expected} ({available})\n"


def test_doctor_reports_on_this_installation(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--self"]) == 0
    report = capsys.readouterr().out
    for name in (
        "longwire",
        "python",
        "tls",
        "event loop",
        "compiled modules",
        "package httptools",
    ):
        assert any(line.startswith(name) for line in report.splitlines()), name
    assert "MISSING" not in report


@pytest.mark.parametrize(
    ("source", "name", "expected"),
    [
        ("", "nowhere:app", "nowhere:app: there is no module nowhere"),
        ("", "mine.deeper:app", "mine.deeper:app: there is no module mine.deeper"),
        (
            "import nowhere_else\n",
            "mine:app",
            "mine:app: importing mine failed: ModuleNotFoundError",
        ),
        ("1 / 0\n", "mine:app", "mine:app: importing mine failed: ZeroDivisionError: division by"),
        ("if\n", "mine:app", "mine:app: importing mine failed: SyntaxError: "),
        ("x = 1\n", "mine:app", "mine:app: mine has no app (app = longwire.App())"),
        (
            "import longwire\nsite = longwire.App()\n",
            "mine",
            "mine: mine has no app (it has site)",
        ),
        ("app = 1\n", "mine:app", "mine:app: app is of type int"),
        ("", "mine.py", "mine.py: is a path (name the module, not its file: mine:app)"),
        ("", "./mine.py:app", "./mine.py:app: is a path (name the module, not its file: mine:app)"),
        ("", "mine:a b", "mine:a b: is no application (write package.module:app)"),
    ],
)
def test_application_that_cannot_be_loaded_is_explained(
    folder: Path,
    source: str,
    name: str,
    expected: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delitem(sys.modules, "mine", raising=False)
    (folder / "mine.py").write_text(source)
    assert main(["serve", name, "--port", "0", "--log-level", "error"]) == 78
    error = capsys.readouterr().err
    assert error.startswith(f"longwire: {expected}")
    assert error.count("\n") == 1
    sys.modules.pop("mine", None)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (
            ["bench", "jitter", "--target", "x"],
            "longwire bench jitter: Invalid value for '--target'",
        ),
        (["bench", "jitter", "--cut", "x"], "longwire bench jitter: Invalid value for '--cut'"),
        (["bench", "jitter", "--clients", "0"], "longwire bench jitter: Invalid value"),
        (
            ["bench", "avalanche", "--servers", "3", "--store", "sqlite"],
            "longwire bench avalanche: --servers 3: several servers need one store that they share",
        ),
    ],
)
def test_bench_says_what_is_wrong_with_its_options(
    arguments: list[str], expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    assert capsys.readouterr().err.startswith(expected)


def test_a_server_does_not_load_the_lab() -> None:
    program = (
        "import sys, longwire.cli.main\n"
        "assert not [name for name in sys.modules if name.startswith('longwire.lab')]"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=30)
