cimport cython

from longwire.http.h1 cimport Http1Engine
from longwire.net.direct_link cimport link_held_bytes, link_now
from longwire.net.http_output cimport HttpOutput
from longwire.net.http_streams cimport HttpStreams
from longwire.net.reactor_link cimport ReactorLink
from longwire.net.standing cimport StandingAnswers


cdef class HttpConnection:
    cdef readonly object link
    cdef readonly object server
    cdef public bint is_shutting_down
    cdef readonly bint has_eof
    cdef Py_ssize_t _drain_mark
    cdef object _engine
    cdef object _events
    cdef bint _is_done
    cdef bint _is_handling
    cdef bint _is_paused
    cdef object _lingering
    cdef HttpOutput _output
    cdef StandingAnswers _standing
    cdef HttpStreams _streams
    cdef object _version
    cdef bytes _whole

    cpdef Py_ssize_t held_bytes(self, object exchange) except -1

    cpdef bint is_held_up(self, object exchange) except -1

    @cython.locals(h1=Http1Engine)
    cpdef data_received(self, object data)

    @cython.locals(is_over=bint, h1=Http1Engine)
    cpdef respond(self, object exchange, int status, object headers, bytes body, object again)

    cpdef write(self, object exchange, bytes data)

    @cython.locals(held=Py_ssize_t)
    cpdef Py_ssize_t write_shared(self, object exchange, bytes data) except -1

    cpdef ReactorLink lend_link(self, object exchange, bytes framed)

    cpdef left_behind(self)

    cdef _handle(self, object events)

    @cython.locals(output=bytes)
    cdef bint _give_again(self, Http1Engine h1, object data, object now) except -1

    @cython.locals(output=list)
    cdef _let_stand(self, bytes data, object again)

    cdef _serve_whole(self, object request, bytes data)

    cdef _handle_one(self, object event, object fresh)

    cdef _after_engine(self)

    cdef _steer_reading(self)
