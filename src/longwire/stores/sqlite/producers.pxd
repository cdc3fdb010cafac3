cimport cython

from longwire.base.tuples cimport parts
from longwire.stores.sqlite.head cimport Head
from longwire.streams.producer cimport ProducerState


cdef object _PLACE, _ONE_PLACE


cdef class _Results:
    cdef object _epoch
    cdef public bytearray packed
    cdef Py_ssize_t _count

    cpdef append(self, result)


cdef class Known:
    cdef tuple key
    cdef object row
    cdef ProducerState state
    cdef bint is_forgotten
    cdef long long written_epoch
    cdef long long written_ms

    cdef note_written(self)


cdef class Producers:
    cdef object _limits
    cdef long long _silent_ms_max
    cdef dict _cached
    cdef dict _dirty
    cdef dict _used
    cdef object _rows

    @cython.locals(known=Known)
    cpdef Known find(self, connection, Head head, principal, producer)

    @cython.locals(state=ProducerState)
    cpdef remembered(self, Known known, long long now_ms)

    cdef Known _load(self, connection, Head head, tuple key)

    @cython.locals(known=Known)
    cpdef Known add(self, Head head, principal, stamp)

    @cython.locals(state=ProducerState)
    cpdef record(self, Head head, Known known, stamp, result, long long now_ms)

    @cython.locals(known=Known, state=ProducerState)
    cpdef flush(self, connection)

    @cython.locals(known=Known)
    cpdef write_uses(self, connection)
