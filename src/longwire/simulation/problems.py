"""Reasons of the stack as the exceptions that a program gets for them."""

from __future__ import annotations

from longwire.simulation.open_file import os_error
from longwire.tcpip.errnos import errno_of
from longwire.tcpip.reasons import Reason

__all__ = ["error_for"]


def error_for(reason: Reason) -> OSError:
    """Return the exception for ``reason``."""
    return os_error(errno_of(reason))
