from longwire.net.receiver cimport Receiver


cdef class MessageIterator:
    cdef bint _is_waiting
    cdef Receiver _receiver

    cpdef close(self)

    cdef _wait(self)

    cdef _end_wait(self)
