cimport cython

from longwire.base.tuples cimport make, parts
from longwire.stores.appending cimport appended, chain, check_append, find_duplicate
from longwire.stores.sqlite.entries cimport Entries
from longwire.stores.sqlite.head cimport Head
from longwire.stores.sqlite.producers cimport Known, Producers


cdef class Writer:
    cdef readonly object connection
    cdef readonly long long now_ms
    cdef object _limits
    cdef object _clock_ms
    cdef object _entropy
    cdef dict _heads
    cdef dict _dirty
    cdef Entries _entries
    cdef Producers _producers
    cdef object _stream_count

    cpdef find(self, name)

    @cython.locals(head=Head, known=Known)
    cpdef append(self, request)

    cdef list _store(self, Head head, request)
