from longwire.server.request cimport Request
from longwire.server.response cimport Response


cdef class ContentSelection:
    cdef object _selector
    cdef object _cache_control
    cdef object __weakref__

    cpdef bint suits(self, Request request, Response response) except -1


cdef bint _is_left_to_guess(Request request, Response response) except -1
