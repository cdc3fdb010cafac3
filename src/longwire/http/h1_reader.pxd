from longwire.http.h1_known_heads cimport KnownHeads


cdef class RequestReader:
    cdef bytearray _buffer
    cdef bint _has_skipped_line
    cdef KnownHeads _known_heads
    cdef object _limits
    cdef object _scanner
    cdef str _scheme

    cdef Py_ssize_t held_bytes(self)

    cdef bint is_inside_head(self)

    cpdef feed(self, object data)

    cpdef read_head(self)
