cimport cython


cdef Py_ssize_t _OVERHEAD_BYTES, _GAP_MAX


cdef class ReceiveQueue:
    cdef list _items
    cdef Py_ssize_t _head
    cdef long long _bytes
    cdef long long _bytes_high
    cdef long long _bytes_low
    cdef long long _count_high
    cdef long long _count_low

    cpdef bint is_over(self)

    @cython.locals(count=Py_ssize_t)
    cpdef bint is_low(self)

    cpdef put(self, object item)

    @cython.locals(items=list, head=Py_ssize_t)
    cpdef take(self)


cdef Py_ssize_t _cost(object item) except -1
