cdef class PackedEntries:
    cdef list _runs
    cdef list _links
    cdef list _data
    cdef list _ends
    cdef Py_ssize_t _size
    cdef long long _stream
    cdef long long _offset
    cdef long long _time_ms
    cdef object _key
    cdef long long _count

    cpdef add(self, long long stream, entries)

    cdef _end_run(self)

    cpdef insert(self, connection)

    cpdef clear(self)
