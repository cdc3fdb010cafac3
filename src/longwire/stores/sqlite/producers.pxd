cimport cython


cdef object _PLACE


cdef class _Results:
    cdef object _epoch
    cdef object _packed

    cpdef append(self, result)


cdef class _Known:
    cdef object row
    cdef object state
    cdef bint is_forgotten


cdef class Producers:
    cdef object _limits
    cdef long long _silent_ms_max
    cdef dict _cached
    cdef dict _dirty
    cdef object _rows

    @cython.locals(known=_Known)
    cpdef find(self, connection, head, principal, producer, long long now_ms)

    cdef _Known _load(self, connection, head, tuple key)

    @cython.locals(known=_Known)
    cpdef record(self, head, principal, stamp, result, long long now_ms)

    @cython.locals(known=_Known)
    cpdef flush(self, connection)
