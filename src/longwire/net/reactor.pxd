cimport cython

from longwire.net.reactor_link cimport ReactorLink


cdef int _ALONE_BATCHES_MIN, _IN


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
    cdef ReactorLink _alone
    cdef int _alone_batches
    cdef ReactorLink _lifted
    cdef bint _may_lift

    cpdef poll(self)

    @cython.locals(link=ReactorLink, batch=list)
    cdef _end_batch(self)

    @cython.locals(link=ReactorLink)
    cpdef _serve_lifted(self)

    @cython.locals(link=ReactorLink, events=int, links=dict, ready=list)
    cdef _serve_ready(self)

    cpdef cork(self, ReactorLink link)
