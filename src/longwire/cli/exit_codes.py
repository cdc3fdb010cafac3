"""How ``longwire`` ends: the exit codes, and the one error that carries one.

====  =========================================================================
code  meaning
====  =========================================================================
0     done; for ``serve``: asked to stop, drained, stopped
1     something that should not happen; the traceback says what. For ``bench``: the verdict is bad;
      for ``token explain``: the token is refused; for ``token revoke``: the server refused
2     the command line is wrong
69    cannot listen (the address is in use, not ours or not allowed), the store cannot be reached,
      or something that is needed is missing (EX_UNAVAILABLE)
78    the configuration is wrong: a setting, a certificate, the application (EX_CONFIG)
129+  128 plus the number of the second signal, which cut a drain short
====  =========================================================================
"""

from __future__ import annotations

__all__ = ["CONFIG", "FAILED", "UNAVAILABLE", "USAGE", "CommandError"]

FAILED = 1
USAGE = 2
UNAVAILABLE = 69
CONFIG = 78


class CommandError(Exception):
    """The command cannot go on; each of ``lines`` becomes one line on standard error."""

    def __init__(self, exit_code: int, *lines: str) -> None:
        super().__init__("\n".join(lines))
        self.exit_code = exit_code
        self.lines = lines
