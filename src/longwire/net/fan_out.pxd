cimport cython

from longwire.net.endpoint cimport Endpoint
from longwire.net.reactor_link cimport ReactorLink


cdef class FanOut:
    cdef list _endpoints

    @cython.locals(
        over=list,
        links=list,
        lenders=list,
        others=list,
        endpoint=Endpoint,
        link=ReactorLink,
        index=Py_ssize_t,
        held=Py_ssize_t,
    )
    cpdef send_bytes(self, bytes frames, long long messages, Py_ssize_t held_bytes_max)


@cython.locals(short=dict, link=ReactorLink, place=Py_ssize_t, count=Py_ssize_t)
cpdef list write_to_each(list links, list lenders, bytes buffer)
