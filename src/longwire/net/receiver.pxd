cimport cython

from longwire.net.endpoint cimport Endpoint
from longwire.net.receive_queue cimport ReceiveQueue


cdef object _OPEN
cdef Py_ssize_t _COUNTED_BYTES_MIN


cdef class Receiver:
    cdef list _assembly
    cdef Endpoint _endpoint
    cdef bint _is_paused
    cdef bint _is_skipping
    cdef object _loop
    cdef object _parts
    cdef ReceiveQueue _queue
    cdef object _task
    cdef object _waiter

    @cython.locals(queue=ReceiveQueue, endpoint=Endpoint)
    cpdef put(self, object item)

    cpdef wake(self)

    cdef _begin_message(self, object what)

    cdef _take_message(self)

    cdef _take_part(self, object part)

    cdef _take(self)
