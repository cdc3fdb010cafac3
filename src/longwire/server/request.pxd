cimport cython

from longwire.http.request_received cimport RequestReceived


@cython.locals(path=str, query=str)
cpdef tuple split_target(str target)


cdef class Request:
    cdef public str method
    cdef public str path
    cdef public str query_text
    cdef public object headers
    cdef public str scheme
    cdef public str authority
    cdef public object path_parameters
    cdef public str root_path
    cdef object _body
    cdef object _form
    cdef object _form_limits
    cdef object _id
    cdef object _query
    cdef object _source
    cdef object __weakref__

    cpdef release(self)
