"""Finds the client class of a target, loading only the library that it is of."""

from __future__ import annotations

import importlib
from collections.abc import Callable

from longwire.lab.member import Member, MemberSettings, Recorder

__all__ = ["MEMBERS", "make_member_of"]

# By the name that a fleet is started with: the module and the class in it.
MEMBERS = {
    "longwire": ("longwire.lab.targets.longwire_member", "LongwireMember"),
    "python-socketio": ("longwire.lab.targets.socketio_member", "SocketIOMember"),
    "websockets": ("longwire.lab.targets.websockets_member", "WebSocketsMember"),
}


def make_member_of(target: str) -> Callable[[MemberSettings, Recorder], Member]:
    """Return what makes a client of this target."""
    module, name = MEMBERS[target]
    make_member: Callable[[MemberSettings, Recorder], Member] = getattr(
        importlib.import_module(module), name
    )
    return make_member
