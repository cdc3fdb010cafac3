cimport cython


cdef frozenset _KNOWN_METHODS


cdef class RequestCounts:
    cdef list _bounds_s
    cdef readonly dict by_outcome
    cdef readonly list buckets
    cdef readonly double duration_s

    @cython.locals(key=tuple, bucket=Py_ssize_t, bound_s=double)
    cpdef add(self, str method, int status, double duration_s, bint is_stream)
