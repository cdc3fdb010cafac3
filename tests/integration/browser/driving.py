"""A development server in a process of its own, and Node.js scripts that drive a client of it."""

from __future__ import annotations

import json
import os
import queue
import signal
import ssl
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from longwire.lab.processes import free_port

__all__ = ["DevelopmentServer", "drive"]

HERE = Path(__file__).parent
START_S = 30.0


class DevelopmentServer:
    """``longwire serve --dev`` on one port, to be killed and started again; it forgets its streams
    then, unless the flags say otherwise."""

    def __init__(self, log: Path, *flags: str) -> None:
        self.port = free_port()
        self._log = log
        self._flags = flags
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it is ready."""
        run = "import sys; from longwire.cli.main import main; sys.exit(main())"
        arguments = ["serve", "--dev", "--store", "memory", "--port", str(self.port), *self._flags]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-c", run, *arguments],
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                cwd=self._log.parent,
            )
        give_up_s = time.monotonic() + START_S
        while not self._is_ready():
            assert self._process.poll() is None, f"the server ended:\n{self._log.read_text()}"
            assert time.monotonic() < give_up_s, f"not ready:\n{self._log.read_text()}"
            time.sleep(0.05)

    def _is_ready(self) -> bool:
        try:
            scheme = "https" if "--tls-cert" in self._flags else "http"
            url = f"{scheme}://127.0.0.1:{self.port}/readyz"
            context = ssl._create_unverified_context() if scheme == "https" else None
            with urllib.request.urlopen(url, timeout=2, context=context) as response:
                return bool(response.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    def _end(self, signal_number: int) -> int:
        process = self._process
        assert process is not None
        self._process = None
        process.send_signal(signal_number)
        return process.wait(timeout=20)

    def kill(self) -> None:
        """End it without a word to anybody."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """End it as an operator does, which must end with exit code 0."""
        assert self._end(signal.SIGTERM) == 0, self._log.read_text()

    def suspend(self) -> None:
        """Let it stand still with its connections open."""
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGCONT)

    def ensure_ended(self) -> None:
        if self._process is not None:
            self.kill()


def drive(
    script: str,
    settings: Mapping[str, Any],
    *,
    cwd: Path,
    timeout_s: float,
    actions: Mapping[str, Callable[[], None]] | None = None,
) -> dict[str, Any]:
    """Run a script beside this file with Node.js until it ends well; returns what it reports.

    The script prints one JSON object on a line: ``{"step": …}`` says where it is, ``{"ask": …}``
    has one of ``actions`` carried out, after which it is sent a line, and ``{"report": …}`` is
    what this function returns.
    """
    process = subprocess.Popen(
        ["node", HERE / script, json.dumps(settings)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=cwd,
        start_new_session=True,
    )
    assert process.stdin is not None and process.stdout is not None
    lines: queue.Queue[str | None] = queue.Queue()

    def read(stream: Any = process.stdout) -> None:
        for line in stream:
            lines.put(line)
        lines.put(None)

    threading.Thread(target=read, daemon=True).start()
    seen: list[str] = []
    report: dict[str, Any] = {}
    give_up_s = time.monotonic() + timeout_s
    try:
        while (line := lines.get(timeout=max(0.0, give_up_s - time.monotonic()))) is not None:
            seen.append(line)
            message = _message_of(line)
            if "ask" in message:
                (actions or {})[message["ask"]]()
                process.stdin.write("done\n")
                process.stdin.flush()
            report.update(message.get("report", {}))
        code = process.wait(timeout=10)
    except queue.Empty:
        raise AssertionError(f"{script} took {timeout_s} s:\n{''.join(seen)}") from None
    finally:
        _end_group(process)
    assert code == 0, f"{script} failed:\n{''.join(seen)}"
    return report


def _message_of(line: str) -> dict[str, Any]:
    """A line of the protocol above; anything else is output for people."""
    if not line.startswith("{"):
        return {}
    try:
        message = json.loads(line)
    except ValueError:
        return {}
    return message if isinstance(message, dict) else {}


def _end_group(process: subprocess.Popen[str]) -> None:
    """End the script with the browser that it started."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()
