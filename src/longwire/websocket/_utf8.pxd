cimport cython


cdef class Utf8Validator:
    cdef object _decoder
    cdef int _needed
    cdef unsigned char _low
    cdef unsigned char _high

    cpdef bint feed(self, bytes data)
    cpdef bint is_complete(self)

    @cython.locals(
        needed=int,
        low="unsigned char",
        high="unsigned char",
        index=Py_ssize_t,
        position=Py_ssize_t,
        octet="unsigned char",
        seen="unsigned char",
    )
    cdef bint _scan(self, const unsigned char *data, Py_ssize_t length)
