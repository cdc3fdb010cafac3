cdef Py_ssize_t _COUNTED_BYTES_MIN


cdef class HttpExchange:
    cdef readonly object request
    cdef public str root_path
    cdef public object status
    cdef public object trailers
    cdef public bint is_open_ended
    cdef public object socket
    cdef object __weakref__
    cdef object _again
    cdef list _body
    cdef Py_ssize_t _body_bytes
    cdef str _closed_reason
    cdef list _collected
    cdef Py_ssize_t _collected_bytes
    cdef object _connection
    cdef bint _has_asked_for_body
    cdef bint _is_body_complete
    cdef bint _is_counted
    cdef bint _is_draining
    cdef bint _is_finished
    cdef list _waiters

    cpdef let_stand(self, object again)

    cpdef bint respond_at_once(self, int status, object headers=*, bytes body=*) except -1

    cpdef body_ended(self, object trailers)

    cdef _count_in_flight(self)

    cdef _drop_body(self)

    cpdef stream_closed(self, object error)

    cpdef wake(self)

    cdef _check_open(self)
