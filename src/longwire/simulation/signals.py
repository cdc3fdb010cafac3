"""Signals: what a simulated process does about one (POSIX.1 signal concepts, ``signal(7)``)."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

from longwire.simulation.process import Process

if TYPE_CHECKING:
    from longwire.simulation.host import Program

__all__ = ["deliver"]

# What a process without a handler does not notice.
_UNNOTICED = frozenset((signal.SIGCHLD, signal.SIGURG, signal.SIGWINCH))
_STOPPING = frozenset((signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU))


def deliver(program: Program, number: int) -> None:
    """Do what a kernel does with a signal for a program.

    A handler runs as code of the program, when it is paused only after it has been resumed. As in
    CPython, SIGINT without a handler cancels the main task. Raises ValueError for no signal.
    """
    which = signal.Signals(number)
    process = program.process
    if which is signal.SIGKILL:
        program.kill()
        return
    if which is signal.SIGSTOP:
        program.pause()
        return
    if which is signal.SIGCONT:
        program.resume()
    if number in process.signal_handlers:
        _run_handler(process, number)
    elif which in _STOPPING:
        program.pause()
    elif which is signal.SIGINT:
        program.cancel()
    elif which is not signal.SIGCONT and which not in _UNNOTICED:
        program.kill()


def _run_handler(process: Process, number: int) -> None:
    handler = process.signal_handlers[number]
    if handler is not None:
        handler()
