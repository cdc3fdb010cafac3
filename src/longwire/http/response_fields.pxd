cimport cython

from longwire.base.headers cimport Headers


cdef class ResponseFields:
    cdef readonly list lines
    cdef readonly str text
    cdef readonly frozenset names
    cdef readonly list options
    cdef readonly object length


cpdef ResponseFields read_fields(Headers headers)
