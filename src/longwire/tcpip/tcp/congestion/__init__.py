"""Congestion control, by name: how much may be in the network.

A control knows octets, times and the segment size; it never sees a sequence number. What is lost,
and what is sent again, is for ``recovery`` to say.
"""

from __future__ import annotations

from longwire.tcpip.tcp.congestion.base import AckSample, CongestionControl
from longwire.tcpip.tcp.congestion.cubic import Cubic
from longwire.tcpip.tcp.congestion.fixed import Fixed
from longwire.tcpip.tcp.congestion.reno import Reno
from longwire.tcpip.tcp.profile import TcpProfile

__all__ = ["AckSample", "CongestionControl", "initial_window", "make_congestion_control"]


def initial_window(mss: int, segments: int) -> int:
    """Return the initial window, octets (RFC 6928 section 2)."""
    return min(segments * mss, max(2 * mss, segments * 1460))


def make_congestion_control(profile: TcpProfile, mss: int) -> CongestionControl:
    """Return what ``profile.congestion`` names. Raises ValueError for an unknown name."""
    name, _, parameter = profile.congestion.partition(":")
    window = initial_window(mss, profile.initial_window_segments)
    growth = profile.slow_start_segments
    if name == "reno" and not parameter:
        return Reno(mss, window, growth, does_reduce_window=profile.loss_reduces_window)
    if name == "cubic" and not parameter:
        return Cubic(
            mss,
            window,
            growth,
            does_alpha_rise=profile.cubic_alpha_rises,
            does_reduce_window=profile.loss_reduces_window,
        )
    if name == "fixed" and parameter.isdecimal() and int(parameter) > 0:
        return Fixed(mss, int(parameter))
    raise ValueError(
        f"congestion control {profile.congestion!r} is unknown; it is one of reno, cubic, fixed:N"
    )
