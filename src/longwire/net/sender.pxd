cimport cython

from longwire.net.endpoint cimport Endpoint


cdef object _OPEN, _WHOLE
cdef Py_ssize_t _TURN_BYTES_MAX, _MESSAGE_COST_BYTES


cdef class Sender:
    cdef list _drain_waiters
    cdef Endpoint _endpoint
    cdef object _fragments_sender
    cdef object _loop
    cdef Py_ssize_t _turn_bytes
    cdef Py_ssize_t _write_limit

    cpdef wake(self)

    cdef bint _is_held_back(self) except -1
