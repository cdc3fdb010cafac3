"""The processes of a run: servers, Redis, the proxy, fleets. All are ended with the run."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

__all__ = ["Child", "LedChild", "RunError", "free_port", "start_redis"]

START_TIMEOUT_S = 60.0
_LOG_TAIL_BYTES = 800
_READ_BYTES = 65_536
_held_ports: list[socket.socket] = []


class RunError(Exception):
    """A run could not be carried through, which says nothing about its target's reliability."""


def free_port() -> int:
    """Return a TCP port of 127.0.0.1 that stays ours until this process ends.

    It is for servers that are told their port, and most of all for those that come back to it: in
    between, the kernel would give it to any connection that begins, even to one to that very port.
    A socket that is bound here and never listens keeps the kernel from that, and is in no server's
    way that sets SO_REUSEADDR, as servers do.
    """
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind(("127.0.0.1", 0))
    _held_ports.append(sock)
    port: int = sock.getsockname()[1]
    return port


class Child:
    """A process whose output goes to ``FOLDER/NAME.log``."""

    def __init__(
        self,
        name: str,
        arguments: Sequence[str],
        folder: Path,
        *,
        environment: Mapping[str, str] | None = None,
        port: int = 0,
    ) -> None:
        self.name = name
        self.port = port
        self._arguments = arguments
        self._folder = folder
        self._environment = environment
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def log_path(self) -> Path:
        return self._folder / f"{self.name}.log"

    def start(self) -> None:
        """Start it, again if it has ended."""
        with self.log_path.open("ab") as log:
            self.process = self._popen(log.fileno())

    def _popen(self, log: int) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            self._arguments,
            cwd=self._folder,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )

    def wait_until_listening(self) -> None:
        """Wait until something can connect to its port."""
        deadline = time.monotonic() + START_TIMEOUT_S
        while True:
            self.check()
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                if time.monotonic() > deadline:
                    raise self.failure("does not listen") from None
            time.sleep(0.02)

    def check(self) -> None:
        """Raise :exc:`RunError` if it has ended by itself."""
        if self.process is not None and self.process.poll() is not None:
            raise self.failure(f"ended by itself, with {self.process.returncode}")

    def failure(self, what: str) -> RunError:
        """Return the error that says so, with the end of its log."""
        tail = self.log_path.read_bytes()[-_LOG_TAIL_BYTES:].decode(errors="replace").strip()
        return RunError(f"{self.name} {what}" + (f"; its log ends: {tail}" if tail else ""))

    def kill(self) -> None:
        """End it with SIGKILL, as a crash does; nothing happens if it has ended."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None


class LedChild(Child):
    """A process that is led by lines of JSON on its standard input, and answers with such lines."""

    def start(self) -> None:
        super().start()
        self._unfinished = b""

    def _popen(self, log: int) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            self._arguments,
            cwd=self._folder,
            env=self._environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            bufsize=0,
        )

    def fileno(self) -> int:
        """The descriptor that its answers come from."""
        assert self.process is not None and self.process.stdout is not None
        return self.process.stdout.fileno()

    def say(self, line: bytes) -> None:
        """Send one line."""
        assert self.process is not None and self.process.stdin is not None
        try:
            self.process.stdin.write(line + b"\n")
        except BrokenPipeError:
            raise self.failure("has gone") from None

    def listen(self) -> list[dict[str, Any]]:
        """Wait for at least one message; return those that are there, none when it has ended."""
        while True:
            chunk = os.read(self.fileno(), _READ_BYTES)
            *lines, self._unfinished = (self._unfinished + chunk).split(b"\n")
            if lines or not chunk:
                return [json.loads(line) for line in lines]

    def listen_one(self) -> dict[str, Any]:
        """Wait for the next message, of a process that sends one at a time."""
        messages = self.listen()
        if not messages:
            raise self.failure("ended without an answer")
        return messages[0]

    def finish(self) -> None:
        """Close its input, at which it ends."""
        assert self.process is not None and self.process.stdin is not None
        self.process.stdin.close()


def start_redis(folder: Path) -> Child:
    """Start a Redis that writes each append to disk before it answers."""
    program = shutil.which("redis-server")
    if program is None:
        raise RunError("no redis-server on PATH: install Redis, or give the URL of a running one")
    port = free_port()
    data = folder / "redis"
    data.mkdir()
    settings = {"port": str(port), "bind": "127.0.0.1", "dir": str(data), "save": ""}
    settings |= {"appendonly": "yes", "appendfsync": "always"}
    arguments = [
        program,
        *(part for key, value in settings.items() for part in (f"--{key}", value)),
    ]
    redis = Child("redis", arguments, folder, port=port)
    redis.start()
    redis.wait_until_listening()
    return redis
