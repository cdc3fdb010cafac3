"""A real ``longwire serve`` in a process of its own, on a free port."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from email.message import Message
from pathlib import Path
from types import TracebackType

START_TIMEOUT_S = 30.0
_ADDRESS = re.compile(r"longwire: listening on (\S+)")


def clean_environment(**variables: str) -> dict[str, str]:
    """Our environment without settings that the machine may have, and with ``variables``."""
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("LONGWIRE_") or name == "LONGWIRE_REQUIRE_ALL"
    }
    return inherited | variables


def run_longwire(
    *arguments: str, folder: Path, environment: dict[str, str] | None = None, timeout_s: float = 30
) -> subprocess.CompletedProcess[str]:
    """Run the command to its end."""
    return subprocess.run(
        [sys.executable, "-m", "longwire", *arguments],
        cwd=folder,
        env=clean_environment(**(environment or {})),
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )


@dataclass
class Answer:
    """What an HTTP request brought."""

    status: int
    headers: Message
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()


@dataclass
class RunningServer:
    """``with RunningServer(folder, "--dev") as server`` runs it; it is killed at the end."""

    folder: Path
    arguments: tuple[str, ...]
    environment: dict[str, str]
    url: str = ""
    log: list[str] = field(default_factory=list)

    def __init__(
        self, folder: Path, *arguments: str, environment: dict[str, str] | None = None
    ) -> None:
        self.folder = folder
        self.arguments = arguments
        self.environment = clean_environment(**(environment or {}))
        self.url = ""
        self.log = []

    def __enter__(self) -> RunningServer:
        has_address = any(name in self.arguments for name in ("--port", "--unix"))
        address = () if has_address else ("--port", "0")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "longwire", "serve", *address, *self.arguments],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        # Read all the time, or a server that logs much would wait for us.
        self._log_reader = threading.Thread(target=self._read_log, daemon=True)
        self._log_reader.start()
        assert self.process.stdout is not None
        watchdog = threading.Timer(START_TIMEOUT_S, self.process.kill)
        watchdog.start()
        line = self.process.stdout.readline()
        watchdog.cancel()
        match = _ADDRESS.search(line)
        if match is None:
            self.process.kill()
            self.process.wait()
            self._log_reader.join()
            raise AssertionError(f"longwire serve said {line!r}; its log: {self.log}")
        self.url = match[1]
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self._log_reader.join()
        assert self.process.stdout is not None and self.process.stderr is not None
        self.process.stdout.close()
        self.process.stderr.close()

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    @property
    def websocket_url(self) -> str:
        return self.url.replace("http", "ws", 1)

    def stop(self, number: signal.Signals = signal.SIGTERM, timeout_s: float = 30) -> int:
        """Send a signal; return the exit code."""
        self.process.send_signal(number)
        code = self.process.wait(timeout_s)
        self._log_reader.join()
        return code

    def request(
        self, path: str, *, method: str = "GET", headers: dict[str, str] | None = None
    ) -> Answer:
        """Send a request; statuses of refusal are answers too."""
        request = urllib.request.Request(self.url + path, method=method, headers=headers or {})
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=20) as response:
                return Answer(response.status, response.headers, response.read())
        except urllib.error.HTTPError as error:
            with error:
                return Answer(error.code, error.headers, error.read())

    def _read_log(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.log.append(line)
