cdef class RateLimit:
    cdef double _per_s
    cdef double _capacity
    cdef double _tokens
    cdef double _refilled_s

    cpdef bint take(self, double now) except *
