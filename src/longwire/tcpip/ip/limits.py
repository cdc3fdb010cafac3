"""What the Internet layer may cost and how long it waits."""

from __future__ import annotations

from dataclasses import dataclass

from longwire.tcpip.durations import MILLISECOND, MINUTE, SECOND

__all__ = ["IpLimits"]


@dataclass(frozen=True, slots=True, kw_only=True)
class IpLimits:
    """Bounds and times of one host's Internet layer."""

    reassembly_timeout_ns: int = 60 * SECOND
    """From the first fragment to the last. RFC 8200 4.5 says 60 s, RFC 1122 3.3.2 60 to 120 s."""

    reassembly_datagrams_max: int = 64
    """Datagrams that wait for fragments at once; the oldest gives way."""

    reassembly_octets_max: int = 4 * 1024 * 1024
    """Octets of fragments that wait. Precedent: Linux ``ipfrag_high_thresh`` 4 MiB."""

    reassembly_fragments_max: int = 128
    """Fragments of one datagram: 65,535 octets in pieces of 512."""

    neighbor_entries_max: int = 1024
    """Stations remembered on one interface. Precedent: Linux ``gc_thresh3`` 1,024."""

    neighbor_queue_packets_max: int = 8
    """Packets that wait for one station's address; RFC 4861 7.2.2 asks for at least one."""

    neighbor_probes_max: int = 3
    """Questions before a station counts as gone (RFC 4861 section 10)."""

    neighbor_probe_interval_ns: int = 1 * SECOND
    """Between questions (RFC 4861 section 10; RFC 1122 2.3.2.1 allows no faster)."""

    neighbor_reachable_ns: int = 30 * SECOND
    """How long an answer is believed before it is asked for again (RFC 4861 section 10)."""

    path_mtu_entries_max: int = 4096
    """Destinations whose path MTU is remembered."""

    path_mtu_age_ns: int = 10 * MINUTE
    """After that a larger packet is tried again (RFC 1191 6.3, RFC 8201 5.3)."""

    path_mtu_v4_min: int = 552
    """A smaller reported MTU is not believed. Precedent: Linux ``min_pmtu`` 552."""

    icmp_errors_burst: int = 50
    """Errors in one burst (RFC 4443 2.4 f asks for a token bucket)."""

    icmp_error_interval_ns: int = 1 * MILLISECOND
    """One more error each such time. Precedent: Linux ``icmp_msgs_per_sec`` 1,000."""

    socket_queue_datagrams_max: int = 1024
    """Datagrams that wait for the application on one socket."""

    socket_queue_octets_max: int = 256 * 1024
    """Octets that wait there. Precedent: Linux ``rmem_default`` 212,992."""
