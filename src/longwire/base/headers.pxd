cimport cython


cdef class Headers:
    cdef readonly list _fields
    cdef object __weakref__

    @cython.locals(length=Py_ssize_t, item=tuple, field=str, wanted=str)
    cpdef get(self, str name, object default=*)

    cpdef add(self, str name, str value)

    cpdef set(self, str name, str value)

    cpdef remove(self, str name)
