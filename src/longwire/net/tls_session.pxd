cdef class TlsBuffers:
    cdef readonly object incoming
    cdef readonly object outgoing


cdef class TlsSession:
    cdef TlsBuffers _buffers
    cdef readonly object tls
    cdef public bytes output
    cdef readonly bint is_established
    cdef readonly bint has_peer_closed
    cdef readonly bint is_closed
    cdef readonly object failure

    cpdef bytes shake_hands(self, bytes data)

    cpdef bytes decrypt(self, bytes data)

    cpdef encrypt(self, object data)

    cpdef close(self)

    cdef _fail(self, object error)

    cdef _take_output(self)
