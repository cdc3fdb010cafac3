"""Redis servers that a test starts itself, each in a folder and on a port of its own."""

from __future__ import annotations

import socket
import subprocess
import time
from pathlib import Path
from types import TracebackType

from longwire.lab.processes import free_port
from tests.needs import require

__all__ = ["RedisServer"]

START_TIMEOUT_S = 30.0


class RedisServer:
    """``with RedisServer(folder, appendonly="yes") as redis`` runs one; it is killed at the end.

    Without settings nothing is written to disk. Keywords are Redis's settings, ``_`` for ``-``.
    """

    def __init__(self, folder: Path, *, port: int = 0, **settings: str) -> None:
        self.program = require("redis-server")
        self.folder = folder
        self.port = port or free_port()
        self.settings = {
            "bind": "127.0.0.1",
            "save": "",
            "appendonly": "no",
            **{name.replace("_", "-"): value for name, value in settings.items()},
        }
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}"

    @property
    def append_only_file(self) -> Path:
        """The newest part of the append-only file, which every write goes to."""
        parts = (self.folder / "appendonlydir").glob("*.incr.aof")
        return max(parts, key=lambda path: int(path.name.split(".")[-3]))

    def __enter__(self) -> RedisServer:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.kill()

    def start(self) -> None:
        """Start it and wait until it answers."""
        self.folder.mkdir(parents=True, exist_ok=True)
        arguments = [self.program, "--port", str(self.port), "--dir", str(self.folder)]
        for name, value in self.settings.items():
            arguments += [f"--{name}", *(value.split() if value else [""])]
        with (self.folder / "redis.log").open("ab") as log:
            self.process = subprocess.Popen(arguments, stdout=log, stderr=log)
        deadline = time.monotonic() + START_TIMEOUT_S
        while self.ask("PING") != "PONG":
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                text = (self.folder / "redis.log").read_text()[-2000:]
                raise AssertionError(text)
            time.sleep(0.01)

    def kill(self) -> None:
        """End it at once, as a crash does."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def ask(self, *command: str, timeout_s: float = 10) -> str:
        """Send one command; return its answer when it is one line, else the first of it."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout_s) as sock:
                packed = "".join(f"${len(part.encode())}\r\n{part}\r\n" for part in command)
                sock.sendall(f"*{len(command)}\r\n{packed}".encode())
                with sock.makefile("rb") as answers:
                    line = answers.readline().decode().rstrip()
                    if line.startswith("$") and line != "$-1":
                        return answers.read(int(line[1:])).decode()
                    return line[1:] if line[:1] in "+:" else line
        except OSError as error:
            return f"no answer: {error}"
