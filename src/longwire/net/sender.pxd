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

    cpdef send(self, object message, object text)

    cpdef begin(self, object message, object text)

    cdef _send_whole(self, object message, object text)

    cpdef wake(self)

    cdef bint _is_held_back(self) except -1


@cython.freelist(64)
cdef class Sending:
    cdef object _message
    cdef Sender _sender
    cdef object _text
    cdef object _waiting
