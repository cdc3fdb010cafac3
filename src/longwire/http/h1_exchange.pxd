cimport cython

from longwire.base.headers cimport Headers
from longwire.http.h1_writer cimport ResponseWriter
from longwire.http.request_received cimport RequestReceived


cdef Py_ssize_t _DISCARDED_BYTES_MAX


cdef class Exchange:
    cdef readonly object body
    cdef public long long discarded_bytes
    cdef readonly list events
    cdef readonly object head
    cdef readonly object stream
    cdef public bint waits_for_continue
    cdef readonly ResponseWriter writer

    cdef bint has_too_much_to_discard(self)

    cpdef RequestReceived request_received(self, str scheme)
