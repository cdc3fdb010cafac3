cimport cython

from longwire.base.rate cimport RateLimit
from longwire.websocket.frames cimport FrameParser, Piece, encode_header, seal
from longwire.websocket.keepalive cimport Keepalive
from longwire.websocket.messages cimport MessageAssembler
from longwire.websocket.payload cimport as_bytes, encode_payload, encode_text


cdef object _OPEN, _PHASE_OPEN, _PHASE_CLOSE_SENT
cdef int _FIN, _RSV1, _TEXT, _BINARY
cdef Py_ssize_t _SEPARATE_BYTES_MIN


cdef class WebSocketEngine:
    cdef readonly object role
    cdef public object state
    cdef public object close_initiator
    cdef public object close_received
    cdef public object close_sent
    cdef public object deadline
    cdef public object failure
    cdef public bint keepalive_expired
    cdef readonly Py_ssize_t turn_messages_max
    cdef public object last_ping_sent_s
    cdef public object last_pong_s
    cdef public object last_received_s
    cdef public object last_sent_s
    cdef public object latency_s
    cdef public object transport_action
    cdef public long long bytes_received
    cdef public long long bytes_sent
    cdef public long long messages_received
    cdef public long long messages_sent
    cdef bint _is_server
    cdef object _entropy
    cdef object _limits
    cdef Keepalive _keepalive
    cdef FrameParser _parser
    cdef readonly MessageAssembler _assembler
    cdef readonly object _deflater
    cdef Py_ssize_t _deflate_threshold
    cdef RateLimit _control_rate
    cdef RateLimit _message_rate
    cdef list _output
    cdef long long _taken_bytes
    cdef bint _sends_fragments
    cdef int _fragment_opcode
    cdef bint _is_fragment_compressed
    cdef object _phase
    cdef object _put_off

    @cython.locals(items=list)
    cpdef list take_in(self, object data, object now)

    cpdef Py_ssize_t unfinished_bytes(self) except -1

    cpdef Py_ssize_t unwritten_bytes(self) except -1

    @cython.locals(events=list)
    cdef list _handle_items(self, list items, object now)

    cpdef settle(self, object now)

    @cython.locals(payload=bytes, opcode=int)
    cpdef queue_message(self, object data, object text, object compress)

    cpdef queue_encoded(self, bytes frames, long long messages)

    cpdef bint note_shared(self, bytes frames, long long messages, object now) except -1

    @cython.locals(output=list)
    cpdef list take_output(self, object now=*)

    @cython.locals(frame=bytes)
    cdef _queue(self, int first, bytes payload)

    cdef _emit(self, bytes frame)
