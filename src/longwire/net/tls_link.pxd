cimport cython

from longwire.net.reactor_link cimport ReactorLink
from longwire.net.tls_session cimport TlsSession


cdef Py_ssize_t _ENCRYPT_BYTES_MAX


cdef class TlsLink(ReactorLink):
    cdef readonly TlsSession session
    cdef Py_ssize_t _encrypted_bytes
    cdef Py_ssize_t _sent_output

    cdef _receive(self)

    @cython.locals(session=TlsSession, data=bytes, plain=bytes)
    cdef bytes _take_some(self)

    @cython.locals(session=TlsSession)
    cpdef _follow_session(self)

    cpdef bint can_write_alone(self) except -1

    cpdef Py_ssize_t write_alone(self, bytes buffer) except -1

    cdef bint _has_unsent(self)

    @cython.locals(session=TlsSession)
    cdef _send_some(self)

    @cython.locals(output=bytes)
    cdef bint _send_output(self) except -1

    @cython.locals(first=bytes, buffer=bytes, size=Py_ssize_t, pending=list)
    cdef _encrypt_some(self)

    cdef _drop_pending(self)
