cimport cython


cdef class Headers:
    cdef readonly list _fields
    cdef bint _is_shared
    cdef object __weakref__

    cdef _share(self, Headers other)

    @cython.locals(length=Py_ssize_t, item=tuple, field=str, wanted=str)
    cpdef get(self, str name, object default=*)

    cpdef joined(self, str name)

    @cython.locals(field=str)
    cpdef bint has_any(self, frozenset names) except -1

    cpdef add(self, str name, str value)

    cpdef set(self, str name, str value)

    cpdef remove(self, str name)

    cpdef tuple as_tuple(self)
