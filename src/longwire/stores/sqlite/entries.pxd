from longwire.base.tuples cimport parts
from longwire.stores.sqlite.head cimport Head
from longwire.stores.sqlite.packing cimport PackedEntries


cdef class Entries:
    cdef object _connection
    cdef PackedEntries _gathered

    cpdef add(self, Head head, entries)

    cpdef flush(self)

    cpdef drop(self)
