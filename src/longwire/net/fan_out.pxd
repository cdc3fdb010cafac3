cimport cython

from longwire.net.endpoint cimport Endpoint


cdef class FanOut:
    cdef list _endpoints

    @cython.locals(over=list, endpoint=Endpoint, index=Py_ssize_t)
    cpdef send_bytes(self, bytes frames, long long messages, Py_ssize_t held_bytes_max)
