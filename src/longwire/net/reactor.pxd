cimport cython

from longwire.net.reactor_link cimport ReactorLink


cdef class Reactor:
    cdef readonly object state
    cdef object _calls
    cdef object _epoll
    cdef dict _links
    cdef dict _listening
    cdef list _batch
    cdef bint _is_in_batch
    cdef bint _is_watched
    cdef object _tls_buffers
    cdef int _handshakes_left

    @cython.locals(link=ReactorLink, events=int, links=dict, batch=list)
    cpdef poll(self)

    cpdef cork(self, ReactorLink link)
