cdef class Permissions:
    cdef list _rules
    cdef object _anonymous
    cdef object _last

    cpdef may(self, principal, action, stream)
