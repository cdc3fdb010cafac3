cimport cython

from longwire.base.tuples cimport parts


cdef class PackedEntries:
    cdef object _connection
    cdef list _runs
    cdef list _links
    cdef list _data
    cdef bytearray _places
    cdef Py_ssize_t _size
    cdef Py_ssize_t _entry_count
    cdef long long _stream
    cdef long long _offset
    cdef long long _time_ms
    cdef object _key
    cdef long long _count

    @cython.locals(offset="long long", size=Py_ssize_t, end=Py_ssize_t)
    cpdef add(self, long long stream, entries)

    cdef _end_run(self)

    cpdef insert(self)

    cpdef clear(self)


cdef _write_number(bytearray text, Py_ssize_t end, unsigned long long number)
