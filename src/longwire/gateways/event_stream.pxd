cimport cython

from longwire.http.h1_writer cimport shared_chunk
from longwire.net.fan_out cimport write_to_each
from longwire.net.http_connection cimport HttpConnection
from longwire.net.reactor_link cimport ReactorLink


cdef class EventResponse:
    cdef object _bare
    cdef HttpConnection _connection
    cdef object _draining
    cdef readonly object _exchange
    cdef public bint _has_sent
    cdef Py_ssize_t _held_bytes_max
    cdef readonly object ended
    cdef public object on_drained
    cdef object __weakref__

    @cython.locals(connection=HttpConnection)
    cpdef Py_ssize_t write_shared(self, bytes buffer) except -1

    cpdef ReactorLink lend_link(self, bytes framed)

    cpdef left_behind(self, Py_ssize_t held)

    cdef Py_ssize_t _look_after(self, Py_ssize_t held) except -1


cdef class ResponseFanOut:
    cdef list _responses

    @cython.locals(
        over=list,
        links=list,
        lenders=list,
        others=list,
        framed=bytes,
        response=EventResponse,
        link=ReactorLink,
        index=Py_ssize_t,
        held=Py_ssize_t,
    )
    cpdef send_bytes(self, bytes buffer, long long messages, Py_ssize_t held_bytes_max)
