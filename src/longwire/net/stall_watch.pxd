cdef class StallWatch:
    cdef readonly double due_s
    cdef long long _held_bytes
    cdef long long _written_bytes

    cdef wrote(self, Py_ssize_t size_bytes)

    cpdef bint has_taken(self, Py_ssize_t held_bytes) except -1
