"""The h2 library as this server wants it: its settings, and where RFC 9113 asks for something else.

All that is known here of h2's inside is in this module.
"""

from __future__ import annotations

import h2.config
import h2.connection
import h2.exceptions
import h2.settings
import h2.stream
import hpack
from hpack.exceptions import HPACKError

from longwire.base.limits import Http2Limits, HttpLimits
from longwire.http.h2_frames import ErrorCode, Http2Violation

__all__ = ["open_connection", "violation_of"]

_Settings = h2.settings.SettingCodes

# RFC 9218 section 2.1: we do not use the priorities of RFC 7540.
_NO_RFC7540_PRIORITIES = 0x9

# RFC 9113 section 6.9.2: the windows at the start, until told otherwise.
_INITIAL_WINDOW_BYTES = 65_535

# RFC 9113 section 6.5.2: HPACK's table at the start. A peer may allow more; using it would let
# him have us keep four gigabytes for a connection (RFC 7541 section 7.3).
_ENCODER_TABLE_BYTES = 4_096


def open_connection(limits: HttpLimits, http2: Http2Limits) -> h2.connection.H2Connection:
    """Return an h2 connection with our settings, its first frames ready to be sent."""
    connection = _Connection(
        h2.config.H2Configuration(
            client_side=False,
            # A message that breaks a rule ends its stream, not the connection: h2_head decides.
            validate_inbound_headers=False,
            normalize_inbound_headers=False,
            validate_outbound_headers=False,
            normalize_outbound_headers=False,
        )
    )
    connection.encoder = _Encoder()
    connection.local_settings = h2.settings.Settings(
        client=False,
        initial_values={
            _Settings.ENABLE_CONNECT_PROTOCOL: 1,
            _Settings.INITIAL_WINDOW_SIZE: http2.stream_window_bytes,
            _Settings.MAX_CONCURRENT_STREAMS: http2.concurrent_streams_max,
            _Settings.MAX_HEADER_LIST_SIZE: limits.header_bytes_max,
            _NO_RFC7540_PRIORITIES: 1,  # type: ignore[dict-item]
        },
    )
    # What is larger than twice what we take is not even decompressed; what is a little larger is
    # answered with 431.
    connection.decoder.max_header_list_size = 2 * limits.header_bytes_max
    connection.initiate_connection()
    connection.increment_flow_control_window(
        max(1, http2.connection_window_bytes - _INITIAL_WINDOW_BYTES)
    )
    return connection


def violation_of(error: h2.exceptions.ProtocolError) -> Http2Violation:
    """Return what h2 found as the end of the connection, with the code of the rule."""
    if isinstance(error, h2.exceptions.DenialOfServiceError):
        # The only one is a field block that is larger, decompressed, than its limit.
        return Http2Violation(ErrorCode.ENHANCE_YOUR_CALM, f"header_bytes_max: {error}")
    if isinstance(error.__cause__, HPACKError):
        # RFC 9113 section 4.3; h2 says PROTOCOL_ERROR.
        return Http2Violation(ErrorCode.COMPRESSION_ERROR, str(error))
    return Http2Violation(ErrorCode.of(error.error_code), str(error))


class _Connection(h2.connection.H2Connection):
    """An h2 connection that leaves some decisions to the engine, and forgets sooner."""

    # Closed streams that it remembers how they ended, to judge frames that come late. 65,536, as
    # it is in h2, would be megabytes for every connection that lives long.
    MAX_CLOSED_STREAMS = 1_024

    @property
    def open_inbound_streams(self) -> int:
        # One stream too many ends that stream (RFC 9113 section 5.1.2); h2 would end the
        # connection, even when the client cannot have read our SETTINGS yet. Asking it all the
        # same is what makes h2 forget closed streams.
        super().open_inbound_streams  # noqa: B018
        return 0

    def _begin_new_stream(
        self, stream_id: int, allowed_ids: h2.connection.AllowedStreamIDs
    ) -> h2.stream.H2Stream:
        stream = super()._begin_new_stream(stream_id, allowed_ids)
        # A body unlike its Content-Length ends the stream (RFC 9113 section 8.1.1), which the
        # engine sees to; h2 would end the connection, and overlooks a request without a body.
        stream._initialize_content_length = _without_length  # type: ignore[method-assign]
        return stream


def _without_length(headers: object) -> None:
    """Expect no particular length."""


class _Encoder(hpack.Encoder):
    """An encoder whose table stays as small as it was, whatever the peer would allow."""

    @property
    def header_table_size(self) -> int:
        return self.header_table.maxsize

    @header_table_size.setter
    def header_table_size(self, value: int) -> None:
        bounded = min(value, _ENCODER_TABLE_BYTES)
        if bounded == self.header_table.maxsize:
            return
        self.header_table.maxsize = bounded
        # RFC 7541 section 4.2: the smallest size and the last one are told with the next block,
        # however many SETTINGS came before it.
        told = [*self.table_size_changes, bounded]
        self.table_size_changes = [min(told), bounded] if min(told) < bounded else [bounded]
