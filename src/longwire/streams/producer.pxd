cimport cython

from longwire.base.tuples cimport parts


cdef class ProducerState:
    cdef public long long epoch
    cdef public long long next_sequence
    cdef public object results
    cdef public long long used_ms

    cpdef record(self, stamp, result)


@cython.locals(state=ProducerState)
cpdef decide(remembered, stamp)
