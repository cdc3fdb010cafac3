"""Why a packet was dropped, a segment sent out of turn, or a state left: one code for each.

A member's value is the sentence for people; ``code`` is the stable name for counters and captures.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum

__all__ = ["Note", "Notebook", "Reason"]


class Reason(Enum):
    """Every reason the stack can give."""

    # Link layer
    ETHERNET_TRUNCATED = "frame is shorter than an Ethernet header"
    ETHERNET_LENGTH_FIELD = "frame has a length where the type belongs (IEEE 802.3 without SNAP)"
    ETHERNET_TYPE_UNKNOWN = "frame carries a protocol that is not spoken here"
    ETHERNET_NOT_FOR_US = "frame is addressed to another station"
    ARP_TRUNCATED = "ARP packet is shorter than 28 octets"
    ARP_UNSUPPORTED = "ARP packet is not for IPv4 over Ethernet"
    ARP_SENDER_INVALID = "ARP sender is no unicast address"
    NEIGHBOR_UNRESOLVED = "no station answered for the next hop"
    NEIGHBOR_QUEUE_FULL = "too many packets wait for one neighbour's address"
    NDP_TRUNCATED = "neighbour discovery message is too short"
    NDP_HOP_LIMIT = "neighbour discovery message came from beyond the link"
    NDP_OPTION_LENGTH = "neighbour discovery option has a length that is zero or too large"
    NDP_TARGET_INVALID = "neighbour discovery target is a multicast address"

    # IP
    IP_EMPTY = "packet has no octets"
    IP_VERSION = "packet is neither IPv4 nor IPv6"
    IPV4_TRUNCATED = "packet is shorter than its IPv4 header"
    IPV4_HEADER_LENGTH = "IPv4 header length is below 20 octets or past the packet"
    IPV4_TOTAL_LENGTH = "IPv4 total length is below the header's or past the packet"
    IPV4_CHECKSUM = "IPv4 header checksum is wrong"
    IPV4_OPTION_LENGTH = "IPv4 option has an impossible length"
    IPV4_SOURCE_ROUTE = "IPv4 source routes are refused (RFC 7126)"
    IPV6_TRUNCATED = "packet is shorter than its IPv6 header"
    IPV6_PAYLOAD_LENGTH = "IPv6 payload length is past the packet, or asks for a jumbogram"
    IPV6_EXTENSION_LENGTH = "IPv6 extension header is past the packet"
    IPV6_EXTENSION_ORDER = "IPv6 hop-by-hop options stand behind another header"
    IPV6_EXTENSIONS_MANY = "packet has more IPv6 extension headers than are looked at"
    IPV6_OPTION_LENGTH = "IPv6 option is longer than its header"
    IPV6_OPTION_UNKNOWN = "IPv6 option is unknown and asks for the packet to be dropped"
    IPV6_ROUTING_HEADER = "IPv6 routing header of an unknown or deprecated type with segments left"
    IPV6_NO_NEXT_HEADER = "IPv6 chain ends without a payload"
    FRAGMENT_LENGTH = "fragment's length is no multiple of eight, or it ends past 65,535 octets"
    FRAGMENT_OVERLAP = "fragments overlap (RFC 5722); the whole datagram is dropped"
    FRAGMENT_TOTAL_CONFLICT = "fragments disagree on where the datagram ends"
    FRAGMENT_HEADER_CHAIN = "first fragment does not hold the whole header chain (RFC 7112)"
    REASSEMBLY_FULL = "too many datagrams or octets wait for missing fragments"
    REASSEMBLY_TIMEOUT = "missing fragments did not come in time"
    SOURCE_INVALID = "source address is no host's"
    DESTINATION_NOT_OURS = "packet is for another host and this one is no router"
    HOP_LIMIT_REACHED = "hop limit ran out here"
    NO_ROUTE = "no route leads to the destination"
    NO_SOURCE_ADDRESS = "the interface has no address of the destination's version"
    PACKET_TOO_BIG = "packet does not fit the next link and may not be fragmented"
    PROTOCOL_UNKNOWN = "no such transport protocol here"
    INTERFACE_DOWN = "the interface is down"

    # ICMP
    ICMP_TRUNCATED = "ICMP message is too short"
    ICMP_CHECKSUM = "ICMP checksum is wrong"
    ICMP_TYPE_UNKNOWN = "ICMP type is not handled here"
    ICMP_QUOTE_INVALID = "ICMP error does not quote a packet that this host has sent"
    ICMP_ERROR_SUPPRESSED = "no ICMP error is sent about such a packet (RFC 1122 3.2.2)"
    ICMP_RATE_LIMITED = "ICMP errors leave faster than the limit allows"
    ICMP_ECHO_BROADCAST = "echo request to many is not answered"

    # UDP and echo sockets
    UDP_TRUNCATED = "datagram is shorter than its UDP header"
    UDP_LENGTH = "UDP length is below 8 or past the packet"
    UDP_CHECKSUM = "UDP checksum is wrong, or is missing where IPv6 asks for it"
    UDP_PORT_CLOSED = "no socket has this UDP port"
    UDP_PORT_TAKEN = "another socket has this UDP port and address"
    PORTS_EXHAUSTED = "no port of the range is free"
    SOCKET_CLOSED = "the socket is closed"
    SOCKET_NOT_CONNECTED = "the socket has no peer and no address was given"
    SOCKET_QUEUE_FULL = "the socket's receive queue is full"

    # TCP: the segment
    TCP_TRUNCATED = "segment is shorter than its TCP header"
    TCP_DATA_OFFSET = "TCP data offset is below 5 or past the segment"
    TCP_CHECKSUM = "TCP checksum is wrong"
    TCP_OPTION_LENGTH = "TCP option has an impossible length"
    TCP_TO_MANY = "segment to or from a broadcast or multicast address"
    TCP_PORT_CLOSED = "no connection and no listener has this port"
    TCP_LISTENER_WITHOUT_SYN = "segment for a listener that is no SYN"
    TCP_PORT_TAKEN = "another socket has this TCP port and address"
    TCP_BACKLOG_FULL = "the listener's queues are full"
    TCP_HANDSHAKE_GAVE_WAY = "a handshake without an answer gave way to a new one (RFC 4987 3.4)"
    TCP_LISTENER_CLOSED = "the listener was closed before the connection was accepted"

    # TCP: receiving
    TCP_SEQUENCE_UNACCEPTABLE = "segment lies outside the receive window"
    TCP_PAWS = "segment's timestamp is older than the last (RFC 7323 section 5)"
    TCP_TIMESTAMP_MISSING = "segment lacks the timestamp that was agreed on"
    TCP_ACK_MISSING = "segment has no ACK bit"
    TCP_ACK_UNSENT = "segment acknowledges what was never sent"
    TCP_ACK_TOO_OLD = "segment acknowledges what was acknowledged long ago (RFC 5961 section 5)"
    TCP_ACK_UNACCEPTABLE = "segment's ACK does not fit the handshake"
    TCP_RESET_BLIND = "reset is not exactly at the next octet (RFC 5961 section 3)"
    TCP_RESET_UNACKNOWLEDGED = "reset does not acknowledge our SYN"
    TCP_RESET_IGNORED = "reset in TIME-WAIT is ignored (RFC 1337)"
    TCP_SYN_IN_WINDOW = "SYN on a synchronized connection (RFC 5961 section 4)"
    TCP_CHALLENGE_LIMITED = "challenge ACKs leave faster than the limit allows"
    TCP_TEXT_DUPLICATE = "segment's data had come before"
    TCP_TEXT_AFTER_END = "data after the peer's FIN"
    TCP_OUT_OF_ORDER_FULL = "too many separate pieces wait for a missing one"
    TCP_HANDSHAKE_INCOMPLETE = "segment carries neither SYN nor a useful ACK during the handshake"

    # TCP: changes of state
    TCP_ACTIVE_OPEN = "the application connects"
    TCP_PASSIVE_OPEN = "a SYN came to the listener"
    TCP_SIMULTANEOUS_OPEN = "a SYN crossed ours"
    TCP_ESTABLISHED = "the handshake is complete"
    TCP_CLOSE_CALLED = "the application closes its side"
    TCP_FIN_RECEIVED = "the peer closes its side"
    TCP_FIN_ACKNOWLEDGED = "the peer has our FIN"
    TCP_TIME_WAIT_OVER = "two maximum segment lifetimes passed"
    TCP_TIME_WAIT_REUSED = "a new connection took over the one in TIME-WAIT (RFC 6191)"
    TCP_FIN_WAIT_OVER = "the peer did not close in time"
    TCP_RESET_RECEIVED = "the peer reset the connection"
    TCP_REFUSED = "the peer refused the connection"
    TCP_ABORTED = "the application aborted the connection"
    TCP_DATA_LOST = "data came that the application will not read"
    TCP_RETRANSMISSION_LIMIT = "the peer acknowledged nothing for too long (R2)"
    TCP_USER_TIMEOUT = "data stayed unacknowledged past the user timeout"
    TCP_KEEPALIVE_LIMIT = "the peer answered no keepalive probe"
    TCP_ICMP_HARD_ERROR = "an ICMP error says that the connection cannot be made"

    # TCP: recovery and timers
    TCP_RETRANSMISSION_TIMEOUT = "the retransmission timer ran out"
    TCP_RETRANSMISSION_MANY = "retransmissions reached R1: the path may be broken"
    TCP_FAST_RETRANSMIT = "duplicate acknowledgments show a loss"
    TCP_RECOVERED = "all that was outstanding at the loss is acknowledged"
    TCP_SACK_RENEGED = "the peer dropped what it had selectively acknowledged"
    TCP_WINDOW_PROBE = "the peer's window is shut: one octet asks whether it still is"
    TCP_KEEPALIVE_PROBE = "the connection is idle: the peer is asked whether it is alive"
    TCP_MSS_LOWERED = "an ICMP error says that the path takes smaller packets"
    TCP_ICMP_SOFT_ERROR = "an ICMP error that the connection outlives"

    # Devices
    LINK_DOWN = "the link is down"
    LINK_LOSS = "the loss model took it"
    LINK_QUEUE_FULL = "the link's queue is full"
    LINK_QUEUE_DELAY = "the link's queue has been too slow for too long (CoDel)"
    LINK_MTU = "the packet is larger than the link takes"
    LINK_CORRUPTED = "the link flipped a bit"
    LINK_DUPLICATED = "the link made a copy"
    LINK_REORDERED = "the link held it back"
    FILTERED = "a firewall drops attempts to connect there"
    NAT_NO_MAPPING = "the address translator knows of no such flow, or has forgotten it"
    NAT_FULL = "the address translator has no room for another flow"
    BALANCER_NO_FLOW = "the load balancer knows of no such flow, or has forgotten it"
    BALANCER_FULL = "the load balancer has no room for another flow"
    BALANCER_IDLE = "the load balancer ends a flow that was idle for too long"
    BALANCER_LIFETIME = "the load balancer ends a flow that is too old"
    RULE_DROPPED = "a rule of the link drops it"
    RULE_DELAYED = "a rule of the link holds it back"
    RULE_DUPLICATED = "a rule of the link makes copies of it"
    RULE_CORRUPTED = "a rule of the link flips a bit of it"
    RULE_REJECTED = "a rule of the link refuses it and says so"

    @property
    def code(self) -> str:
        """The stable name, as in ``tcp-paws``."""
        return self.name.lower().replace("_", "-")


class Note:
    """One thing that happened: when, why, to what. ``unit`` is the packet where there is one."""

    __slots__ = ("detail", "now_ns", "reason", "unit")

    def __init__(self, now_ns: int, reason: Reason, detail: str, unit: object = None) -> None:
        self.now_ns = now_ns
        self.reason = reason
        self.detail = detail
        self.unit = unit

    def __str__(self) -> str:
        return f"{self.reason.code}: {self.detail}" if self.detail else self.reason.code


class Notebook:
    """Counts reasons and hands each note to the observer, if there is one."""

    __slots__ = ("counters", "observer")

    def __init__(self, observer: Callable[[Note], None] | None = None) -> None:
        self.counters: dict[Reason, int] = {}
        self.observer = observer

    def write(self, now_ns: int, reason: Reason, detail: str = "", unit: object = None) -> None:
        """Count ``reason``; tell the observer."""
        self.counters[reason] = self.counters.get(reason, 0) + 1
        if self.observer is not None:
            self.observer(Note(now_ns, reason, detail, unit))

    def count(self, reason: Reason) -> int:
        """How often ``reason`` was given."""
        return self.counters.get(reason, 0)
