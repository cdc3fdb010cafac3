cimport cython


@cython.locals(given=Py_ssize_t)
cpdef deliver_events(object endpoint, object callbacks, list events)

cdef _deliver_other(object endpoint, object callbacks, object event)
