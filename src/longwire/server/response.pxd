cdef dict _typed_fields
cdef object _TEXT
cdef Py_ssize_t _TYPES_MAX


cdef class Response:
    cdef public object body
    cdef public object headers
    cdef public int status
    cdef object __weakref__


cdef class StandingResponse(Response):
    cdef readonly object holds


cdef object _typed(object content_type)

cpdef Response make_response(object value)
