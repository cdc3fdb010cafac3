cimport cython

from longwire.http.h1 cimport Http1Engine
from longwire.http.h1_writer cimport shared_chunk
from longwire.net.reactor_link cimport ReactorLink
from longwire.net.standing cimport StandingAnswers


cdef class HttpConnection:
    cdef object _server
    cdef StandingAnswers _standing
    cdef bytes _whole
    cdef object _sharing
    cdef readonly object link
    cdef public bint is_shutting_down
    cdef object _engine
    cdef dict _exchanges
    cdef dict _tunnels
    cdef object _events
    cdef object _beginning
    cdef bint _is_handling
    cdef bint _is_lingering
    cdef bint _is_done
    cdef bint _is_paused
    cdef Py_ssize_t _write_buffer_bytes_max
    cdef long long _written_bytes
    cdef object _stall_check_s
    cdef long long _stall_progress

    cpdef Py_ssize_t held_bytes(self, object exchange) except -1

    cpdef bint is_held_up(self, object exchange) except -1

    @cython.locals(is_over=bint, h1=Http1Engine)
    cpdef respond(self, object exchange, int status, object headers, bytes body, object again)

    cdef _handle(self, object events)

    @cython.locals(output=bytes)
    cdef bint _give_again(self, Http1Engine h1, object data, object now) except -1

    @cython.locals(output=list)
    cdef _let_stand(self, bytes data, object again)

    cdef _serve_whole(self, object request, bytes data)

    cdef _handle_one(self, object event, object fresh)

    cdef _end_exchange(self, object stream, object error)

    @cython.locals(h1=Http1Engine, output=list)
    cdef _write_output(self)

    @cython.locals(direct=ReactorLink, buffer=bytes)
    cdef _write(self, list output)

    @cython.locals(direct=ReactorLink)
    cdef Py_ssize_t _link_held_bytes(self) except -1

    cdef _after_engine(self)

    cdef _steer_reading(self)

    @cython.locals(direct=ReactorLink, h1=Http1Engine)
    cdef _set_deadline(self)

    @cython.locals(direct=ReactorLink)
    cdef _now(self)

    @cython.locals(h1=Http1Engine)
    cpdef data_received(self, object data)

    cpdef write(self, object exchange, bytes data)

    @cython.locals(direct=ReactorLink, framed=bytes, held=Py_ssize_t)
    cpdef Py_ssize_t write_shared(self, object exchange, bytes data) except -1

    cdef bint _begin_sharing(self, object exchange) except -1

    cdef Py_ssize_t _write_alone(self, object exchange, bytes data) except -1
