"""Loss recovery, by name: what is lost, and what is sent next because of it."""

from __future__ import annotations

from longwire.tcpip.tcp.congestion.base import CongestionControl
from longwire.tcpip.tcp.profile import TcpProfile
from longwire.tcpip.tcp.recovery.base import AckEvent, Phase, Recovery
from longwire.tcpip.tcp.recovery.newreno import NewRenoRecovery
from longwire.tcpip.tcp.recovery.sack import SackRecovery
from longwire.tcpip.tcp.scoreboard import Scoreboard

__all__ = ["AckEvent", "Phase", "Recovery", "make_recovery"]


def make_recovery(
    profile: TcpProfile, board: Scoreboard, congestion: CongestionControl, *, has_sack: bool
) -> Recovery:
    """Return what ``profile.recovery`` names. Raises ValueError for an unknown name.

    Without selective acknowledgments there is only NewReno.
    """
    if profile.recovery not in ("sack", "newreno"):
        raise ValueError(
            f"loss recovery {profile.recovery!r} is unknown; it is one of sack, newreno"
        )
    if profile.recovery == "sack" and has_sack:
        return SackRecovery(board, congestion, keep_sacked=profile.sack_kept_on_timeout)
    return NewRenoRecovery(board, congestion)
