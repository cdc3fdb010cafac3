cimport cython

from longwire.http.h1_exchange cimport Exchange
from longwire.http.h1_known_heads cimport KnownHeads
from longwire.http.h1_reader cimport RequestReader
from longwire.http.request_received cimport RequestReceived


cdef Py_ssize_t _HELD_BYTES_MAX


cdef class Http1Engine:
    cdef object _limits
    cdef readonly str scheme
    cdef object _server
    cdef object _date
    cdef KnownHeads _known_heads
    cdef RequestReader _reader
    cdef list _events
    cdef list _output
    cdef long long _streams
    cdef object _exchanges
    cdef Exchange _reading
    cdef bint _is_input_closed
    cdef bint _has_eof
    cdef object _failure
    cdef bint _is_shutting_down
    cdef bint _is_upgraded
    cdef object _since
    cdef object _paused_since
    cdef public bint wants_close
    cdef public bint wants_linger

    cpdef bint is_idle(self) except -1

    cpdef note_answered(self, object now)

    @cython.locals(exchange=Exchange)
    cpdef RequestReceived receive_whole(self, object data, object now)

    cpdef list take_events(self)

    cpdef list take_output(self)

    @cython.locals(exchange=Exchange)
    cpdef bint respond(self, object stream, int status, object headers, bytes body, object now) except -1

    cdef bint _is_at_rest(self) except -1

    @cython.locals(exchange=Exchange)
    cpdef bint shares_pieces(self, object stream) except -1

    cdef bint _is_blocked(self)

    cdef bint _is_ahead(self, Exchange exchange)

    cdef bint _is_full_ahead(self)

    cdef _advance(self, object now)

    @cython.locals(exchange=Exchange)
    cdef bint _read_head(self, object now) except -1

    @cython.locals(exchange=Exchange)
    cdef bint _read_body(self, object now) except -1

    cdef Exchange _exchange_for(self, object stream)

    cdef bint _is_last(self, Exchange exchange, bint is_answered_at_once)

    cdef _finish_exchange(self, Exchange exchange, object now)

    cpdef find_deadline(self)

    cdef _timeout_s(self)
