cimport cython
from cpython.object cimport PyTypeObject


cdef extern from "Python.h":
    object PyType_GenericAlloc(PyTypeObject *kind, Py_ssize_t size)


@cython.locals(size=Py_ssize_t, at=Py_ssize_t)
cpdef make(kind, tuple values)

cpdef tuple parts(value)
