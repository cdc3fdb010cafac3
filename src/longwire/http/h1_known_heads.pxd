cdef class KnownHeads:
    cdef dict _old
    cdef dict _young
    cdef readonly long long hits

    cpdef find(self, bytes data)

    cpdef keep(self, bytes data, object head)
