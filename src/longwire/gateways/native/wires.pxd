from longwire.net.endpoint cimport Endpoint


cdef class EndpointWire:
    cdef readonly object encoder
    cdef readonly Endpoint _endpoint
    cdef object _opcode
    cdef long long _bytes_heard
    cdef long long _messages_sent

    cpdef send(self, message)

    cpdef Py_ssize_t send_bytes(self, buffer, messages) except -1
