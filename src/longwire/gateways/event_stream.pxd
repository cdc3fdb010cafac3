cimport cython

from longwire.net.http_connection cimport HttpConnection


cdef class EventResponse:
    cdef object _bare
    cdef HttpConnection _connection
    cdef object _draining
    cdef readonly object _exchange
    cdef public bint _has_sent
    cdef Py_ssize_t _held_bytes_max
    cdef readonly object ended
    cdef public object on_drained
    cdef object __weakref__

    @cython.locals(connection=HttpConnection)
    cpdef Py_ssize_t write_shared(self, bytes buffer) except -1

    cdef Py_ssize_t _look_after(self, Py_ssize_t held) except -1


cdef class ResponseFanOut:
    cdef list _responses

    @cython.locals(over=list, response=EventResponse, index=Py_ssize_t)
    cpdef send_bytes(self, bytes buffer, long long messages, Py_ssize_t held_bytes_max)
