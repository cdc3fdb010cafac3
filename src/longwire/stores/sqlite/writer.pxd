from longwire.stores.sqlite.entries cimport Entries
from longwire.stores.sqlite.producers cimport Producers


cdef class Writer:
    cdef readonly object connection
    cdef readonly object now_ms
    cdef object _limits
    cdef object _clock_ms
    cdef object _entropy
    cdef dict _heads
    cdef dict _dirty
    cdef Entries _entries
    cdef Producers _producers
    cdef object _stream_count

    cpdef find(self, name)

    cpdef append(self, request)

    cdef list _store(self, head, request)
