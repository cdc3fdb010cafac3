cdef class RequestReceived:
    cdef readonly object stream
    cdef readonly str method
    cdef readonly str target
    cdef readonly str version
    cdef readonly object headers
    cdef readonly str scheme
    cdef readonly str authority
    cdef readonly object protocol
