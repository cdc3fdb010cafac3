cdef class HttpStreams:
    cdef dict _exchanges
    cdef dict _tunnels

    cdef add(self, object stream, object exchange)

    cdef receive(self, object event)

    cdef end(self, object stream, object error)

    cdef Py_ssize_t unread_bytes(self) except -1
