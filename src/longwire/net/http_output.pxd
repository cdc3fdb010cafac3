cimport cython

from longwire.http.h1 cimport Http1Engine
from longwire.http.h1_writer cimport shared_chunk
from longwire.net.direct_link cimport (
    link_held_bytes,
    link_now,
    set_link_deadline,
    write_to_link,
)
from longwire.net.reactor_link cimport ReactorLink
from longwire.net.stall_watch cimport StallWatch


cdef class HttpOutput:
    cdef object engine
    cdef object sharing
    cdef Py_ssize_t _held_bytes_max
    cdef object _link
    cdef double _stall_timeout_s
    cdef StallWatch _stall_watch

    cdef Py_ssize_t held_bytes(self, object exchange) except -1

    cdef bint is_held_up(self, object exchange) except -1

    cdef bint is_full(self) except -1

    cdef bint is_watched(self) except -1

    @cython.locals(h1=Http1Engine, output=list)
    cdef write(self)

    @cython.locals(watch=StallWatch, buffer=bytes)
    cdef write_buffers(self, list buffers)

    @cython.locals(direct=ReactorLink)
    cdef ReactorLink lend_link(self, object exchange, bytes framed)

    @cython.locals(direct=ReactorLink, framed=bytes)
    cdef Py_ssize_t write_shared(self, object exchange, bytes data) except -2

    cdef bint _begin_sharing(self, object exchange) except -1

    @cython.locals(h1=Http1Engine, held=Py_ssize_t, watch=StallWatch)
    cdef set_deadline(self)

    cdef bint has_stalled(self, object now) except -1
